"""The instances of a plan as targets, and what was benched of them as measurements."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from stackplan.bench.peaks import Peaks
from stackplan.bench.run import Benched
from stackplan.bench.sample import Target
from stackplan.calibration import draft_of
from stackplan.errors import UserError
from stackplan.hardware import Host
from stackplan.measurement import Measurement, machine_of, settings_of
from stackplan.plan import Instance, Plan
from stackplan.render.servers import Server, server_of
from stackplan.running.endpoints import endpoints


@dataclass(frozen=True, slots=True)
class Planned:
    """An instance of a plan with its server, its address and the roles that it serves."""

    instance: Instance
    server: Server
    target: Target
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What came out for one instance: figures and peaks, or why there are none."""

    planned: Planned
    benched: Benched | None
    peaks: Peaks = field(default=Peaks())
    problem: str = ""


def planned_targets(plan: Plan, role: str | None) -> tuple[Planned, ...]:
    """Every instance once, or the one behind ``role``. Raises `UserError` for a role that the plan does not serve."""
    known = [one.role for one in plan.roles]
    if role is not None and role not in known:
        hint = f"roles of this plan: {', '.join(known)}"
        raise UserError(f"the plan serves no role {role[:80]!r}", hint=hint, slug="unknown-role")
    return tuple(_targets(plan, role))


def _targets(plan: Plan, role: str | None) -> Iterator[Planned]:
    told: set[str] = set()
    for one in endpoints(plan):
        if one.instance in told or role not in (None, one.role):
            continue
        told.add(one.instance)
        instance = plan.instance(one.instance)
        target = Target(instance.id, one.engine, instance.mode, one.url, one.model, instance.context_tokens)
        roles = tuple(each.role for each in plan.roles_of(instance.id))
        yield Planned(instance, server_of(plan, instance.id), target, roles)


def measurement(planned: Planned, benched: Benched, peaks: Peaks, host: Host, measured_at: str) -> Measurement:
    """What was benched, as a measurement of ``host``. Raises `UserError` when that is not the machine of the plan."""
    instance, ids = planned.instance, {device.id for device in host.devices}
    if missing := [name for name in instance.placement.devices if name not in ids]:
        raise UserError(
            f"this machine has no {missing[0]}, where the plan puts {instance.id}",
            hint="measure on the machine that the stack runs on",
            slug="bench-elsewhere",
        )
    draft = draft_of(instance)
    _, _, _, _, devices, layers, split, experts, _ = settings_of(instance, instance.artifact, host, draft)
    return Measurement(
        machine=machine_of(host),
        devices=devices,
        engine=instance.engine,
        engine_version=benched.engine_version,
        artifact=instance.artifact,
        mode=instance.mode,
        context_tokens=instance.context_tokens,
        slots=instance.slots,
        kv_type=instance.kv_type,
        measured_at=measured_at,
        repeats=benched.repeats,
        gpu_layers=layers,
        split=split,
        cpu_expert_layers=experts,
        draft=draft,
        depth_tokens=benched.depth_tokens,
        decode=benched.decode if instance.mode == "chat" else None,
        prompt=benched.prompt,
        load_seconds=benched.load_seconds,
        host_peak_bytes=peaks.host_peak_bytes,
        device_peak_bytes=peaks.device_peak_bytes,
    )
