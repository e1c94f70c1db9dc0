"""What a choice better than the known one could be made of: all else is left out, with a bound that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stackplan.effort import Effort
from stackplan.market import TOLERANCE, Market, Promise, varied
from stackplan.options import Column
from stackplan.problem import Problem
from stackplan.solve.leaves import leaf_prices
from stackplan.solve.pricing import PriceList
from stackplan.solve.usage import value

_REFINED = 5  # rounds in which parts of the space get columns that they miss
_NEGLIGIBLE = 0.001  # of the bound: further rounds cost more than a slightly wider final circle
_NEARBY, _WIDER = 0.0005, 4  # of the bound: how far is looked at first, and how much further if that is little
_NOTHING = float("-inf")


@dataclass(frozen=True, slots=True)
class Reach:
    """Columns to solve, and a bound of every choice that uses an option left out (minus infinity: there is none)."""

    columns: dict[str, Column]
    ceiling: float


def within_reach(
    market: Market,
    columns: dict[str, Column],
    empty: Problem,
    found: PriceList,
    known: Mapping[str, str],
    effort: Effort,
) -> Reach:
    """Everything that some choice better than ``known`` could use; grows ``columns`` on the way."""
    rewards = found.reward * len(found.required)
    earned = value(problem_of(empty, columns), known) + rewards
    leaves = _leaves(market, columns, empty, found, earned, effort.parts) if effort.parts > 1 else [found]
    reached, ceiling = _reached(market, leaves, earned, effort.columns)
    ordered = sorted(reached, key=lambda name: (-reached[name][0], name))
    if len(ordered) > effort.columns:
        ceiling = reached[ordered[effort.columns]][0]
    kept = market.columns(reached[name][1] for name in ordered[: effort.columns])
    return Reach(kept | {name: columns[name] for name in known.values()}, ceiling - rewards)


def _reached(
    market: Market, leaves: Sequence[PriceList], earned: float, enough: int
) -> tuple[dict[str, tuple[float, Promise]], float]:
    """Options that could be part of more than ``earned`` with the most that they could be part of, likeliest first.

    Looks no further than for about ``enough`` of them; the figure bounds what was not looked at.
    """
    top = max((leaf.bound for leaf in leaves), default=earned)
    floor = max(earned, top - _NEARBY * abs(top))
    while True:
        reached: dict[str, tuple[float, Promise]] = {}
        for leaf in leaves:
            for promise in market.all(leaf, floor - leaf.bound - TOLERANCE):
                best = leaf.bound + promise.gain
                if promise.name not in reached or reached[promise.name][0] < best:
                    reached[promise.name] = (best, promise)
        if floor <= earned:
            return reached, _NOTHING
        if len(reached) >= enough // 2:
            return reached, floor
        floor = max(earned, top - _WIDER * (top - floor))


def problem_of(empty: Problem, columns: Mapping[str, Column]) -> Problem:
    """The problem with the offers of ``columns``."""
    ordered = [columns[name] for name in sorted(columns)]
    return replace(
        empty,
        candidates=tuple(column.candidate for column in ordered),
        offers=tuple(offer for column in ordered for offer in column.offers),
    )


def most_added(promises: Sequence[Promise]) -> float:
    """What columns outside could add together: for each need, the most profitable of those that serve it."""
    best: dict[str, float] = {}
    for promise in promises:
        for need, _ in promise.outline.values:
            best[need.id] = max(best.get(need.id, 0.0), promise.gain)
    return sum(best.values())


def is_negligible(missed: float, found: PriceList) -> bool:
    """Whether so much more value is not worth another round of pricing."""
    return missed <= _NEGLIGIBLE * abs(found.value_bound)


def _leaves(
    market: Market, columns: dict[str, Column], empty: Problem, found: PriceList, earned: float, parts: int
) -> list[PriceList]:
    """Prices of parts of the space; their bounds cover what little the columns outside could still add."""
    for _ in range(_REFINED):
        leaves = leaf_prices(problem_of(empty, columns), found.reward, earned, parts)
        missing = [market.best(leaf, columns) for leaf in leaves]
        bounded = [
            replace(leaf, bound=leaf.bound + most_added(promises))
            for leaf, (promises, _) in zip(leaves, missing, strict=True)
        ]
        short = [
            promises
            for leaf, (promises, whole) in zip(bounded, missing, strict=True)
            if not whole or (leaf.bound > earned and not is_negligible(most_added(promises), leaf))
        ]
        if not short:
            return bounded
        columns |= market.columns(promise for promises in short for promise in varied(promises))
    better = all(whole for _, whole in missing) and all(leaf.bound <= found.bound for leaf in bounded)
    return bounded if better else [found]
