"""What a shared curve tells of a file is what the estimator says when it is asked about that very file."""

import pytest
from tests.plan.worlds import PROFILES, bundled

from stackplan.bases import Base
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
