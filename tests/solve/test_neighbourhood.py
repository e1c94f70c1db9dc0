"""The first choice: it fits, keeps what is known, comes out the same each time, and is seldom far from the best."""

import pytest

from stackplan.problem import NoChoice, Problem
from stackplan.solve import solve
from stackplan.solve.layout import NOBODY, layout_of
from stackplan.solve.lexicographic import requirement_reward
from stackplan.solve.neighbourhood import better_choice, good_choice
from stackplan.solve.packing import Packing
from stackplan.solve.pricing import PriceList, prices
from stackplan.solve.search import fits, start_assignment
from stackplan.solve.usage import value
from tests.solve.worlds import assignments, best_by_trying_everything, breach, larger_world, random_world


def priced(problem: Problem) -> PriceList:
    found = prices(problem, float(requirement_reward(problem)))
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(60))
def test_what_fits_beside_others_is_what_fits_as_a_whole(seed: int) -> None:
    """A packing adds up bit by bit what `fits` adds up at once, whatever the order of needs."""
    problem = random_world(seed)
    layout = layout_of(problem)
    for assignment in list(assignments(problem))[:200]:
        packing = Packing(layout, [NOBODY] * len(layout.needs))
        told = True
        for need, own in enumerate(layout.numbered(assignment)):
            if own != NOBODY and told:
                told = packing.fits(need, own)
                if told:
                    packing.add(need, own)
        assert told == fits(problem, assignment)
        assert not told or layout.named(packing.chosen) == assignment
        assert not told or layout.value(packing.chosen) == value(problem, assignment)


@pytest.mark.parametrize("seed", range(40))
def test_needs_dropped_leave_what_was_never_added(seed: int) -> None:
    """A packing fits the same after needs were dropped as one that began without them, and its copy keeps them."""
    problem = random_world(seed)
    layout = layout_of(problem)
    for assignment in [one for one in assignments(problem) if fits(problem, one)][:40]:
        whole = Packing(layout, layout.numbered(assignment))
        for gone in ({0}, set(range(1, len(layout.needs)))):
            part = whole.copy()
            part.drop(gone)
            left = Packing(layout, [NOBODY if need in gone else own for need, own in enumerate(whole.chosen)])
            assert part.chosen == left.chosen
            asked = [(need, own) for need in gone for own in layout.values[need]]
            assert [part.fits(*one) for one in asked] == [left.fits(*one) for one in asked]
        assert layout.named(whole.chosen) == assignment


def test_a_good_choice_fits_and_serves_what_is_required() -> None:
    served = 0
    for problem in map(larger_world, range(40)):
        found = good_choice(problem, priced(problem))
        if found:
            served += 1
            assert breach(problem, found) is None
            assert {need.id for need in problem.needs if need.required} <= found.keys()
        else:
            assert isinstance(solve(problem), NoChoice)
    assert served >= 30


def test_a_better_choice_is_never_worse_than_the_known_one() -> None:
    known = {seed: start_assignment(larger_world(seed)) for seed in range(20)}
    for problem, begun in ((larger_world(seed), begun) for seed, begun in known.items() if begun):
        found = better_choice(problem, priced(problem), begun)
        assert breach(problem, found) is None
        assert value(problem, found) >= value(problem, begun)


def test_it_is_mostly_the_best_of_small_worlds() -> None:
    ends = []
    for seed in range(60):
        problem = random_world(seed)
        best = best_by_trying_everything(problem)
        if best is not None:
            found = good_choice(problem, priced(problem))
            ends.append(bool(found) and value(problem, found) == best[0])
    assert len(ends) > 30
    assert sum(ends) >= 0.9 * len(ends)


def test_it_is_the_same_each_time() -> None:
    problem = larger_world(3)
    assert good_choice(problem, priced(problem)) == good_choice(problem, priced(problem))


def test_where_nothing_serves_what_is_required_it_finds_nothing() -> None:
    impossible = [random_world(seed) for seed in range(200) if best_by_trying_everything(random_world(seed)) is None]
    assert impossible
    for problem in impossible[:5]:
        found = prices(problem, float(requirement_reward(problem)))
        assert found is None or good_choice(problem, found) == {}
