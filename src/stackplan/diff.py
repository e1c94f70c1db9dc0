"""What differs between two plans: causes, roles, instances, pools; values only, in the order of the plans."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stackplan.configuration import place_name
from stackplan.plan import Instance, Plan, PoolBudget, ServedRole
from stackplan.units import format_bytes, format_tokens


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One thing that differs, as people read it; "" where it was not or is not any more."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A role that is served in another way. ``points`` are its utility; None while nothing serves it.

    ``because`` is the plan's own word for a role that is not served.
    """

    role: str
    points_before: float | None
    points_after: float | None
    fields: tuple[FieldChange, ...]
    because: str = ""
    priority: float = 1.0

    @property
    def gain(self) -> float:
        """Points won; below 0 when lost."""
        return (self.points_after or 0.0) - (self.points_before or 0.0)


@dataclass(frozen=True, slots=True)
class InstanceChange:
    """An instance that came ("added"), went ("removed") or runs in another way ("changed")."""

    instance: str
    kind: str
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class PoolChange:
    """A pool whose capacity, budget or use differs, in bytes; None while the machine has no such pool."""

    pool: str
    before: PoolBudget | None
    after: PoolBudget | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Two plans beside each other. ``causes`` are the inputs that differ; none when only what was asked differs.

    ``objective_before`` and ``objective_after`` are sums of utility x priority, comparable for one stack and policy.
    """

    causes: tuple[FieldChange, ...]
    roles: tuple[RoleChange, ...]
    instances: tuple[InstanceChange, ...]
    pools: tuple[PoolChange, ...]
    objective_before: float
    objective_after: float
    disk_bytes_before: int
    disk_bytes_after: int

    @property
    def gain_of_both(self) -> float:
        """What the roles that both plans serve gain, utility x priority."""
        both = [c for c in self.roles if c.points_before is not None and c.points_after is not None]
        return sum(change.gain * change.priority for change in both)

    @property
    def is_empty(self) -> bool:
        """Whether both plans would run the same."""
        return not (self.causes or self.roles or self.instances or self.pools)


def difference(before: Plan, after: Plan) -> Difference:
    """What has to change for ``before`` to become ``after``."""
    return Difference(
        causes=tuple(_differing(_inputs(before), _inputs(after))),
        roles=tuple(role_changes(before, after)),
        instances=tuple(_instance_changes(before, after)),
        pools=tuple(_pool_changes(before, after)),
        objective_before=objective(before),
        objective_after=objective(after),
        disk_bytes_before=disk_bytes(before),
        disk_bytes_after=disk_bytes(after),
    )


def role_changes(before: Plan, after: Plan) -> Iterator[RoleChange]:
    """Roles that are served in another way, by another model, or not any more, or for the first time."""
    old = {role.role: role for role in before.roles}
    new = {role.role: role for role in after.roles}
    reasons = {each.role: each.because for each in after.unserved}
    for name in dict.fromkeys((*old, *new)):
        fields = tuple(_differing(_role(before, old.get(name)), _role(after, new.get(name))))
        if fields:
            before_points, after_points = _points(old.get(name)), _points(new.get(name))
            priority = (new.get(name) or old[name]).priority
            yield RoleChange(name, before_points, after_points, fields, reasons.get(name, ""), priority)


def objective(plan: Plan) -> float:
    """The sum of utility x priority that the solver maximised."""
    return plan.objective[0].value if plan.objective else 0.0


def disk_bytes(plan: Plan) -> int:
    """Bytes of every file that the plan fetches."""
    return sum(artifact.file_bytes + artifact.projector_bytes for artifact in plan.artifacts)


def _instance_changes(before: Plan, after: Plan) -> Iterator[InstanceChange]:
    old = {instance.id: instance for instance in before.instances}
    new = {instance.id: instance for instance in after.instances}
    for name in dict.fromkeys((*old, *new)):
        fields = tuple(_differing(_instance(before, old.get(name)), _instance(after, new.get(name))))
        if fields:
            yield InstanceChange(
                name, "added" if name not in old else "removed" if name not in new else "changed", fields
            )


def _pool_changes(before: Plan, after: Plan) -> Iterator[PoolChange]:
    old = {pool.id: pool for pool in before.host.pools}
    new = {pool.id: pool for pool in after.host.pools}
    for name in dict.fromkeys((*old, *new)):
        if _sizes(old.get(name)) != _sizes(new.get(name)):
            yield PoolChange(name, old.get(name), new.get(name))


def _sizes(pool: PoolBudget | None) -> tuple[int, ...]:
    return (pool.capacity_bytes, pool.budget_bytes, pool.used_bytes) if pool else ()


def _points(role: ServedRole | None) -> float | None:
    return role.utility.total if role else None


def _inputs(plan: Plan) -> dict[str, str]:
    """What a plan rests on, besides what was asked of single roles."""
    pools = {f"{pool.id} budget": format_bytes(pool.budget_bytes) for pool in plan.host.pools}
    devices = {f"device {device.id}": device.name for device in plan.host.machine.gpus}
    measured = plan.measurements
    return {
        "machine": plan.host.name,
        **devices,
        **pools,
        "stack": plan.stack,
        "policy": plan.policy,
        "catalog": f"{plan.catalog.date} {plan.catalog.digest[:12]}",
        "estimator": plan.estimator,
        "measurements": f"{measured.count} {measured.digest}" if measured else "",
    }


def _role(plan: Plan, role: ServedRole | None) -> dict[str, str]:
    if role is None:
        return {}
    instance = plan.instance(role.instance)
    return {**_running(plan, instance), "context": format_tokens(role.context_tokens), "slots": str(role.slots)}


def _instance(plan: Plan, instance: Instance | None) -> dict[str, str]:
    if instance is None:
        return {}
    demands = {f"bytes on {demand.pool}": format_bytes(demand.total_bytes) for demand in instance.demand}
    return {
        **_running(plan, instance),
        "engine": instance.engine,
        "context": format_tokens(instance.context_tokens),
        "slots": str(instance.slots),
        "port": str(instance.port),
        **demands,
    }


def _running(plan: Plan, instance: Instance) -> dict[str, str]:
    artifact = plan.artifact(instance.artifact)
    return {
        "model": instance.model,
        "quantisation": artifact.quantisation,
        "revision": artifact.revision,
        "context": "",
        "KV type": instance.kv_type,
        "tier": instance.tier.upper(),
        "on": place_name(instance.placement),
        "speculation": speculation(instance),
    }


def speculation(instance: Instance) -> str:
    """How the instance speculates, as people read it: what proposes, and how many tokens; "" when it does not."""
    if not (instance.draft_artifact or instance.prediction_head):
        return ""
    by = f"draft {instance.draft_artifact}" if instance.draft_artifact else "own prediction head"
    return f"{by}, {instance.draft_tokens} tokens" if instance.draft_tokens else by


def _differing(before: dict[str, str], after: dict[str, str]) -> Iterable[FieldChange]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            yield FieldChange(name, old, new)
