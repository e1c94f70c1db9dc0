"""The best choice of the whole option space, without writing the whole space down.

Half a million options are far more than a solver wants to see. Prices of the linear relaxation tell which of them could
matter: columns are added until none outside has a positive profit (column generation), then everything whose profit
is within the gap to the best known choice goes to the solver, and its optimum is the optimum of the space.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stackplan.bases import Base, BaseFinder
from stackplan.options import VALUE_PER_POINT, Column, Deployable, columns_of, empty_problem, swap_group
from stackplan.problem import TIERS, Choice, NoChoice, Problem
from stackplan.solve import solve
from stackplan.solve.lexicographic import best_value, requirement_reward
from stackplan.solve.pricing import PriceList, prices

_SEEDS_PER_NEED = 3
_ADDED_PER_ROUND = 60
_CIRCLES = (0.002, 0.02, 1e9)
_ROUNDS = 20
_TOLERANCE = 1.0  # thousandths of a utility point: what float prices may be off


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice with the problem that it solves and what its candidates mean. ``offered`` counts the whole space."""

    answer: Choice | NoChoice
    problem: Problem
    deployables: dict[str, Deployable]
    offered: int


@dataclass(frozen=True, slots=True)
class _Outline:
    """A base in the units of prices: the most that each need could get of it, and the least that it takes."""

    base: Base
    values: tuple[tuple[str, int, float], ...]  # need, slots, value in HOT at the wished context
    takes: tuple[tuple[str, int, int, int], ...]  # pool, fixed, per slot, kept when WARM
    group: str


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
    """Prices at which nothing outside ``columns`` has a positive profit; grows ``columns`` on the way."""
    for _ in range(_ROUNDS):
        found = prices(_problem(empty, columns), reward)
        if found is None:
            return None
        fresh = _profitable(finder, outlines, found, _TOLERANCE)
        fresh = {name: column for name, column in fresh.items() if name not in columns}
        if not fresh:
            return found
        best = sorted(fresh.values(), key=lambda column: (-_profit(found, column), column.candidate.id))
        columns |= {column.candidate.id: column for column in best[:_ADDED_PER_ROUND]}
    return None


def _worth_solving(
    finder: BaseFinder, outlines: list[_Outline], columns: dict[str, Column], empty: Problem, found: PriceList
) -> dict[str, Column]:
    """Every column that some choice better than the best known one could use.

    The best known choice is that of the columns nearest to being used; a wider circle is tried when they have none.
    """
    for share in _CIRCLES:
        near = {n: c for n, c in columns.items() if _profit(found, c) >= -share * abs(found.bound)}
        known = best_value(_problem(empty, near))
        if known is not None and all(need.id in known.assignment for need in empty.needs if need.required):
            served = found.reward * len(found.required)
            least = known.value + served - found.bound - _TOLERANCE
            return near | _profitable(finder, outlines, found, least)
    return columns


def _profitable(finder: BaseFinder, outlines: list[_Outline], found: PriceList, least: float) -> dict[str, Column]:
    """Columns with an offer whose profit is above ``least``, with those offers only."""
    fresh: dict[str, Column] = {}
    for outline in outlines:
        if max(_ceiling(outline, found, tier) for tier in TIERS) <= least:
            continue
        for column in columns_of(outline.base, finder):
            gains = found.profits(column.candidate, column.offers)
            offers = tuple(offer for offer in column.offers if gains[offer.need] > least)
            if offers:
                fresh[column.candidate.id] = replace(column, offers=offers)
    return fresh


def _profit(found: PriceList, column: Column) -> float:
    return max(found.profits(column.candidate, column.offers).values())


def _ceiling(outline: _Outline, found: PriceList, tier: str) -> float:
    """No option of the outline's base in ``tier`` has a larger profit."""
    parts = []
    for need, slots, value in outline.values:
        part = value - found.need_price(need)
        for pool, fixed, per_slot, _ in outline.takes:
            unit = found.units[pool]
            if tier == "hot":
                part -= (found.memory[pool] + found.hot_beside_cold[pool]) * (per_slot * slots // unit)
            else:
                taken = fixed // unit + per_slot * slots // unit
                part -= found.turn_price(tier, outline.group, pool, need) * taken
        parts.append(part)
    welcome = sum(max(0.0, part) for part in parts)
    return welcome + min(0.0, max(parts)) - sum(_running(found, tier, take) for take in outline.takes)


def _running(found: PriceList, tier: str, take: tuple[str, int, int, int]) -> float:
    pool, fixed, _, kept = take
    unit = found.units[pool]
    if tier == "hot":
        return (found.memory[pool] + found.hot_beside_cold[pool]) * ((fixed + kept) // unit)
    return found.memory[pool] * (kept // unit) if tier == "warm" else 0.0


def _outline(base: Base, finder: BaseFinder) -> _Outline:
    values = []
    for position, merit in base.merits:
        need = finder.needs[position]
        values.append((need.id, need.slots, merit * need.priority * VALUE_PER_POINT + 1.0))
    takes = tuple(
        (take.pool, take.fixed_bytes, take.per_slot_bytes, take.kept_bytes)
        for take in base.least.for_tier("warm", finder.host)
    )
    return _Outline(base, tuple(values), takes, swap_group(base.placement))


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
