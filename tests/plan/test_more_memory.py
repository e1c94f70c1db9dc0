"""More memory takes no option away: what is offered does not ask how large a pool is, only whether it fits."""

from itertools import pairwise

import pytest
from tests.plan.test_choose import small_world
from tests.plan.worlds import bundled, planned, with_models

from stackplan.bases import Base, BaseFinder
from stackplan.dominated import dominates
from stackplan.hardware import Host
from stackplan.pipeline import Space, World, space_of
from stackplan.problem import Choice
from stackplan.prospects import Prospect
from stackplan.serving import Unestimable
from stackplan.stack import RoleRequest
from stackplan.units import GIB
from stackplan.values import replace

# A mixture of experts, a dense model and a small one compete for one card, which holds the first whole from 19 GiB.
MODELS = ["qwen3-30b-a3b-instruct-2507", "qwen3-14b", "qwen3-4b-instruct-2507"]


def rivals() -> World:
    made = with_models(bundled("rtx-4090", "coding"), MODELS)
    roles = [
        RoleRequest("worker", model=MODELS[0], quantisation="Q4_K_M", engine="llama.cpp", context_wish_tokens=16384),
        RoleRequest("code", model=MODELS[1], engine="llama.cpp", required=False, context_floor_tokens=8192),
        RoleRequest("helper", model=MODELS[2], engine="llama.cpp", required=False),
    ]
    return replace(made, request=replace(made.request, stack=replace(made.request.stack, roles=tuple(roles))))


def with_budget(world: World, pool_id: str, budget_bytes: int) -> World:
    def sized(host: Host) -> Host:
        pools = [
            replace(pool, capacity_bytes=budget_bytes + pool.reserved_bytes) if pool.id == pool_id else pool
            for pool in host.pools
        ]
        return replace(host, pools=tuple(pools))

    return replace(world, host=sized(world.host))


def ways(world: World) -> set[str]:
    return {base.configuration(base.contexts[0]).name for base in space_of(world).bases}


def bound(world: World) -> float:
    answer = planned(world).chosen.answer
    return answer.bound if isinstance(answer, Choice) else float("-inf")


def value(world: World) -> float:
    answer = planned(world).chosen.answer
    return answer.value if isinstance(answer, Choice) else float("-inf")


def test_a_card_that_grows_past_the_size_of_a_model_never_lowers_the_objective() -> None:
    (card,) = [pool.id for pool in rivals().host.pools if pool.id != rivals().host.host_pool.id]
    worlds = [with_budget(rivals(), card, size * GIB) for size in range(6, 32, 2)]
    for smaller, larger in pairwise(worlds):
        assert bound(larger) >= value(smaller)


@pytest.mark.parametrize("seed", [1, 4, 7, 16, *(pytest.param(s, marks=pytest.mark.exhaustive) for s in range(20, 60))])
def test_every_way_of_a_small_pool_is_a_way_of_a_larger_one(seed: int) -> None:
    """Splits over unlike cards follow the cards' sizes and are left out here."""
    world = small_world(seed)
    world = replace(world, request=replace(world.request, policy=replace(world.request.policy, allow_split=False)))
    offered = ways(world)
    for pool in world.host.pools:
        for more in (1.05, 1.4, 3.0):
            larger = with_budget(world, pool.id, int(pool.budget_bytes * more))
            assert offered <= ways(larger), f"{pool.id} x {more}"


def test_a_model_that_fits_whole_may_still_be_cut_for_the_sake_of_others() -> None:
    places = {
        base.placement.cpu_expert_layers > 0 for base in space_of(rivals()).bases if base.served.model.id == MODELS[0]
    }
    assert places == {False, True}


def same_kind(one: Base, other: Base) -> bool:
    return (one.placement, one.kv_type, one.served.key) == (other.placement, other.kv_type, other.served.key)


@pytest.mark.parametrize("seed", [1, 4, 7])
def test_what_is_left_out_is_never_better_than_what_stays_at_any_context(seed: int) -> None:
    world = small_world(seed)
    space = space_of(world)
    finder, kept = space.finder, {base.configuration(0).name: base for base in space.bases}
    left_out = 0
    for prospect in space.prospects:
        everything = replace(prospect, files=prospect.served.artifacts)
        for base in all_bases(finder, everything):
            if base.configuration(0).name in kept or base.ahead is not None:
                continue
            better = [other for other in space.bases if same_kind(other, base) and better_than(other, base)]
            left_out += bool(better)
            for other in better[:1]:
                assert all(at_most(space, other, base, end) for end in (base.contexts[0], base.contexts[-1]))
                assert all(dict(other.merits)[need] >= merit for need, merit in base.merits)
    assert left_out


def all_bases(finder: BaseFinder, prospect: Prospect) -> list[Base]:
    """Those of every file, each alone: nothing there makes another pointless."""
    files = [replace(prospect, files=(file,)) for file in prospect.files]
    return [base for one in files for base in finder.bases(one)]


def better_than(one: Base, other: Base) -> bool:
    return dominates(one, other, taken(one), taken(other))


def taken(base: Base) -> list[int]:
    return [size for pool in base.least.pools for size in (pool.fixed_bytes, pool.per_slot_bytes, pool.weights_bytes)]


def at_most(space: Space, one: Base, other: Base, context: int) -> bool:
    ours, theirs = (space.assessor.takes(base.configuration(context)) for base in (one, other))
    assert not isinstance(ours, Unestimable)
    assert not isinstance(theirs, Unestimable)
    return all(
        mine.fixed_bytes + mine.per_slot_bytes <= their.fixed_bytes + their.per_slot_bytes
        for mine, their in zip(ours.pools, theirs.pools, strict=True)
    )
