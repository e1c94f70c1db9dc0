"""When there is no plan: the nearest one, and single changes that make one, each tried before it is told.

Bounded in number and time: what was not tried is not told. Every fix is written as the option that does it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from stackplan.contexts import context_steps
from stackplan.counterfactual import blocks
from stackplan.hardware import Host
from stackplan.needs import RoleNeed
from stackplan.pipeline import Planned, World, best_of, plan_world, space_of
from stackplan.plan import Plan
from stackplan.problem import NoChoice
from stackplan.stack import Request
from stackplan.units import GIB, format_bytes, format_tokens, parse_bytes
from stackplan.values import replace

SECONDS = 12.0
MOST_FIXES = 6
_SECONDS_EACH = 3.0
_CHEAPEST_KV = "q4_0"
_ANY_SPEED = 0.01


@dataclass(frozen=True, slots=True)
class Fix:
    """One change that makes a plan: what it is, and the options that do it. ``bytes`` where memory is added."""

    told: str
    option: str
    pool: str = ""
    bytes: int = 0


@dataclass(slots=True)
class _Trial:
    """Tries changed worlds until time is up; only required roles count, the others cannot stand in the way."""

    world: World
    deadline: float
    clock: Callable[[], float]

    def plan(self, world: World) -> Plan | None:
        """A plan for the required roles of a changed world; None when there is none or no time is left."""
        if self.clock() >= self.deadline:
            return None
        policy = replace(world.request.policy, partial=False)
        space = space_of(replace(world, request=replace(world.request, policy=policy)))
        required = {place for place, need in enumerate(space.finder.needs) if need.required}
        if not required or required - {place for one in space.prospects for place, _ in one.best}:
            return None  # nothing is asked for, or no model suits a role: no need to ask the solver

        def may(position: int, *_: object, **__: object) -> bool:
            """Options stay as they are: choosing among them is quicker."""
            return position in required

        return best_of(replace(space, may=may), seconds=_SECONDS_EACH).plan

    def changed(self, need: RoleNeed, **changes: Any) -> World:
        """The world with one role asked for otherwise."""
        return replace(self.world, request=_with_role(self.world, need, changes))


def fixes(
    planned: Planned, clock: Callable[[], float], *, seconds: float = SECONDS, most: int = MOST_FIXES
) -> Iterator[Fix]:
    """Single changes that really make a plan, for a world that has none."""
    answer = planned.chosen.answer
    if not isinstance(answer, NoChoice):
        return
    trial = _Trial(planned.space.world, clock() + seconds, clock)
    yield from islice(_tried(planned, trial, answer.conflict), most)


def nearest_plan(planned: Planned) -> Plan | None:
    """The plan that serves as many required roles as can be served together."""
    world = planned.space.world
    policy = replace(world.request.policy, partial=True)
    space = replace(planned.space, world=replace(world, request=replace(world.request, policy=policy)))
    plan = best_of(space, seconds=_SECONDS_EACH).plan
    return plan if plan is not None and plan.roles else None


def _tried(planned: Planned, trial: _Trial, conflict: tuple[str, ...]) -> Iterator[Fix]:
    needs = [need for need in planned.frame.needs if f"need {need.id}" in conflict]
    for need in needs:
        yield from _unpinned(trial, need)
    yield from _more_memory(planned, trial, conflict)
    for need in needs:
        yield from _shorter(trial, need)
    for need in needs:
        yield from _cheaper_cache(trial, need)
        yield from _slower(trial, need)
    for need in needs:
        if trial.plan(trial.changed(need, required=False)) is not None or _is_only(trial, need):
            yield Fix(f"do without {need.id}", f"--set {_name(need)}.required=false")


def _is_only(trial: _Trial, need: RoleNeed) -> bool:
    """Whether no other role is required: then optional ones make the plan, if any of them can be served."""
    others = [role for role in trial.world.request.stack.roles if role.role != _name(need)]
    if any(role.required for role in others) or not others or trial.clock() >= trial.deadline:
        return False
    stack = replace(trial.world.request.stack, roles=tuple(others))
    plan = plan_world(replace(trial.world, request=replace(trial.world.request, stack=stack))).plan
    return plan is not None and bool(plan.roles)


def _unpinned(trial: _Trial, need: RoleNeed) -> Iterator[Fix]:
    """Each pin left out; the plan then found says what could take its place."""
    for word, field, value in _pins(need):
        plan = trial.plan(trial.changed(need, **{field: None}))
        if plan is not None:
            instead = _taken(plan, need, word)
            told = f"let {need.id} have another {word}: {instead} instead of {value}"
            yield Fix(told, f"--set {_name(need)}.{word}={instead}")
    if need.tier_pinned and (plan := trial.plan(trial.changed(need, tier_pinned=False, tier=None))) is not None:
        tier = _taken(plan, need, "tier")
        yield Fix(f"let {need.id} be {tier.upper()}", f"--set {_name(need)}.tier={tier}")


def _pins(need: RoleNeed) -> Iterator[tuple[str, str, str]]:
    for word, field in (("quant", "quantisation"), ("model", "model"), ("kv", "kv_type"), ("device", "device")):
        value = getattr(need, field)
        if value is not None:
            yield word, field, value


def _taken(plan: Plan, need: RoleNeed, word: str) -> str:
    """What the plan gives a role, in the word of ``--set``."""
    instance = plan.instance(next(role.instance for role in plan.roles if role.role == need.id))
    place = "cpu" if instance.placement.is_cpu else "+".join(instance.placement.devices)
    given = {
        "quant": plan.artifact(instance.artifact).quantisation,
        "model": instance.model,
        "kv": instance.kv_type,
        "device": place,
        "tier": instance.tier,
    }
    return given[word]


def _shorter(trial: _Trial, need: RoleNeed) -> Iterator[Fix]:
    """The longest floor of context that makes a plan, by bisection over the steps below the present one."""
    steps = [step for step in context_steps(1024, need.context_floor_tokens) if step < need.context_floor_tokens]
    if not steps or trial.plan(trial.changed(need, context_floor_tokens=steps[0])) is None:
        return
    low, high = 0, len(steps)
    while high - low > 1:
        middle = (low + high) // 2
        fits = trial.plan(trial.changed(need, context_floor_tokens=steps[middle])) is not None
        low, high = (middle, high) if fits else (low, middle)
    now, then = format_tokens(need.context_floor_tokens), format_tokens(steps[low])
    yield Fix(f"lower the context of {need.id} from {now} to {then}", f"--set {_name(need)}.context={then}")


def _cheaper_cache(trial: _Trial, need: RoleNeed) -> Iterator[Fix]:
    known = (*trial.world.request.policy.kv_types, need.kv_type)
    if _CHEAPEST_KV not in known and trial.plan(trial.changed(need, kv_type=_CHEAPEST_KV)) is not None:
        yield Fix(f"keep the cache of {need.id} in {_CHEAPEST_KV}", f"--set {_name(need)}.kv={_CHEAPEST_KV}")


def _slower(trial: _Trial, need: RoleNeed) -> Iterator[Fix]:
    """A lower floor of speed, down to what the plan then found reaches."""
    plan = trial.plan(trial.changed(need, speed_floor=_ANY_SPEED)) if need.speed_floor > _ANY_SPEED else None
    if plan is None:
        return
    speed = plan.instance(next(role.instance for role in plan.roles if role.role == need.id)).speed
    reached = int(100 * speed.decode_tokens_per_second) / 100 if speed else 0.0
    if 0 < reached < need.speed_floor:
        told = f"let {need.id} decode {reached:g} tokens per second instead of {need.speed_floor:g}"
        yield Fix(told, f"--set {_name(need)}.speed={reached:g}")


def _more_memory(planned: Planned, trial: _Trial, conflict: tuple[str, ...]) -> Iterator[Fix]:
    """More of one pool: as much as the conflict or the nearest refusal misses, in tenths of a GiB."""
    for pool, missing in sorted(_missing(planned, conflict).items(), key=lambda pair: (pair[1], pair[0])):
        capacity = planned.space.world.host.pool(pool).capacity_bytes
        tried = (0, GIB // 10, missing // 10, missing, 3 * missing)  # the others and the cache may need room too
        enough = next((m for m in tried if trial.plan(_with_memory(trial, pool, capacity + missing + m))), None)
        if enough is not None:
            least = max((m for m in tried if m < enough), default=0)
            size = _least_memory(trial, pool, capacity + missing + least, capacity + missing + enough)
            told = f"{format_bytes(parse_bytes(_written(size)) - capacity)} more of {pool}"
            yield Fix(told, f"--vram {pool}={_written(size)}", pool, parse_bytes(_written(size)) - capacity)


def _least_memory(trial: _Trial, pool: str, too_little: int, enough: int) -> int:
    """The least capacity that makes a plan, to an eighth of what separates the two given."""
    for _ in range(3):
        middle = (too_little + enough) // 2
        if enough - too_little < GIB // 4:
            break
        fits = trial.plan(_with_memory(trial, pool, middle)) is not None
        too_little, enough = (too_little, middle) if fits else (middle, enough)
    return enough


def _with_memory(trial: _Trial, pool: str, size: int) -> World:
    """The world with a pool of the size that is told."""
    return replace(trial.world, host=with_capacity(trial.world.host, pool, parse_bytes(_written(size))))


def _written(size: int) -> str:
    """A size as ``--vram`` reads it, in tenths of a GiB, rounded up: what is told is what was tried."""
    tenths = -(-10 * size // GIB)
    return f"{tenths // 10}.{tenths % 10}GiB"


def _missing(planned: Planned, conflict: tuple[str, ...]) -> dict[str, int]:
    """Bytes that each pool misses: of the needs together, or of a need that nothing fits for."""
    found = {block.pool: block.missing_bytes for block in blocks(planned.chosen.problem, conflict)}
    for refusal in planned.frame.refusals:
        if refusal.reason == "memory" and f"need {refusal.need}" in conflict:
            known = found.get(refusal.pool)
            if known is None or (f"pool {refusal.pool}" not in conflict and refusal.shortfall_bytes < known):
                found[refusal.pool] = refusal.shortfall_bytes
    return found


def with_capacity(host: Host, pool_id: str, capacity_bytes: int) -> Host:
    """The host with another size of one pool, as ``--vram`` gives it."""
    pools = (
        replace(pool, capacity_bytes=capacity_bytes, unknown="") if pool.id == pool_id else pool for pool in host.pools
    )
    return replace(host, pools=tuple(pools))


def _with_role(world: World, need: RoleNeed, changes: dict[str, Any]) -> Request:
    stack = world.request.stack
    roles = tuple(replace(role, **changes) if role.role == _name(need) else role for role in stack.roles)
    return replace(world.request, stack=replace(stack, roles=roles))


def _name(need: RoleNeed) -> str:
    """The role as the stack asks for it: several copies are one request."""
    return need.request.role
