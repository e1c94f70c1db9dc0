"""Bases in the units of prices: what an option could gain at most, told without making it."""

from dataclasses import dataclass

from stackplan.assess import Taken
from stackplan.bases import Base, BaseFinder
from stackplan.needs import RoleNeed
from stackplan.options import VALUE_PER_POINT, may_be_in, swap_group
from stackplan.problem import Tier
from stackplan.solve.pricing import PriceList

_ROUNDED = 0.5  # values are rounded to whole thousandths

Amounts = tuple[tuple[str, int, int, int], ...]  # pool, fixed, per slot, kept while WARM and not loaded: bytes


@dataclass(slots=True)
class Outline:
    """A base in the units of prices: what each need gets of it at best, and what it takes at each context."""

    base: Base
    values: tuple[tuple[RoleNeed, float], ...]  # value in HOT at the wished context
    least: Amounts
    group: str
    curve: list[tuple[int, Taken, Amounts]] | None = None


def gain(
    outline: Outline, found: PriceList, tier: Tier, amounts: Amounts, context: int | None, finder: BaseFinder
) -> float:
    """What an option of the outline may gain at most; with no ``context``, any option of it in ``tier``."""
    rating = finder.rating
    most, welcome = float("-inf"), 0.0
    for need, best in outline.values:
        if not may_be_in(need, tier):
            continue
        part = best * rating.tier_factor(need, tier) + _ROUNDED - found.need_price(need.id)
        if context is not None:
            part -= best * rating.tier_factor(need, tier) * (1.0 - rating.context_factor(need, context))
        for pool, fixed, per_slot, _ in amounts:
            unit = found.units[pool]
            if tier == "hot":
                part -= (found.memory[pool] + found.hot_beside_cold[pool]) * (per_slot * need.slots // unit)
            else:
                price = found.turn_price(tier, outline.group, pool, need.id)
                part -= price * (fixed // unit + per_slot * need.slots // unit)
        most = max(most, part)
        welcome += max(0.0, part)
    return welcome + min(0.0, most) - _running(found, tier, amounts)  # -inf when no need may be in this tier


def _running(found: PriceList, tier: Tier, amounts: Amounts) -> float:
    running = 0.0
    for pool, fixed, _, kept in amounts:
        unit = found.units[pool]
        if tier == "hot":
            running += (found.memory[pool] + found.hot_beside_cold[pool]) * ((fixed + kept) // unit)
        elif tier == "warm":
            running += found.memory[pool] * (kept // unit)
    return running


def curve_of(outline: Outline, finder: BaseFinder) -> list[tuple[int, Taken, Amounts]]:
    """What the outline's base takes at each context; asked once."""
    if outline.curve is None:
        curve = finder.curve(outline.base)
        outline.curve = [(context, taken, _amounts(taken, finder)) for context, taken in curve]
    return outline.curve


def outline_of(base: Base, finder: BaseFinder) -> Outline:
    """The outline of a base, before any of its curve is known."""
    needs = ((need, merit) for need, merit in ((finder.needs[p], merit) for p, merit in base.merits) if speaks(need))
    values = tuple((need, merit * need.priority * VALUE_PER_POINT) for need, merit in needs)
    return Outline(base, values, _amounts(base.least, finder), swap_group(base.configuration(base.contexts[0])))


def speaks(need: RoleNeed) -> bool:
    """Whether the need stands for itself, or for the interchangeable needs of its pool as their first."""
    return not need.pool or need.id == f"{need.pool}-1"


def _amounts(taken: Taken, finder: BaseFinder) -> Amounts:
    takes = taken.for_tier("warm", finder.host)
    return tuple((take.pool, take.fixed_bytes, take.per_slot_bytes, take.kept_bytes) for take in takes)
