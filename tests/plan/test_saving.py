"""What a server saves of prompts is bounded, counted, and taken from what the choice left over."""

import pytest
from tests.plan.worlds import bundled, planned, with_models, with_policy

from stackplan.hardware import Host
from stackplan.pipeline import World
from stackplan.plan import Plan
from stackplan.render.llama_options import llama_options
from stackplan.stack import RoleRequest
from stackplan.units import GIB, MIB
from stackplan.values import replace

PLAIN, HYBRID, SLIDING = "qwen3-8b", "qwen3.5-9b", "gemma-3-12b-it"
DEFAULT_BYTES, DEFAULT_COPIES = 8192 * MIB, 32  # --cache-ram and --ctx-checkpoints of b11434


def world(model: str, ram_bytes: int | None = None, slots: int = 1) -> World:
    made = with_models(bundled("rtx-4090", "coding"), [model])
    request = RoleRequest("worker", model=model, engine="llama.cpp", slots=slots, context_wish_tokens=16384)
    stack = replace(made.request.stack, roles=(request,))
    host = made.host if ram_bytes is None else with_ram(made.host, ram_bytes)
    return replace(made, host=host, request=replace(made.request, stack=stack))


def with_ram(host: Host, budget_bytes: int) -> Host:
    ram = host.host_pool
    pools = [
        replace(pool, capacity_bytes=budget_bytes + pool.reserved_bytes) if pool is ram else pool for pool in host.pools
    ]
    return replace(host, pools=tuple(pools))


def plan_of(made: World) -> Plan:
    plan = planned(made).plan
    assert plan is not None
    return plan


def host_bytes(plan: Plan) -> int:
    pool = plan.host.machine.host_pool.id
    return sum(demand.total_bytes for demand in plan.instances[0].demand if demand.pool == pool)


@pytest.mark.parametrize("slots", [1, 4])
def test_saved_prompts_are_never_more_than_the_slots_can_fill_or_the_server_takes_unasked(slots: int) -> None:
    plan = plan_of(world(PLAIN, 256 * GIB, slots))
    (instance,) = plan.instances
    cached = sum(demand.kv_bytes + demand.state_bytes for demand in instance.demand)
    assert instance.cache_ram_bytes == min(DEFAULT_BYTES, cached) // MIB * MIB
    assert instance.cache_ram_bytes > 0


@pytest.mark.parametrize("limit_mib", [0, 256])
def test_a_policy_may_allow_less(limit_mib: int) -> None:
    plan = plan_of(with_policy(world(PLAIN, 256 * GIB), prompt_cache_bytes=limit_mib * MIB))
    assert plan.instances[0].cache_ram_bytes == limit_mib * MIB


def test_every_saved_byte_is_counted_in_host_memory() -> None:
    plan = plan_of(world(PLAIN, 256 * GIB))
    engines = tuple(replace(engine, prompt_cache_bytes=0) for engine in world(PLAIN).catalog.engines)
    made = world(PLAIN, 256 * GIB)
    without = plan_of(replace(made, catalog=replace(made.catalog, engines=engines)))
    assert without.instances[0].cache_ram_bytes == 0
    assert host_bytes(plan) - host_bytes(without) == plan.instances[0].cache_ram_bytes
    assert plan.objective == without.objective
    assert [role.utility for role in plan.roles] == [role.utility for role in without.roles]


@pytest.mark.parametrize("model", [PLAIN, HYBRID, SLIDING])
def test_little_host_memory_is_shared_with_the_system_and_never_exceeded(model: str) -> None:
    roomy = plan_of(world(model, 256 * GIB))
    saved = roomy.instances[0].cache_ram_bytes
    needed = host_bytes(roomy) - saved
    for spare in (0, 32 * MIB, saved // 2, 4 * saved):
        plan = plan_of(world(model, needed + spare))
        assert all(pool.used_bytes <= pool.budget_bytes for pool in plan.host.pools)
        assert plan.instances[0].cache_ram_bytes <= max(0, needed + spare) // 2


@pytest.mark.parametrize(("model", "copies"), [(PLAIN, 0), (HYBRID, DEFAULT_COPIES), (SLIDING, DEFAULT_COPIES)])
def test_only_models_that_forget_get_copies_of_what_they_forget(model: str, copies: int) -> None:
    assert plan_of(world(model, 256 * GIB)).instances[0].context_checkpoints == copies


def test_copies_of_state_come_before_saved_caches() -> None:
    roomy = plan_of(world(HYBRID, 256 * GIB)).instances[0]
    base = host_bytes(plan_of(world(HYBRID, 256 * GIB))) - roomy.cache_ram_bytes
    tight = plan_of(world(HYBRID, base)).instances[0]
    assert 0 < tight.context_checkpoints < roomy.context_checkpoints


@pytest.mark.parametrize("model", [PLAIN, HYBRID])
def test_the_server_is_told_both_limits(model: str) -> None:
    plan = plan_of(world(model, 256 * GIB))
    (instance,) = plan.instances
    options = llama_options(plan, instance)
    assert options["cache-ram"] == str(instance.cache_ram_bytes // MIB)
    assert options["ctx-checkpoints"] == str(instance.context_checkpoints)
