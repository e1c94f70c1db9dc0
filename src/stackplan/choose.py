"""The best choice of the whole option space, without writing the whole space down.

Half a million options are far more than a solver wants to see. Prices of the linear relaxation tell which of them could
matter: columns are added until none outside has a positive profit (column generation), then everything whose profit
is within the gap to the best known choice goes to the solver, and its optimum is the optimum of the space.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stackplan.assess import Taken
from stackplan.bases import Base, BaseFinder
from stackplan.needs import RoleNeed
from stackplan.options import (
    VALUE_PER_POINT,
    Column,
    Deployable,
    column_of,
    columns_of,
    empty_problem,
    swap_group,
)
from stackplan.problem import TIERS, Choice, NoChoice, Problem, Tier
from stackplan.solve import solve
from stackplan.solve.lexicographic import best_value, requirement_reward
from stackplan.solve.pricing import PriceList, prices

_SEEDS_PER_NEED = 3
_ADDED_PER_ROUND = 60
_CIRCLES = (0.002, 0.02, 1e9)
_ROUNDS = 20
_NEGLIGIBLE = 0.0005  # of the bound: further rounds of pricing cost more than a slightly wider final circle
_ROUNDED = 0.5  # values are rounded to whole thousandths
_TOLERANCE = 1.0  # thousandths of a utility point: what float prices may be off


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice with the problem that it solves and what its candidates mean. ``offered`` counts the whole space."""

    answer: Choice | NoChoice
    problem: Problem
    deployables: dict[str, Deployable]
    offered: int


Amounts = tuple[tuple[str, int, int, int], ...]  # pool, fixed, per slot, kept while WARM and not loaded: bytes


@dataclass(slots=True)
class _Outline:
    """A base in the units of prices: what each need gets of it at best, and what it takes at each context."""

    base: Base
    values: tuple[tuple[RoleNeed, float], ...]  # value in HOT at the wished context
    least: Amounts
    group: str
    curve: list[tuple[int, Taken, Amounts]] | None = None


def choose(finder: BaseFinder, bases: Sequence[Base], *, partial: bool = False) -> Chosen:
    """The best choice over every option of ``bases``, or the minimal conflict that forbids one."""
    empty = empty_problem(finder.host, finder.needs, finder.rating)
    reward = _reward(finder, empty)
    outlines = [_outline(base, finder) for base in bases]
    columns = {column.candidate.id: column for column in _seeds(bases, finder)}
    found = _priced(finder, outlines, columns, empty, reward)
    if found is not None:
        columns = _worth_solving(finder, outlines, columns, empty, found)
    problem = _problem(empty, columns)
    offered = sum(len(base.contexts) * len(base.merits) for base in bases) * len(TIERS)
    answer = solve(problem, partial=partial)
    return Chosen(answer, problem, {name: column.deployable for name, column in columns.items()}, offered)


def _priced(
    finder: BaseFinder, outlines: list[_Outline], columns: dict[str, Column], empty: Problem, reward: float
) -> PriceList | None:
    """Prices at which what lies outside ``columns`` adds next to nothing; grows ``columns`` on the way.

    The bound of the prices given covers what little the columns outside could still add.
    """
    for _ in range(_ROUNDS):
        found = prices(_problem(empty, columns), reward)
        if found is None:
            return None
        fresh = _profitable(finder, outlines, found, _TOLERANCE)
        fresh = {name: column for name, column in fresh.items() if name not in columns}
        missed = _most_added(found, fresh)
        if missed <= _NEGLIGIBLE * abs(found.bound - found.reward * len(found.required)):
            return replace(found, bound=found.bound + missed)
        best = sorted(fresh.values(), key=lambda column: (-_profit(found, column), column.candidate.id))
        columns |= {column.candidate.id: column for column in best[:_ADDED_PER_ROUND]}
    return None


def _most_added(found: PriceList, fresh: dict[str, Column]) -> float:
    """What columns outside could add together: for each need, the most profitable of those that serve it."""
    best: dict[str, float] = {}
    for column in fresh.values():
        for need, gain in found.profits(column.candidate, column.offers).items():
            best[need] = max(best.get(need, 0.0), gain)
    return sum(best.values())


def _worth_solving(
    finder: BaseFinder, outlines: list[_Outline], columns: dict[str, Column], empty: Problem, found: PriceList
) -> dict[str, Column]:
    """Every column that some choice better than the best known one could use.

    The best known choice is that of the columns nearest to being used; a wider circle is tried when they have none.
    """
    earned = found.reward * len(found.required)
    for share in _CIRCLES:
        near = {n: c for n, c in columns.items() if _profit(found, c) >= -share * abs(found.bound - earned)}
        known = best_value(_problem(empty, near))
        if known is not None and all(need.id in known.assignment for need in empty.needs if need.required):
            return near | _profitable(finder, outlines, found, known.value + earned - found.bound - _TOLERANCE)
    return columns


def _profitable(finder: BaseFinder, outlines: list[_Outline], found: PriceList, least: float) -> dict[str, Column]:
    """Columns with an offer whose profit is above ``least``, with those offers only."""
    fresh: dict[str, Column] = {}
    for outline in outlines:
        for tier in TIERS:
            if _gain(outline, found, tier, outline.least, None, finder) <= least:
                continue
            for context, taken, amounts in _curve(outline, finder):
                if _gain(outline, found, tier, amounts, context, finder) > least:
                    column = column_of(outline.base, context, taken, tier, finder)
                    if column is not None and (kept := _gainful(column, found, least)):
                        fresh[column.candidate.id] = kept
    return fresh


def _gainful(column: Column, found: PriceList, least: float) -> Column | None:
    gains = found.profits(column.candidate, column.offers)
    offers = tuple(offer for offer in column.offers if gains[offer.need] > least)
    return replace(column, offers=offers) if offers else None


def _profit(found: PriceList, column: Column) -> float:
    return max(found.profits(column.candidate, column.offers).values())


def _gain(
    outline: _Outline, found: PriceList, tier: Tier, amounts: Amounts, context: int | None, finder: BaseFinder
) -> float:
    """What an option of the outline may gain at most; with no ``context``, any option of it in ``tier``."""
    rating = finder.rating
    most, welcome = float("-inf"), 0.0
    for need, best in outline.values:
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
    return welcome + min(0.0, most) - _running(found, tier, amounts)


def _running(found: PriceList, tier: Tier, amounts: Amounts) -> float:
    running = 0.0
    for pool, fixed, _, kept in amounts:
        unit = found.units[pool]
        if tier == "hot":
            running += (found.memory[pool] + found.hot_beside_cold[pool]) * ((fixed + kept) // unit)
        elif tier == "warm":
            running += found.memory[pool] * (kept // unit)
    return running


def _curve(outline: _Outline, finder: BaseFinder) -> list[tuple[int, Taken, Amounts]]:
    if outline.curve is None:
        curve = finder.curve(outline.base)
        outline.curve = [(context, taken, _amounts(taken, finder)) for context, taken in curve]
    return outline.curve


def _outline(base: Base, finder: BaseFinder) -> _Outline:
    needs = ((finder.needs[position], merit) for position, merit in base.merits)
    values = tuple((need, merit * need.priority * VALUE_PER_POINT) for need, merit in needs)
    return _Outline(base, values, _amounts(base.least, finder), swap_group(base.configuration(base.contexts[0])))


def _amounts(taken: Taken, finder: BaseFinder) -> Amounts:
    takes = taken.for_tier("warm", finder.host)
    return tuple((take.pool, take.fixed_bytes, take.per_slot_bytes, take.kept_bytes) for take in takes)


def _seeds(bases: Sequence[Base], finder: BaseFinder) -> Iterator[Column]:
    """A few columns of every need to begin with: of the most worthy, the thriftiest and the lightest models."""
    chosen: dict[int, Base] = {}
    for position in range(len(finder.needs)):
        offering = [(dict(base.merits)[position], base) for base in bases if position in dict(base.merits)]
        for rank in (_worth, _thrift, _lightness):
            models: set[str] = set()
            for _, base in sorted(offering, key=rank):
                if len(models) < _SEEDS_PER_NEED and base.served.key not in models:
                    models.add(base.served.key)
                    chosen[id(base)] = base
    for base in chosen.values():
        columns = list(columns_of(base, finder))
        yield from (columns[place] for place in sorted({*range(3), *range(len(columns) - 3, len(columns))}) if columns)


def _worth(pair: tuple[float, Base]) -> tuple[float, str]:
    return (-pair[0], pair[1].configuration(0).name)


def _thrift(pair: tuple[float, Base]) -> tuple[float, str]:
    return (-pair[0] / (1 + _weight(pair[1])), pair[1].configuration(0).name)


def _lightness(pair: tuple[float, Base]) -> tuple[float, str]:
    return (_weight(pair[1]), pair[1].configuration(0).name)


def _weight(base: Base) -> int:
    return sum(pool.fixed_bytes + pool.per_slot_bytes for pool in base.least.pools)


def _reward(finder: BaseFinder, empty: Problem) -> float:
    most = sum(need.priority for need in finder.needs) * 100 * VALUE_PER_POINT
    return float(most + requirement_reward(empty))


def _problem(empty: Problem, columns: dict[str, Column]) -> Problem:
    ordered = [columns[name] for name in sorted(columns)]
    return replace(
        empty,
        candidates=tuple(column.candidate for column in ordered),
        offers=tuple(offer for column in ordered for offer in column.offers),
    )
