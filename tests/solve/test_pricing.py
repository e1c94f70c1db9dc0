"""Prices of the relaxation are true upper bounds: no choice is worth more than they say, whatever it uses."""

import random
from math import inf

import pytest

from stackplan.problem import Candidate, Need, Problem
from stackplan.solve.leaves import leaf_prices
from stackplan.solve.lexicographic import narrowed, requirement_reward
from stackplan.solve.pricing import PriceList, prices, within
from stackplan.solve.search import start_assignment
from stackplan.values import replace
from tests.solve.worlds import assignments, best_by_trying_everything, random_world, worth

ROUNDED = 1.0  # thousandths of a point: what duals printed as decimals may be off


@pytest.mark.parametrize("seed", range(60))
def test_no_choice_is_worth_more_than_the_bound_and_the_profits_of_what_it_uses(seed: int) -> None:
    """With all candidates priced, and with only half of them: the others are judged by prices that never saw them."""
    world = random_world(seed, keys=4)
    reward = float(requirement_reward(world))
    for priced in (world, half_of(world, seed)):
        found = prices(priced, reward)
        assert found is not None
        inside = {candidate.id for candidate in priced.candidates}
        for assignment in assignments(replace(world, needs=tuple(Need(need.id, False) for need in world.needs))):
            reached = earned(world, assignment, reward)
            gains = gains_of(found, world, assignment)
            outside = sum(max(0.0, gain) for name, gain in gains.items() if name not in inside)
            assert reached <= found.bound + outside + ROUNDED
            for name, gain in gains.items():  # whatever one of them costs, the others can at best add nothing
                others = sum(max(0.0, g) for n, g in gains.items() if n != name and n not in inside)
                assert reached <= found.bound + gain + others + ROUNDED


@pytest.mark.parametrize("seed", range(200, 260))
def test_what_the_best_choice_uses_is_within_reach_of_any_known_choice(seed: int) -> None:
    world = random_world(seed, keys=5)
    reward = float(requirement_reward(world))
    found = prices(world, reward)
    assert found is not None
    known = [earned(world, assignment, reward) for assignment in assignments(world)]
    for floor in (min(known), max(known)) if known else ():
        near = within(world, found, floor - found.bound - ROUNDED)
        assert best_by_trying_everything(near) == best_by_trying_everything(world)


@pytest.mark.parametrize("seed", range(300, 330))
def test_parts_hold_every_choice_however_little_work_went_into_them(seed: int) -> None:
    world = random_world(seed, keys=4)
    reward = float(requirement_reward(world))
    everything = [earned(world, one, reward) for one in assignments(world)]
    counts = []
    for work in (0.0, 20_000.0, inf):
        parts, _ = leaf_prices(world, reward, known=-inf, most=8, work=work)
        assert max(everything, default=-inf) <= max(part.bound for part in parts) + ROUNDED
        counts.append(len(parts))
    assert counts[0] == 1
    assert counts == sorted(counts)


def test_prices_leave_much_out() -> None:
    """What the comparison above rests on: being within reach is not true of everything."""
    left_out = 0
    for seed in range(200, 230):
        world = random_world(seed, keys=5)
        reward = float(requirement_reward(world))
        found, best = prices(world, reward), best_by_trying_everything(world)
        if best is not None and found is not None:
            served = sum(need.required for need in world.needs)
            near = within(world, found, best[0] + reward * served - found.bound - ROUNDED)
            left_out += len(world.offers) - len(near.offers)
    assert left_out > 100


def half_of(world: Problem, seed: int) -> Problem:
    rng = random.Random(seed)  # noqa: S311
    kept = {candidate.id for candidate in world.candidates if rng.random() < 0.5}
    return replace(
        world,
        candidates=tuple(candidate for candidate in world.candidates if candidate.id in kept),
        offers=tuple(offer for offer in world.offers if offer.candidate in kept),
    )


def earned(world: Problem, assignment: dict[str, str], reward: float) -> float:
    required = {need.id for need in world.needs if need.required}
    return worth(world, assignment)[0] + reward * len(required & assignment.keys())


def gains_of(found: PriceList, world: Problem, assignment: dict[str, str]) -> dict[str, float]:
    """For each candidate used, the smallest of its profits: one for every need that it serves."""
    gains: dict[str, float] = {}
    for candidate in world.candidates:
        offers = tuple(offer for offer in world.offers if offer.candidate == candidate.id)
        served = [need for need, name in assignment.items() if name == candidate.id]
        if served:
            profits = found.profits(candidate, offers)
            gains[candidate.id] = min(profits[need] for need in served)
    return gains


@pytest.mark.parametrize("seed", range(60))
def test_what_a_proof_leaves_out_first_holds_no_better_choice(seed: int) -> None:
    """Planning's prices, with their own reward, narrow a problem before it is priced again."""
    problem = random_world(seed)
    known = start_assignment(problem)
    found = prices(problem, 3.0 * requirement_reward(problem))
    if known is not None and found is not None:
        best = best_by_trying_everything(problem)
        assert best is not None
        assert best_by_trying_everything(narrowed(problem, found, known)) == best


@pytest.mark.parametrize("seed", range(20))
def test_at_dearer_prices_only_memory_costs_more_and_nobody_pays_for_being_served(seed: int) -> None:
    world = random_world(seed, keys=4)
    found = prices(world, float(requirement_reward(world)))
    assert found is not None
    dearer = found.dearer(3.0)
    assert all(dearer.need_price(need.id) == 0.0 for need in world.needs)
    for candidate in world.candidates:
        offers = tuple(offer for offer in world.offers if offer.candidate == candidate.id)
        for offer in offers if candidate.tier == "hot" else ():
            free = offer.value - rules(found, offer.need, candidate)
            paid = free - found.need_price(offer.need) - found.profits(candidate, (offer,))[offer.need]
            assert dearer.profits(candidate, (offer,))[offer.need] == pytest.approx(free - 3.0 * paid, abs=1e-6)


def rules(found: PriceList, need: str, candidate: Candidate) -> float:
    """What rules between needs, and the one instance of a model, take off a value."""
    apart, alike = found.apart.get((need, candidate.key), 0.0), found.alike.get((need, candidate.lineage), 0.0)
    return found.key.get(candidate.key, 0.0) + apart + alike
