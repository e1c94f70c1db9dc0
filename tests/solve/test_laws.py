"""Laws that hold in every world, whatever is in it; each world is a seed."""

import random

import pytest

from stackplan.problem import Candidate, Choice, Need, NoChoice, Offer, Problem, Take
from stackplan.solve import solve
from stackplan.values import replace
from tests.solve.worlds import GIB, breach, larger_world, random_world

WORLDS = [*range(8), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(8, 60))]


def levels(answer: Choice | NoChoice) -> tuple[object, ...]:
    """What an answer is worth on the levels of value, memory and disk."""
    if isinstance(answer, NoChoice):
        return ()
    return (answer.value, answer.bound, answer.memory_bytes, answer.disk_bytes, answer.optimal)


def value_of(answer: Choice | NoChoice) -> float:
    return answer.value if isinstance(answer, Choice) else float("-inf")


@pytest.mark.parametrize("seed", range(40))
def test_a_search_that_is_cut_short_still_tells_a_true_bound(seed: int) -> None:
    world = random_world(seed)
    best, hasty = solve(world), solve(world, work=1.0)
    if isinstance(hasty, Choice):
        assert isinstance(best, Choice)
        assert hasty.value <= best.value <= hasty.bound


def test_needs_that_are_alike_count_one_by_one_in_a_bound() -> None:
    """Three embedders of one pool earn three times what one of them earns."""
    names = ("a-1", "a-2", "a-3")
    world = Problem(
        needs=tuple(Need(name, False) for name in names),
        pools={"ram": 10 * GIB},
        candidates=tuple(Candidate(f"m{n}", f"m{n}", "hot", (Take("ram", n * GIB),)) for n in range(1, 6)),
        offers=tuple(Offer(name, f"m{n}", 1000 * n) for name in names for n in range(1, 6)),
        distinct=(names,),
    )
    best, hasty = solve(world), solve(world, work=1.0)
    assert isinstance(best, Choice)
    assert isinstance(hasty, Choice)
    assert best.value == 10_000
    assert hasty.bound >= best.value


@pytest.mark.parametrize("seed", WORLDS)
def test_more_memory_or_disk_never_lowers_the_value(seed: int) -> None:
    world = larger_world(seed)
    before = value_of(solve(world))
    for pool in world.pools:
        wider = replace(world, pools={**world.pools, pool: world.pools[pool] + 3 * GIB})
        assert value_of(solve(wider)) >= before
    if world.disk_bytes is not None:
        assert value_of(solve(replace(world, disk_bytes=world.disk_bytes + 3 * GIB))) >= before
        assert value_of(solve(replace(world, disk_bytes=None))) >= before


@pytest.mark.parametrize("seed", WORLDS)
def test_leaving_out_what_was_not_chosen_changes_nothing(seed: int) -> None:
    world = larger_world(seed)
    answer = solve(world)
    if isinstance(answer, NoChoice):
        pytest.skip("nothing was chosen here")
    rng = random.Random(seed)  # noqa: S311
    unchosen = [candidate for candidate in world.candidates if candidate.id not in answer.assignment.values()]
    for gone in rng.sample(unchosen, min(3, len(unchosen))):
        smaller = replace(
            world,
            candidates=tuple(candidate for candidate in world.candidates if candidate != gone),
            offers=tuple(offer for offer in world.offers if offer.candidate != gone.id),
        )
        assert solve(smaller) == answer


@pytest.mark.parametrize("seed", WORLDS)
def test_the_order_in_which_things_are_listed_decides_nothing_of_worth(seed: int) -> None:
    """Needs that may swap their candidates at the same worth may do so; `choose` lists everything by name."""
    world, rng = larger_world(seed), random.Random(seed)  # noqa: S311
    shuffled = replace(
        world,
        candidates=tuple(rng.sample(world.candidates, len(world.candidates))),
        offers=tuple(rng.sample(world.offers, len(world.offers))),
        pools=dict(rng.sample(list(world.pools.items()), len(world.pools))),
    )
    assert levels(solve(shuffled)) == levels(solve(world))


@pytest.mark.parametrize("seed", WORLDS)
def test_a_floor_that_forbids_offers_never_raises_the_value(seed: int) -> None:
    world, rng = larger_world(seed), random.Random(seed)  # noqa: S311
    allowed = replace(world, offers=tuple(offer for offer in world.offers if rng.random() < 0.8))
    assert value_of(solve(allowed)) <= value_of(solve(world))


@pytest.mark.parametrize("seed", WORLDS)
def test_asking_for_less_never_lowers_the_value(seed: int) -> None:
    """No need required, or no rule of diversity: what was a choice stays one."""
    world = larger_world(seed)
    before = value_of(solve(world))
    assert value_of(solve(replace(world, needs=tuple(Need(need.id, False) for need in world.needs)))) >= before
    assert value_of(solve(replace(world, diversities=(), distinct=()))) >= before


@pytest.mark.parametrize("seed", WORLDS)
def test_a_partial_answer_is_the_whole_one_where_there_is_one(seed: int) -> None:
    world = larger_world(seed)
    answer = solve(world)
    partial = solve(world, partial=True)
    assert isinstance(partial, Choice)
    if isinstance(answer, Choice):
        assert partial == answer
    optional = replace(world, needs=tuple(Need(need.id, False) for need in world.needs))
    assert breach(optional, partial.assignment) is None


@pytest.mark.parametrize("seed", range(60))
def test_a_conflict_is_real_and_minimal(seed: int) -> None:
    """Its constraints cannot hold together, and without any one of them they can."""
    world = random_world(seed)
    tight = replace(world, pools={pool: size // 3 for pool, size in world.pools.items()})
    answer = solve(tight)
    if isinstance(answer, Choice):
        return
    assert isinstance(solve(only(tight, answer.conflict)), NoChoice)
    for name in answer.conflict:
        assert isinstance(solve(only(tight, tuple(other for other in answer.conflict if other != name))), Choice)


def test_some_of_the_tight_worlds_have_no_choice() -> None:
    endings = set()
    for seed in range(20):
        world = random_world(seed)
        endings.add(type(solve(replace(world, pools={pool: size // 3 for pool, size in world.pools.items()}))))
    assert endings == {Choice, NoChoice}


def only(world: Problem, names: tuple[str, ...]) -> Problem:
    """The world with no constraints but the named ones."""
    return replace(
        world,
        needs=tuple(Need(need.id, need.required and f"need {need.id}" in names) for need in world.needs),
        pools={pool: size if f"pool {pool}" in names else 1 << 60 for pool, size in world.pools.items()},
        disk_bytes=world.disk_bytes if "disk" in names else None,
        distinct=tuple(group for group in world.distinct if f"distinct {'+'.join(group)}" in names),
    )
