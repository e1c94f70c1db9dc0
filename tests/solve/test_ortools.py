"""The optimum is that of an independent solver: OR-Tools CP-SAT, in its own process, on the same worlds as numbers."""

import json
import subprocess
from pathlib import Path

import msgspec
import pytest

from stackplan.problem import Choice, NoChoice, Problem
from stackplan.solve import solve
from tests.solve.worlds import breach, larger_world, worth

HERE = Path(__file__).parent
VALIDATORS = HERE.parents[1] / ".venv-validators"
WORLDS_PER_PROCESS = 50
SECONDS_PER_WORLD = 30


@pytest.fixture(scope="session")
def cp_sat() -> Path:
    if not (VALIDATORS / ".installed").exists():
        pytest.skip("no .venv-validators: run `make .venv-validators/.installed`")
    return VALIDATORS / "bin" / "python"


def as_numbers(problem: Problem) -> dict[str, object]:
    numbers: dict[str, object] = msgspec.to_builtins(problem)
    numbers["overlapping_groups"] = sorted(problem.overlapping_groups)
    return numbers


def optima(python: Path, worlds: list[Problem]) -> list[dict[str, object]]:
    done = subprocess.run(
        [python, HERE / "cp_sat_judge.py", str(SECONDS_PER_WORLD)],
        input=json.dumps([as_numbers(world) for world in worlds]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, object]] = json.loads(done.stdout)
    return answers


def agree(python: Path, seeds: range) -> None:
    worlds = [larger_world(seed) for seed in seeds]
    for seed, world, expected in zip(seeds, worlds, optima(python, worlds), strict=True):
        answer = solve(world)
        if expected["status"] == "infeasible":
            assert isinstance(answer, NoChoice), f"world {seed}: CP-SAT proves that there is none"
            continue
        assert expected["status"] == "optimal", f"world {seed}: CP-SAT did not finish"
        assert isinstance(answer, Choice), f"world {seed}: CP-SAT knows one of {expected['levels']}"
        assert breach(world, answer.assignment) is None, f"world {seed}"
        told = [answer.value, answer.memory_bytes, answer.disk_bytes]
        assert told == expected["levels"], f"world {seed}"
        reached = worth(world, answer.assignment)
        assert [reached[0], -reached[1], -reached[2]] == told, f"world {seed}: the answer misstates itself"
        assert (answer.optimal, answer.bound, answer.gap) == (True, answer.value, 0.0), f"world {seed}"


@pytest.mark.parametrize("start", range(0, 50, WORLDS_PER_PROCESS))
def test_the_choice_is_that_of_cp_sat_on_every_level(cp_sat: Path, start: int) -> None:
    agree(cp_sat, range(start, start + WORLDS_PER_PROCESS))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(50, 500, WORLDS_PER_PROCESS))
def test_the_choice_is_that_of_cp_sat_on_many_more_worlds(cp_sat: Path, start: int) -> None:
    agree(cp_sat, range(start, start + WORLDS_PER_PROCESS))


def test_the_worlds_are_of_every_kind() -> None:
    """What the comparison rests on: no kind of rule is missing from the worlds that are compared."""
    worlds = [larger_world(seed) for seed in range(100)]
    tiers = {candidate.tier for world in worlds for candidate in world.candidates}
    assert tiers == {"hot", "warm", "cold"}
    assert {len(world.needs) for world in worlds} == set(range(2, 9))
    assert max(len({c.key for c in world.candidates}) for world in worlds) >= 15
    assert max(len(world.pools) for world in worlds) >= 4
    for kind in ("diversities", "overlapping_groups", "distinct", "disk_bytes"):
        assert 10 < sum(bool(getattr(world, kind)) for world in worlds) < 100, kind
    kinds: set[type] = set()
    for world in worlds:
        kinds.add(type(solve(world)))
        if len(kinds) == 2:
            break
    assert kinds == {Choice, NoChoice}
