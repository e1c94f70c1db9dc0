"""What is told to be surpassed before it is a column: judged by the columns that it would have been."""

from collections import defaultdict
from collections.abc import Collection

import numpy as np
import pytest
from tests.plan.test_variants import priced
from tests.plan.worlds import bundled

from stackplan.arrays import Integers
from stackplan.gaining import Option
from stackplan.market import Market
from stackplan.needs import needs_of
from stackplan.option_rows import Rows, Terms
from stackplan.options import Column, empty_problem
from stackplan.pipeline import space_of
from stackplan.problem import TIERS, Candidate, Take
from stackplan.reach import problem_of
from stackplan.solve.neighbourhood import good_choice
from stackplan.solve.pricing import PriceList
from stackplan.solve.usage import value
from stackplan.surpassed import surpassed
from stackplan.values import replace

WORLDS = [  # WARM weights that stay mapped, two cards, one pool for all, members of a pool that a watchdog tells apart
    ("rtx-3090", "agents"),
    ("dual-rtx-3090", "everyday"),
    ("apple-m4-max-64gb", "coding"),
    ("rtx-a6000-48gb", "orchestrator"),
]
NONE = Take("", 0)
HOT, WARM = TIERS.index("hot"), TIERS.index("warm")


@pytest.mark.parametrize(("profile", "stack"), WORLDS)
def test_whoever_is_left_out_has_another_that_may_take_its_place_in_every_choice_that_matters(
    profile: str, stack: str
) -> None:
    market, found, earned, options = within(profile, stack)
    kept = set(market.lasting(options, [found], earned))
    others: dict[tuple[object, ...], list[Column]] = defaultdict(list)
    for column in columns(market, sorted(kept)):
        others[kind(column.candidate)].append(column)
    left_out = columns(market, [option for option in options if option not in kept])
    for column in left_out:
        asked = mattering(column, found, earned, market.terms.places)
        assert any(takes_its_place(other, column, asked) for other in others[kind(column.candidate)]), column.candidate
    assert len(left_out) > len(options) / 10, "too little is surpassed to tell anything"


def test_nothing_is_left_of_nothing() -> None:
    market, found, earned, _ = within("rtx-3090", "agents")
    assert market.lasting([], [found], earned) == []


def within(profile: str, stack: str) -> tuple[Market, PriceList, float, list[Option]]:
    """The options that could be part of more than a walk finds, at prices after a few rounds."""
    space = space_of(bundled(profile, stack))
    market = space.market
    found_columns, found = priced(space, market)
    problem = problem_of(empty_problem(space.finder.host, space.finder.needs, space.finder.rating), found_columns)
    earned = value(problem, good_choice(problem, found)) + found.reward * len(found.required)
    numbers, gains, _ = market.above(found, earned - found.bound)
    places = zip(*(gains > earned - found.bound).nonzero(), strict=True)
    return market, found, earned, [(int(numbers[place]), int(tier)) for place, tier in places]


def columns(market: Market, options: list[Option]) -> list[Column]:
    return list(market.columns(options).values())


def kind(one: Candidate) -> tuple[object, ...]:
    return one.key, one.tier, one.swap_group, one.files


def mattering(column: Column, found: PriceList, earned: float, speaking: Collection[str]) -> set[str]:
    """The needs that the column serves in some choice worth more, told by the solver's own prices."""
    offers = tuple(offer for offer in column.offers if offer.need in speaking)  # of members that are alike, the first
    profits = found.profits(column.candidate, offers)
    return {need for need, gain in profits.items() if found.bound + gain > earned}


def takes_its_place(other: Column, one: Column, needs: set[str]) -> bool:
    ours, theirs = ({offer.need: offer.value for offer in each.offers} for each in (other, one))
    mine = {take.pool: take for take in other.candidate.takes}
    taken = {take.pool: take for take in one.candidate.takes}
    return all(ours.get(need, -1) >= theirs[need] for need in needs) and all(
        no_more(mine.get(pool, NONE), taken.get(pool, NONE)) for pool in mine.keys() | taken.keys()
    )


def no_more(mine: Take, theirs: Take) -> bool:
    return (
        mine.fixed_bytes <= theirs.fixed_bytes
        and mine.per_slot_bytes <= theirs.per_slot_bytes
        and mine.kept_bytes <= theirs.kept_bytes
    )


def lost(*ones: dict[str, int], mapped: int = -1) -> list[bool]:
    """Which of options are surpassed, each told by what is not usual about it; needs have no floor but the second."""
    usual = {"worth": 5, "second": 5, "fixed": 4, "per_slot": 1, "loaded": 3, "kept": 3, "tier": HOT}
    told = [usual | {"context": 4096, "files": 0, "key": 0, "group": 0, "matters": 2} | one for one in ones]

    def each(name: str, *, column: bool = False) -> Integers:
        values = np.array([one[name] for one in told], dtype=np.int64)
        return values[:, None] if column else values

    values = np.column_stack([each("worth"), each("second")]).astype(np.float64)
    amounts = (each("fixed", column=True), each("per_slot", column=True), each("loaded"), each("kept"))
    rows = Rows(values, each("key"), each("key"), each("group"), *amounts)
    world = bundled("rtx-3090", "agents")
    first = needs_of(world.request.stack, world.catalog)[0]
    terms = Terms(
        needs=(replace(first, context_floor_tokens=0), replace(first, context_floor_tokens=4096)),
        places={},
        pools={"gpu0": 0},
        keys={"one": 0, "other": 1},
        lineages={},
        groups={"here": 0, "there": 1},
        apart=(),
        mapped=mapped,
    )
    matters = np.array([[number < one["matters"] for number in range(2)] for one in told])
    return surpassed(rows, each("tier"), each("context"), each("files"), matters, terms).tolist()


@pytest.mark.parametrize(
    ("better", "surpasses"),
    [
        ({"fixed": 3}, True),
        ({"per_slot": 0}, True),
        ({"worth": 6}, True),
        ({}, False),
        ({"fixed": 3, "per_slot": 2}, False),
        ({"worth": 6, "second": 4}, False),
        ({"fixed": 3, "files": 1}, False),
        ({"fixed": 3, "key": 1}, False),
        ({"fixed": 3, "tier": WARM}, False),
        ({"fixed": 3, "context": 4095}, False),
        ({"kept": 2}, False),
    ],
)
def test_one_surpasses_another_of_its_kind_that_takes_more_or_is_worth_less(
    better: dict[str, int], surpasses: bool
) -> None:
    assert lost(better, {}) == [False, surpasses]


def test_a_need_that_does_not_matter_is_not_asked() -> None:
    assert lost({"worth": 6, "second": 4}, {"matters": 1}) == [False, True]


def test_what_is_warm_keeps_its_weights_in_host_memory_and_takes_turns_without_them() -> None:
    assert lost({"tier": WARM, "kept": 2}, {"tier": WARM}, mapped=0) == [False, True]
    assert lost({"tier": WARM, "fixed": 3, "loaded": 1}, {"tier": WARM}, mapped=0) == [True, False]
    assert lost({"tier": WARM, "fixed": 3, "group": 1}, {"tier": WARM}, mapped=0) == [False, False]


def test_of_many_each_is_held_against_all() -> None:
    assert lost(*({"fixed": 2000 - number} for number in range(1200))) == [True] * 1199 + [False]
