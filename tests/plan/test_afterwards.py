"""What comes after the choice: prompt lookup where it may and fits, fewer experts where asked, what was declared."""

import pytest
from tests.plan.worlds import bundled, with_models

from stackplan.afterwards import LOOKUP_TOKENS, sped_up
from stackplan.errors import UserError
from stackplan.pipeline import World, plan_world
from stackplan.plan import Plan
from stackplan.remote import RemoteEndpoint
from stackplan.runtime import Runtime
from stackplan.settings import with_context_limit
from stackplan.stack import RoleRequest
from stackplan.values import replace

DENSE, MIXTURE = "qwen2.5-coder-7b-instruct", "qwen3-30b-a3b-instruct-2507"


def world(model: str, *requests: RoleRequest) -> World:
    made = with_models(bundled("rtx-4090", "coding"), [model])
    stack = replace(made.request.stack, roles=tuple(replace(one, engine="llama.cpp") for one in requests))
    return replace(made, request=replace(made.request, stack=stack))


def planned(made: World) -> Plan:
    plan = plan_world(made).plan
    assert plan is not None
    return plan


def taken(plan: Plan, pool: str) -> int:
    return sum(demand.total_bytes for one in plan.instances for demand in one.demand if demand.pool == pool)


def test_a_role_that_allows_it_gets_prompt_lookup_and_its_bytes_are_counted() -> None:
    made = world(DENSE, RoleRequest("code", context_floor_tokens=16384, context_wish_tokens=16384))
    roles = tuple(replace(role, prompt_lookup=False) for role in made.catalog.roles)
    without = planned(replace(made, catalog=replace(made.catalog, roles=roles)))
    plan = planned(made)
    assert (without.instances[0].lookup_tokens, plan.instances[0].lookup_tokens) == (0, LOOKUP_TOKENS)
    for before, after in zip(without.host.pools, plan.host.pools, strict=True):
        grown = taken(plan, after.id) - taken(without, before.id)
        assert after.used_bytes - before.used_bytes == grown
        assert after.used_bytes <= after.budget_bytes
    shape = next(model.architecture for model in made.catalog.models if model.id == DENSE)
    assert shape is not None
    more_rows = sum(demand.output_bytes for demand in plan.instances[0].demand)
    rows = sum(demand.output_bytes for demand in without.instances[0].demand)
    assert more_rows - rows == LOOKUP_TOKENS * plan.instances[0].slots * shape.vocabulary_rows * 4  # logits, float32


@pytest.mark.parametrize("missing_bytes", [0, 1])
def test_memory_that_is_not_there_is_not_taken_for_it(missing_bytes: int) -> None:
    """With exactly the bytes that it adds left over, lookup is on; with one byte less in a pool, it is off."""
    made = world(DENSE, RoleRequest("code", context_floor_tokens=16384, context_wish_tokens=16384))
    roles = tuple(replace(role, prompt_lookup=False) for role in made.catalog.roles)
    plain = planned(replace(made, catalog=replace(made.catalog, roles=roles)))
    found = plan_world(made)
    assert found.plan is not None
    grown = {pool.id: pool.used_bytes for pool in found.plan.host.pools}
    full = tuple(
        replace(pool, budget_bytes=grown[pool.id] - (missing_bytes if grown[pool.id] > pool.used_bytes else 0))
        for pool in plain.host.pools
    )
    assert any(grown[pool.id] > pool.used_bytes for pool in plain.host.pools)
    (candidate,) = found.chosen.answer.assignment.values()  # type: ignore[union-attr]
    configurations = {plain.instances[0].id: found.chosen.deployables[candidate].configuration}
    finder, assessor = found.space.finder, found.space.assessor
    plan = sped_up(replace(plain, host=replace(plain.host, pools=full)), finder.needs, configurations, assessor)
    assert plan.instances[0].lookup_tokens == (0 if missing_bytes else LOOKUP_TOKENS)


def test_one_role_that_does_not_allow_it_is_enough() -> None:
    shared = RoleRequest("worker", model=DENSE), RoleRequest("code", model=DENSE)
    made = world(DENSE, *shared)
    models = tuple(replace(one, suits=("code", "worker", "general")) for one in made.catalog.models)
    made = replace(made, catalog=replace(made.catalog, models=models))
    assert {one.lookup_tokens for one in planned(made).instances} == {LOOKUP_TOKENS}
    roles = tuple(replace(role, prompt_lookup=role.id == "code") for role in made.catalog.roles)
    refused = planned(replace(made, catalog=replace(made.catalog, roles=roles)))
    for one in refused.instances:
        served = {role.role for role in refused.roles_of(one.id)}
        assert (one.lookup_tokens > 0) == (served == {"code"})


def test_fewer_experts_are_set_with_their_key_and_the_plan_says_what_it_does_not_know() -> None:
    plan = planned(world(MIXTURE, RoleRequest("helper", active_experts=4)))
    (one,) = plan.instances
    assert (one.active_experts, one.experts_key) == (4, "qwen3moe.expert_used_count")
    assert any("4 of 8 experts as asked; its quality was published with 8" in note for note in plan.notes)


@pytest.mark.parametrize(("model", "asked"), [(DENSE, 2), (MIXTURE, 8), (MIXTURE, 99)])
def test_a_number_of_experts_that_changes_nothing_is_said_to(model: str, asked: int) -> None:
    made = world(model, RoleRequest("helper", active_experts=asked))
    models = tuple(replace(one, suits=("general",)) for one in made.catalog.models)
    plan = planned(replace(made, catalog=replace(made.catalog, models=models)))
    assert plan.instances[0].active_experts == 0
    assert any("runs with all its experts" in note for note in plan.notes)


def test_what_was_declared_is_in_the_plan_and_changes_no_choice() -> None:
    made = world(DENSE, RoleRequest("code"))
    endpoint = RemoteEndpoint("cheap", "m", "https://a.test/v1", "CHEAP_API_KEY")
    plan = planned(replace(made, runtime=Runtime(threads=3), fallbacks=(endpoint,)))
    plain = planned(made)
    assert (plan.runtime.threads, [one.name for one in plan.fallbacks]) == (3, ["cheap"])
    assert replace(plan, runtime=plain.runtime, fallbacks=(), notes=plain.notes) == plain
    assert plan.notes[-1] == "where a local model does not answer, requests may go to cheap (a.test)"
    assert plain.fallbacks == ()


def test_no_role_gets_more_context_than_the_machine_allows() -> None:
    made = world(DENSE, RoleRequest("code"))
    stack = with_context_limit(made.request.stack, made.catalog.roles, 20_000)
    plan = planned(replace(made, request=replace(made.request, stack=stack)))
    assert all(one.context_tokens <= 20_000 + 256 for one in plan.instances)
    with pytest.raises(UserError, match="code needs 16384 tokens of context") as refusal:
        with_context_limit(made.request.stack, made.catalog.roles, 8192)
    assert refusal.value.slug == "context-limit"
