"""What a choice better than the known one could be made of: all else is left out, with a bound that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stackplan.effort import Stage
from stackplan.gaining import Option
from stackplan.market import TOLERANCE, Market
from stackplan.meter import within
from stackplan.options import Column
from stackplan.problem import Problem
from stackplan.solve.leaves import leaf_prices
from stackplan.solve.pricing import PriceList
from stackplan.solve.usage import value
from stackplan.values import replace

_REFINED = 5  # rounds in which parts of the space get columns that they miss
_NEGLIGIBLE = 0.001  # of the bound: further rounds cost more than a slightly wider final circle
_NEARBY, _WIDER = 0.0005, 2  # of the bound: how far is looked at first, and how much further if that is little
_NOTHING = float("-inf")


@dataclass(frozen=True, slots=True)
class Reach:
    """Columns to solve, and a bound of every choice that uses an option left out (minus infinity: there is none)."""

    columns: dict[str, Column]
    ceiling: float

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out that could matter."""
        return self.ceiling == _NOTHING


def within_reach(
    market: Market,
    columns: Mapping[str, Column],
    empty: Problem,
    leaves: Sequence[PriceList],
    known: Mapping[str, str],
    stage: Stage,
    until: float,
) -> Reach:
    """Everything that some choice better than ``known`` could use, but for what is surpassed.

    Prices of all choices, or of ``leaves`` that hold all of them together, tell what. Looks into nothing more ``until``
    so many seconds of work were done; what then is left is told by the ceiling.
    """
    found = max(leaves, key=lambda leaf: leaf.bound)
    rewards = found.reward * len(found.required)
    earned = value(problem_of(empty, columns), known) + rewards
    enough = stage.columns if is_far(found, earned - rewards, stage) else stage.whole
    reached, unseen = _reached(market, leaves, earned, enough, until)
    options = [option for _, option in reached]
    if len(reached) > enough:
        options, unseen = options[: stage.columns], max(unseen, reached[stage.columns][0])
    kept = market.columns(market.lasting(options, leaves, earned))
    return Reach(kept | {name: columns[name] for name in known.values()}, unseen - rewards)


def _reached(
    market: Market, leaves: Sequence[PriceList], earned: float, enough: int, until: float
) -> tuple[list[tuple[float, Option]], float]:
    """Options that could be part of more than ``earned`` with the most that they could be part of, likeliest first.

    Looks no further than for about ``enough`` of them; the figure bounds what was not looked at.
    """
    top = max(leaf.bound for leaf in leaves)
    floor = max(earned, top - _NEARBY * abs(top))
    while True:
        best: dict[Option, float] = {}
        unseen = _NOTHING if floor <= earned else floor
        for leaf in leaves:
            least = floor - leaf.bound - TOLERANCE
            options, gains, missed = market.above(leaf, least, until)
            unseen = max(unseen, leaf.bound + missed)
            for place, tier in zip(*(gains > least).nonzero(), strict=True):
                option = (int(options[place]), int(tier))
                best[option] = max(best.get(option, _NOTHING), leaf.bound + gains[place, tier])
        if floor <= earned or len(best) >= enough or market.meter.seconds > until:
            return sorted(((most, one) for one, most in best.items()), key=lambda pair: (-pair[0], pair[1])), unseen
        floor = max(earned, top - _WIDER * (top - floor))


def is_far(found: PriceList, known: float, stage: Stage) -> bool:
    """Whether the bound is so far above what is known that a search of this stage would hardly meet it."""
    return found.value_bound - known > stage.near * abs(known)


def problem_of(empty: Problem, columns: Mapping[str, Column]) -> Problem:
    """The problem with the offers of ``columns``."""
    ordered = [columns[name] for name in sorted(columns)]
    return replace(
        empty,
        candidates=tuple(column.candidate for column in ordered),
        offers=tuple(offer for column in ordered for offer in column.offers),
    )


def is_negligible(missed: float, found: PriceList) -> bool:
    """Whether so much more value is not worth another round of pricing."""
    return missed <= _NEGLIGIBLE * abs(found.value_bound)


def leaves_of(
    market: Market,
    columns: dict[str, Column],
    empty: Problem,
    found: PriceList,
    known: Mapping[str, str],
    parts: int,
    until: float,
) -> list[PriceList]:
    """Prices of ``parts`` of the space, or of fewer; their bounds cover what the columns outside could still add.

    Grows ``columns``. ``until`` so many seconds of work were done parts are split, and their prices asked for again.
    """
    if parts == 1:
        return [found]
    earned = value(problem_of(empty, columns), known) + found.reward * len(found.required)
    for _ in range(_REFINED):
        work = within(until - market.meter.seconds, "relaxed")
        leaves, spent = leaf_prices(problem_of(empty, columns), found.reward, earned, parts, work)
        market.meter.add("relaxed", spent)
        outside = [market.best(leaf) for leaf in leaves]
        bounded = [replace(leaf, bound=leaf.bound + each.missed) for leaf, each in zip(leaves, outside, strict=True)]
        short = [
            each.options
            for leaf, each in zip(bounded, outside, strict=True)
            if leaf.bound > earned and not is_negligible(each.missed, leaf)
        ]
        if not short or market.meter.seconds > until:
            break
        columns |= market.columns(option for options in short for option in options)
    return bounded if bounded and all(leaf.bound <= found.bound for leaf in bounded) else [found]
