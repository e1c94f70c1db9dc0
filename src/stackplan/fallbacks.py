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


def remote_notes(fallbacks: Iterable[Fallback]) -> tuple[str, ...]:
    """One line that says where requests may go beside this machine; none when they cannot."""
    hosts = {one.name: one.base_url.partition("//")[2].partition("/")[0] for one in fallbacks}
    if not hosts:
        return ()
    told = ", then ".join(f"{name} ({host})" for name, host in hosts.items())
    return (f"where a local model does not answer, requests may go to {told}",)


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
