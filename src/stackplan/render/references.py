"""A plan that was saved, edited and loaded again may name what it does not hold; every target relies on it."""

from collections.abc import Iterable, Iterator

from stackplan.errors import UserError
from stackplan.plan import Plan


def check_references(plan: Plan) -> None:
    """Raise `UserError` for the first name that the plan uses and does not define, or defines twice."""
    known = {
        "artifact": _once("artifact", (artifact.id for artifact in plan.artifacts)),
        "engine": _once("engine", (engine.id for engine in plan.engines)),
        "instance": _once("instance", (instance.id for instance in plan.instances)),
        "device": _once("device", (device.id for device in plan.host.machine.devices)),
        "pool": _once("pool", (pool.id for pool in plan.host.pools)),
        "machine's pool": _once("machine's pool", (pool.id for pool in plan.host.machine.pools)),
    }
    _once("role", (role.role for role in plan.roles))
    for user, kind, name in _uses(plan):
        if name not in known[kind]:
            raise _broken(f"{user} names the {kind} {name!r}, which the plan does not hold")
    for instance in plan.instances:
        shares, devices = instance.placement.split, instance.placement.devices
        if shares and len(shares) != len(devices):
            raise _broken(f"{instance.id} has {len(shares)} shares for {len(devices)} devices")


def _uses(plan: Plan) -> Iterator[tuple[str, str, str]]:
    for instance in plan.instances:
        yield instance.id, "artifact", instance.artifact
        yield instance.id, "engine", instance.engine
        yield from ((instance.id, "device", device) for device in instance.placement.devices)
        yield from ((instance.id, "pool", demand.pool) for demand in instance.demand)
        if instance.draft_artifact:
            yield instance.id, "artifact", instance.draft_artifact
    yield from ((role.role, "instance", role.instance) for role in plan.roles)
    yield from ((device.id, "machine's pool", device.pool) for device in plan.host.machine.devices)


def _once(kind: str, names: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _broken(f"the {kind} {name!r} is there twice")
        seen.add(name)
    return seen


def _broken(message: str) -> UserError:
    return UserError(message, hint="write the plan again: stackplan apply", slug="plan-broken")
