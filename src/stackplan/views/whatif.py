"""What buying a card would bring: the steps that were tried, as a table and as plain values."""

from collections.abc import Sequence
from typing import Any

from stackplan.units import format_gib
from stackplan.views.colour import paint
from stackplan.views.table import inert, table
from stackplan.whatif import WORTH_BUYING, Tried


def upgrades_text(tried: Sequence[Tried], *, colour: bool) -> str:
    """The steps that were tried, the cheapest first, and which of them is the first that improves the stack."""
    if not tried:
        return " The hardware catalog has no card with a price that this machine could take."
    rows = [["card", "GiB", "US dollars", "price of", "gain"], *(_row(one) for one in tried)]
    lines = table(rows, right=(1, 2, 4))
    found = next((one for one in tried if is_better(one)), None)
    last = f" The cheapest step that improves the stack: {inert(found.step.name)}." if found else _NOTHING
    return "\n".join([paint(lines[0], "bold", colour=colour), *lines[1:], "", last])


_NOTHING = " None of the cards tried improves the stack."


def upgrades_json(tried: Sequence[Tried]) -> list[dict[str, Any]]:
    """The steps that were tried, for ``--json``."""
    return [
        {
            "device": one.step.device,
            "price_usd": one.step.price_usd,
            "price_date": one.step.price_date,
            "price_source": one.step.price_source,
            "possible": one.plan is not None,
            "gain": one.gain,
        }
        for one in tried
    ]


def is_better(tried: Tried) -> bool:
    """Whether a step improves the stack by what is worth buying, or makes a plan where there was none."""
    return tried.plan is not None and tried.gain >= WORTH_BUYING


def _row(one: Tried) -> list[str]:
    gain = f"{one.gain:+.1f}" if one.plan is not None else "no plan"
    step = one.step
    return [inert(step.name), format_gib(step.capacity_bytes, 0), f"{step.price_usd:,}", inert(step.price_date), gain]
