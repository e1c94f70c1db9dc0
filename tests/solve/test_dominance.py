"""Leaving out dominated candidates never changes the optimum, on any level."""

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

from stackplan.problem import Candidate, Offer, Problem, Take
from stackplan.solve.dominance import undominated
from stackplan.values import replace
from tests.solve.worlds import GIB, best_by_trying_everything, larger_world, random_world


@pytest.mark.parametrize("seed", range(400))
def test_the_optimum_of_what_is_left_is_the_optimum_of_all(seed: int) -> None:
    world = random_world(seed, needs=3, keys=5) if seed % 2 else crowded(seed)
    assert best_by_trying_everything(undominated(world)) == best_by_trying_everything(world)


def test_much_is_left_out_where_much_is_alike() -> None:
    """What the comparison above rests on: the filter has something to do in its worlds."""
    left_out = [len(world.candidates) - len(undominated(world).candidates) for world in map(crowded, range(0, 400, 2))]
    assert sum(1 for number in left_out if number) > 150
    assert sum(left_out) > 500


def test_what_is_offered_only_by_the_left_out_is_not_lost() -> None:
    for seed in range(100):
        world = larger_world(seed)
        assert {offer.need for offer in undominated(world).offers} == {offer.need for offer in world.offers}


def test_the_filter_is_idempotent_and_keeps_the_order() -> None:
    for seed in range(60):
        once = undominated(larger_world(seed))
        assert undominated(once) == once
        names = [candidate.id for candidate in larger_world(seed).candidates]
        assert [c.id for c in once.candidates] == [name for name in names if name in {c.id for c in once.candidates}]


def test_of_equals_the_first_name_stays() -> None:
    world = single_need(("b", 4, 10), ("a", 4, 10))
    assert [candidate.id for candidate in undominated(world).candidates] == ["a"]


def test_a_smaller_and_better_one_leaves_nothing_for_the_other() -> None:
    assert survivors(single_need(("good", 4, 10), ("bad", 5, 9))) == {"good"}


def test_a_smaller_and_a_better_one_both_stay() -> None:
    assert survivors(single_need(("small", 4, 9), ("good", 5, 10))) == {"small", "good"}


def test_a_better_one_of_other_weights_may_be_taken_so_as_many_stay_as_there_are_needs() -> None:
    world = two_needs_of_three_weights()
    left = survivors(world)
    assert {"best", "second"} <= left
    assert best_by_trying_everything(undominated(world)) == best_by_trying_everything(world)


def test_of_equal_weights_as_many_stay_as_there_are_needs_and_those_the_first() -> None:
    world = copied(two_needs_of_three_weights(), times=10)
    assert survivors(world) == {"best 0", "best 1"}


def test_of_weights_that_only_take_more_of_the_disk_those_stay_that_take_least() -> None:
    world = copied(two_needs_of_three_weights(), times=10, disk_step=-1)
    assert {name for name in survivors(world) if name.startswith("best")} == {"best 9", "best 8"}


def test_a_file_that_others_use_too_is_not_freed_so_that_another_in_its_place_may_cost_disk() -> None:
    world = two_needs_of_three_weights()
    second = replace(world.candidates[1], takes=world.candidates[0].takes, files=(("best", 1),))
    third = replace(world.candidates[2], takes=world.candidates[0].takes)
    alike = replace(world, candidates=(world.candidates[0], second, third), offers=tuple(equally_good(world.offers)))
    assert survivors(alike) == {"best", "second"}
    apart = replace(alike, candidates=(third, replace(second, id="z", key="z"), replace(second, id="y", key="y")))
    renamed = {"best": "y", "second": "z", "third": "third"}
    apart = replace(apart, offers=tuple(replace(one, candidate=renamed[one.candidate]) for one in alike.offers))
    assert survivors(apart) == {"third", "y", "z"}
    assert best_by_trying_everything(undominated(apart)) == best_by_trying_everything(apart)


def test_a_file_is_shared_whatever_one_of_its_users_needs_with_it() -> None:
    """Who also sees needs a projector with the same file: leaving it frees the file no more."""
    world = two_needs_of_three_weights()
    takes = world.candidates[0].takes
    first, seeing, blind = world.candidates
    seeing = replace(seeing, id="y", key="y", takes=takes, files=(("file", 2),))
    blind = replace(blind, id="z", key="z", takes=takes, files=(("file", 1),))
    renamed = {"best": "a", "second": "y", "third": "z"}
    other = replace(first, id="a", key="a", files=(("other", 2),))
    offers = tuple(replace(one, candidate=renamed[one.candidate]) for one in equally_good(world.offers))
    alike = replace(world, candidates=(other, seeing, blind), offers=offers)
    assert survivors(alike) == {"a", "y", "z"}
    assert best_by_trying_everything(undominated(alike)) == best_by_trying_everything(alike)


@pytest.mark.parametrize("seed", range(60))
def test_copies_of_everything_change_nothing(seed: int) -> None:
    world = copied(random_world(seed, needs=2, keys=2), times=3, disk_step=seed % 3 - 1)
    assert best_by_trying_everything(undominated(world)) == best_by_trying_everything(world)


def equally_good(offers: Iterable[Offer]) -> Iterator[Offer]:
    return (replace(offer, value=1000) for offer in offers)


def copied(world: Problem, *, times: int, disk_step: int = 0) -> Problem:
    """The world with every candidate so many times, each of weights and files of its own that are a step larger."""
    copies, offers = [], []
    for candidate in world.candidates:
        for number in range(times):
            files = tuple((f"{name} {number}", size + GIB + disk_step * number) for name, size in candidate.files)
            name, key = f"{candidate.id} {number}", f"{candidate.key} {number}"
            copies.append(replace(candidate, id=name, key=key, files=files))
            offers += [replace(one, candidate=name) for one in world.offers if one.candidate == candidate.id]
    return replace(world, candidates=tuple(copies), offers=tuple(offers))


def crowded(seed: int) -> Problem:
    """A small world in which many candidates are worse copies of others, of the same weights and of different ones."""
    world = random_world(seed, needs=3, keys=4)
    copies, offers = [], []
    for number, candidate in enumerate(world.candidates):
        if number % 2 == seed % 2:
            continue
        more = tuple(replace(take, fixed_bytes=take.fixed_bytes + GIB * (seed % 3)) for take in candidate.takes)
        key = candidate.key if seed % 3 else f"{candidate.key}-again"
        copies.append(replace(candidate, id=f"{candidate.id}-worse", key=key, takes=more))
        mine = [offer for offer in world.offers if offer.candidate == candidate.id]
        offers += [replace(o, candidate=copies[-1].id, value=max(0, o.value - 500 * (number % 3))) for o in mine]
    return replace(world, candidates=(*world.candidates, *copies), offers=(*world.offers, *offers))


def single_need(*candidates: tuple[str, int, int]) -> Problem:
    """One need, and (name, GiB, points) of the same weights."""
    world = random_world(1)
    return replace(
        world,
        needs=world.needs[:1],
        pools={"gpu0": 24 * GIB},
        candidates=tuple(
            Candidate(name, "key", "hot", (Take("gpu0", size * GIB),), (("file", 1),)) for name, size, _ in candidates
        ),
        offers=tuple(Offer(world.needs[0].id, name, points * 1000) for name, _, points in candidates),
        diversities=(),
        distinct=(),
    )


def two_needs_of_three_weights() -> Problem:
    """Two needs that must be served by different weights, of which one kind is best for both."""
    world = random_world(1)
    names = [need.id for need in world.needs[:2]]
    sizes = {"best": (3, 30), "second": (4, 20), "third": (5, 10)}
    return replace(
        world,
        needs=world.needs[:2],
        pools={"gpu0": 24 * GIB},
        candidates=tuple(
            Candidate(name, name, "hot", (Take("gpu0", size * GIB),), ((name, 1),)) for name, (size, _) in sizes.items()
        ),
        offers=tuple(Offer(need, name, points * 1000) for name, (_, points) in sizes.items() for need in names),
        disk_bytes=None,
        diversities=(),
        distinct=(tuple(names),),
    )


def survivors(world: Problem) -> set[str]:
    left = undominated(world)
    assert Counter(offer.candidate for offer in left.offers).keys() == {candidate.id for candidate in left.candidates}
    return {candidate.id for candidate in left.candidates}
