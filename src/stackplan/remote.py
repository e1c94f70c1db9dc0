"""Remote endpoints that a user declares, to be asked when a local model cannot answer. Never anything by default."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

AFFORDABLE: Final = "affordable"
PREMIUM: Final = "premium"


@dataclass(frozen=True, slots=True)
class RemoteEndpoint:
    """One OpenAI-compatible endpoint. ``roles`` empty means every chat role.

    ``price_class`` decides who is asked first: local, then affordable, then premium. ``key_variable`` names the
    environment variable that holds the key; the key itself is never read. Costs are dollars per million tokens,
    ``monthly_budget`` dollars per month.
    """

    name: str
    model: str
    base_url: str
    key_variable: str
    price_class: str = AFFORDABLE
    roles: tuple[str, ...] = ()
    input_cost_per_million: float | None = None
    output_cost_per_million: float | None = None
    monthly_budget: float | None = None
    timeout_seconds: int = 60


@dataclass(frozen=True, slots=True)
class Fallback:
    """A remote endpoint that may answer when the local instance of ``role`` cannot; "" means every chat role.

    ``order`` 2 is tried before 3 (the local instance is 1). An endpoint for several roles is there once per role, under
    one ``name``; ``monthly_budget`` (dollars) is for all of them together. ``key_variable`` names the environment
    variable that holds the key; the key itself is never part of a plan.
    """

    role: str
    name: str
    model: str
    base_url: str
    key_variable: str
    order: int = 2
    input_cost_per_million: float | None = None
    output_cost_per_million: float | None = None
    price_class: str = "affordable"
    monthly_budget: float | None = None
    timeout_seconds: int = 60


def remote_endpoints(records: Iterable[Any]) -> tuple[RemoteEndpoint, ...]:
    """Checked records, or what an index kept of them, as values."""
    return tuple(
        RemoteEndpoint(
            name=record.name,
            model=record.model,
            base_url=record.url,
            key_variable=record.key_variable,
            price_class=record.price_class,
            roles=tuple(record.roles),
            input_cost_per_million=record.input_cost_per_million,
            output_cost_per_million=record.output_cost_per_million,
            monthly_budget=record.monthly_budget,
            timeout_seconds=record.timeout_seconds,
        )
        for record in records
    )
