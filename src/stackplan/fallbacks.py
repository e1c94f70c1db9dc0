"""Which remote endpoint may answer for which role, and in which order: local, affordable, premium."""

from collections.abc import Iterable

from stackplan.remote import PREMIUM, Fallback, RemoteEndpoint

_FIRST_ORDER = 2  # the local instance is 1


def planned_fallbacks(endpoints: Iterable[RemoteEndpoint]) -> tuple[Fallback, ...]:
    """The endpoints as the plan holds them: affordable ones before premium ones, each class as declared."""
    ordered = sorted(endpoints, key=lambda endpoint: endpoint.price_class == PREMIUM)
    return tuple(
        _fallback(endpoint, role, order)
        for order, endpoint in enumerate(ordered, start=_FIRST_ORDER)
        for role in endpoint.roles or ("",)
    )


def _fallback(endpoint: RemoteEndpoint, role: str, order: int) -> Fallback:
    return Fallback(
        role=role,
        name=endpoint.name,
        model=endpoint.model,
        base_url=endpoint.base_url,
        key_variable=endpoint.key_variable,
        order=order,
        input_cost_per_million=endpoint.input_cost_per_million,
        output_cost_per_million=endpoint.output_cost_per_million,
        price_class=endpoint.price_class,
        monthly_budget=endpoint.monthly_budget,
        timeout_seconds=endpoint.timeout_seconds,
    )
