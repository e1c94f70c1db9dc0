"""The solver finds the best choice, judged by trying everything and by an independent adding-up."""

import pytest

from stackplan.problem import Choice, NoChoice
from stackplan.solve import solve
from tests.solve.worlds import best_by_trying_everything, breach, random_world, worth


@pytest.mark.parametrize("seed", range(300))
def test_the_choice_is_the_best_of_all_assignments_on_every_level(seed: int) -> None:
    world = random_world(seed)
    expected = best_by_trying_everything(world)
    answer = solve(world)
    if expected is None:
        assert isinstance(answer, NoChoice)
        assert answer.conflict
        return
    assert isinstance(answer, Choice)
    assert breach(world, answer.assignment) is None
    assert worth(world, answer.assignment) == expected
    assert (answer.value, answer.bound, answer.optimal) == (expected[0], expected[0], True)
    assert (-answer.memory_bytes, -answer.disk_bytes) == expected[1:]
