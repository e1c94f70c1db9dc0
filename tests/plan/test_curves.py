"""What a shared curve tells of a file is what the estimator says when it is asked about that very file."""

from collections.abc import Callable

import pytest
from tests.plan.worlds import PROFILES, bundled

from stackplan.bases import Base
from stackplan.curves import knots
from stackplan.line_arrays import drawn
from stackplan.pipeline import Space, space_of
from stackplan.serving import Unestimable
from stackplan.taken import Taken

# Twin cards, one pool for everything, and a card that is too small for most, so that models are cut.
TELLING = ["dual-rtx-3090", "apple-m4-max-64gb", "rtx-3060-12gb"]
EVERY = 61  # bases, of thousands; a prime, so that every kind of base comes up


def one_slot(taken: Taken | Unestimable) -> list[tuple[str, int, int]]:
    """Bytes with one slot and bytes of weights, by pool."""
    assert isinstance(taken, Taken)
    return [(pool.pool, pool.fixed_bytes + pool.per_slot_bytes, pool.weights_bytes) for pool in taken.pools]


def assert_exact(space: Space, base: Base) -> None:
    name = base.configuration(base.contexts[0]).name
    assert space.assessor.takes(base.configuration(base.contexts[0])) == base.least, name
    curve = space.finder.curve(base)
    for context, taken in {curve[0], curve[len(curve) // 2], curve[-1]}:
        assert one_slot(taken) == one_slot(space.assessor.takes(base.configuration(context))), f"{name} at {context}"


def assert_enough(space: Space, base: Base) -> None:
    """With all the slots that its needs may ask for, at both ends, a base never takes more than its curve says."""
    slots = sum(need.slots for need in base.served.needs)
    curve = space.finder.curve(base)
    for context, taken in (curve[0], curve[-1]):
        exact = space.assessor.takes(base.configuration(context), slots)
        assert isinstance(exact, Taken)
        for told, true in zip(taken.pools, exact.pools, strict=True):
            assert told.fixed_bytes + slots * told.per_slot_bytes >= true.fixed_bytes + true.per_slot_bytes


@pytest.mark.parametrize("profile", TELLING)
def test_curves_say_of_every_file_what_the_estimator_says_of_it(profile: str) -> None:
    space = space_of(bundled(profile, "everyday"))
    for base in space.bases[::EVERY]:
        assert_exact(space, base)


@pytest.mark.parametrize("profile", TELLING)
def test_curves_hold_for_as_many_slots_as_the_needs_ask_for(profile: str) -> None:
    space = space_of(bundled(profile, "rag-services"))
    for base in space.bases[::EVERY]:
        assert_enough(space, base)


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_curves_are_exact_for_every_file_of_the_catalog_on_every_bundled_machine(profile: str) -> None:
    space = space_of(bundled(profile, "everyday"))
    for base in space.bases:
        assert_exact(space, base)


def test_a_twin_card_takes_what_the_first_takes() -> None:
    space = space_of(bundled("dual-rtx-3090", "everyday"))
    plain = {("gpu0",): {}, ("gpu1",): {}}
    for base in space.bases:
        if base.placement.devices in plain and base.is_whole:
            pools = sorted((pool.pool.replace("gpu1", "gpu0"), *pool[1:]) for pool in base.least.pools)
            name = base.configuration(base.contexts[0]).name.replace("|gpu1|", "|gpu0|")
            plain[base.placement.devices][name] = pools
    assert plain["gpu0",]
    assert plain["gpu0",] == plain["gpu1",]


CONTEXTS = tuple(range(4096, 4096 * 33, 4096))
CURVES: dict[str, Callable[[int], int]] = {
    "straight": lambda context: 7 + 3 * context,
    "bent once": lambda context: max(9_000_000, 30 * context + 5_000_000),
    "bent twice": lambda context: max(9_000_000, 30 * context + 8_000_000, 90 * context + 5_000_000),
    "a window that fills": lambda context: 80 * min(context, 21_000) + context,
    "a jump nobody told of": lambda context: context + (50_000_000 if context > 40_000 else 0),
    "everywhere bent": lambda context: context * context,
}
QUESTIONS = {"straight": 4, "bent once": 9, "bent twice": 14, "a window that fills": 9}


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_from_few_questions_is_the_curve_from_all(name: str) -> None:
    curve = CURVES[name]
    known = knots(CONTEXTS, lambda context: (curve(context),), ())
    assert drawn(CONTEXTS, known)[:, 0].tolist() == [curve(context) for context in CONTEXTS]
    assert len(known) <= QUESTIONS.get(name, len(CONTEXTS))


def test_parts_of_a_curve_that_bend_at_different_contexts_are_all_found() -> None:
    def rows(context: int) -> tuple[int, ...]:
        return (CURVES["bent once"](context), CURVES["a window that fills"](context), CURVES["straight"](context))

    assert drawn(CONTEXTS, knots(CONTEXTS, rows, ())).tolist() == [list(rows(context)) for context in CONTEXTS]


def test_a_jump_that_is_told_costs_few_questions() -> None:
    curve = CURVES["a jump nobody told of"]
    known = knots(CONTEXTS, lambda context: (curve(context),), (40_000,))
    assert drawn(CONTEXTS, known)[:, 0].tolist() == [curve(context) for context in CONTEXTS]
    assert len(known) <= 8


def test_a_curve_ends_where_nobody_can_tell_any_more() -> None:
    known = knots(CONTEXTS, lambda context: (context,) if context < 50_000 else None, ())
    assert drawn(CONTEXTS, known)[:, 0].tolist() == [context for context in CONTEXTS if context < 50_000]


def test_between_two_contexts_that_were_asked_bytes_of_any_size_are_whole_numbers() -> None:
    contexts, huge = (1, 2, 10_000_001), 5 * 10**15
    assert drawn(contexts, {0: (0,), 2: (huge,)})[:, 0].tolist() == [0, huge // 10_000_000, huge]
