"""Laws of whole plans: bundled machines and models, other memory, other floors, other processes."""

import os
import subprocess
import sys

import pytest
from tests.plan.test_choose import small_world
from tests.plan.worlds import ROOT, plan_world, with_policy

from stackplan.pipeline import Planned, World
from stackplan.problem import Choice
from stackplan.values import replace

WORLDS = [1, 4, 7, 16, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(20, 40))]
MEBIBYTE = 1024**2


def value_of(planned: Planned) -> float:
    return planned.chosen.answer.value if isinstance(planned.chosen.answer, Choice) else float("-inf")


def bound_of(planned: Planned) -> float:
    """The most that the world can be worth: more than its value only where the value is not proved."""
    return planned.chosen.answer.bound if isinstance(planned.chosen.answer, Choice) else float("-inf")


def chosen_models(planned: Planned) -> set[str]:
    return {instance.model for instance in planned.plan.instances} if planned.plan else set()


def with_memory(world: World, pool_id: str, more: float) -> World:
    pools = [
        replace(pool, capacity_bytes=int(pool.capacity_bytes * more)) if pool.id == pool_id else pool
        for pool in world.host.pools
    ]
    return replace(world, host=replace(world.host, pools=tuple(pools)))


@pytest.mark.parametrize("seed", WORLDS)
def test_more_memory_never_lowers_the_objective(seed: int) -> None:
    world = small_world(seed)
    before = value_of(plan_world(world))
    for pool in world.host.pools:
        for more in (1.1, 1.6):
            assert bound_of(plan_world(with_memory(world, pool.id, more))) >= before, f"{pool.id} x {more}"


@pytest.mark.parametrize("seed", WORLDS)
def test_leaving_out_or_forbidding_a_model_that_was_not_chosen_changes_nothing_but_counts(seed: int) -> None:
    world = small_world(seed)
    first = plan_world(world)
    unchosen = [model for model in world.catalog.models if model.id not in chosen_models(first)]
    for gone in unchosen[:: max(1, len(unchosen) // 3)]:
        kept = tuple(model for model in world.catalog.models if model is not gone)
        for other in (
            replace(world, catalog=replace(world.catalog, models=kept)),
            with_policy(world, forbid=(gone.id,)),
        ):
            second = plan_world(other)
            assert value_of(second) <= bound_of(first)
            assert bound_of(second) >= value_of(first)
            if first.plan and second.plan and first.plan.proof.status == second.plan.proof.status == "optimal":
                for part in ("instances", "artifacts", "roles", "objective", "host", "engines"):
                    assert getattr(second.plan, part) == getattr(first.plan, part), f"{gone.id}: {part}"


@pytest.mark.parametrize("seed", WORLDS)
def test_a_longer_context_floor_never_raises_the_objective(seed: int) -> None:
    world = small_world(seed)
    most = bound_of(plan_world(world))
    stack = world.request.stack
    for number, request in enumerate(stack.roles):
        role = world.catalog.role(request.role)
        floor = 2 * (request.context_floor_tokens or role.context_floor_tokens)
        wish = max(floor, request.context_wish_tokens or role.context_wish_tokens)
        longer = replace(request, context_floor_tokens=floor, context_wish_tokens=wish)
        if wish > (request.context_wish_tokens or role.context_wish_tokens):
            continue  # a longer wish judges every option by another measure
        roles = (*stack.roles[:number], longer, *stack.roles[number + 1 :])
        again = replace(world, request=replace(world.request, stack=replace(stack, roles=roles)))
        assert value_of(plan_world(again)) <= most, request.role


@pytest.mark.parametrize("seed", WORLDS)
def test_the_same_world_gives_the_same_plan_again(seed: int) -> None:
    first, second = plan_world(small_world(seed)), plan_world(small_world(seed))
    assert first.plan == second.plan
    assert first.chosen.answer == second.chosen.answer


SURROUNDINGS = {
    "hash seed 0": {"PYTHONHASHSEED": "0"},
    "hash seed 4242, plain locale": {"PYTHONHASHSEED": "4242", "LC_ALL": "C", "PYTHONUTF8": "0"},
    "random hashes, Turkish": {"PYTHONHASHSEED": "random", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "another time zone, wide terminal": {"TZ": "Pacific/Chatham", "COLUMNS": "220", "NO_COLOR": "1"},
}


@pytest.mark.parametrize(("profile", "stack"), [("apple-m4-max-64gb", "agents"), ("rtx-4060-ti-16gb", "research")])
def test_processes_hash_seeds_and_locales_do_not_show_in_a_plan(profile: str, stack: str) -> None:
    told = {name: _planned_elsewhere(profile, stack, more) for name, more in SURROUNDINGS.items()}
    assert len(set(told.values())) == 1, {name: len(text) for name, text in told.items()}
    assert next(iter(told.values())).startswith(b'{\n  "schema": 1')


def _planned_elsewhere(profile: str, stack: str, more: dict[str, str]) -> bytes:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-m", "stackplan", "plan", profile, "--stack", stack, "--json"],
        env=environment | more,
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
