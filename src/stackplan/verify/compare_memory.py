"""Where an instance is and how many bytes it takes there, beside the plan."""

from collections.abc import Iterator

from stackplan.plan import Instance, Plan, PlannedDemand
from stackplan.render.servers import LLAMA_CPP, OLLAMA, Server
from stackplan.units import format_bytes
from stackplan.verify.finding import Check, Finding, agrees, breach, unknown
from stackplan.verify.held_bytes import Range, held_bytes, planned_range, told_range, tolerance
from stackplan.verify.observation import MemorySeen, ModelSeen
from stackplan.verify.set_aside import set_aside_bytes

_MISPLACED = "start its server from what this plan renders; see in its log which devices it found"
_OTHER_BYTES = (
    "see with `stackplan explain` what was planned, and in its log which file, context and cache type it took"
)
# A host share below this part of the instance is buffers and the process itself, which drivers blow up.
_SMALL_SHARE = 0.05


def memory_findings(
    plan: Plan, server: Server, instance: Instance, model: ModelSeen, held: MemorySeen | None
) -> Iterator[Finding]:
    """Device, weights and bytes of a loaded instance."""
    yield _device(plan, instance, model, held)
    if model.weights_bytes is not None:
        yield _weights(plan, instance, model.weights_bytes)
    if model.total_bytes is not None:
        yield _bytes(instance, told_range(instance), model.total_bytes, f"by what {server.engine} itself tells")
    if instance.placement.is_cpu:
        yield _host_bytes(plan, instance, held)
    else:
        yield from _device_bytes(plan, instance, held)


def _device(plan: Plan, instance: Instance, model: ModelSeen, held: MemorySeen | None) -> Finding:
    planned = () if instance.placement.is_cpu else instance.placement.devices
    where = ", ".join(planned) or "the CPU"
    if not plan.host.machine.gpus:
        return agrees(Check.DEVICE, instance.id, "on the CPU, the only device")
    if held is not None and held.devices is not None:
        used = {one.device for one in held.devices if one.bytes != 0}
        if used == set(planned):
            return agrees(Check.DEVICE, instance.id, f"on {where}")
        message = f"on {', '.join(sorted(used)) or 'the CPU'}, planned on {where}"
        return breach(Check.DEVICE, instance.id, message, _MISPLACED)
    if model.device_bytes is not None and model.total_bytes is not None:
        return _share(instance, model.device_bytes, model.total_bytes, where)
    return unknown(
        Check.DEVICE, instance.id, held.problem if held and held.problem else "no driver tells who uses its device"
    )


def _share(instance: Instance, device_bytes: int, total_bytes: int, where: str) -> Finding:
    """By what the server says to hold on GPUs."""
    placement = instance.placement
    whole = placement.gpu_layers is None and not placement.cpu_expert_layers
    least = total_bytes * (1 - tolerance(instance)) if whole else 1
    said = f"{format_bytes(device_bytes)} of {format_bytes(total_bytes)} on GPUs"
    if (device_bytes == 0) if placement.is_cpu else (device_bytes >= least):
        return agrees(Check.DEVICE, instance.id, said, seen=device_bytes)
    return breach(Check.DEVICE, instance.id, f"{said}, planned on {where}", _MISPLACED, seen=device_bytes)


def _weights(plan: Plan, instance: Instance, seen: int) -> Finding:
    """Tensors as loaded, beside file and plan: a head that is tied exists once in the file and twice in the plan."""
    figures = (plan.artifact(instance.artifact).file_bytes, sum(demand.weights_bytes for demand in instance.demand))
    off = tolerance(instance)
    agreed = Range(round(min(figures) * (1 - off)), figures[0], round(max(figures) * (1 + off)))
    said = f"{format_bytes(seen)} of weights, {format_bytes(figures[0])} were planned"
    if agreed.holds(seen):
        return agrees(Check.WEIGHTS, instance.id, said, figures[0], seen)
    return breach(Check.WEIGHTS, instance.id, said, "it is another file: `stackplan download`", figures[0], seen)


def _host_bytes(plan: Plan, instance: Instance, held: MemorySeen | None) -> Finding:
    demand = _demand(instance, plan.host.machine.host_pool.id)
    if demand is None or held is None or held.host is None:
        return unknown(Check.BYTES, instance.id, held.problem if held and held.problem else "nobody saw its processes")
    ggml = instance.engine in (LLAMA_CPP, OLLAMA)
    quantisation = plan.artifact(instance.artifact).quantisation
    aside = set_aside_bytes(held.files, instance.micro_batch_tokens)
    seen = held_bytes(held.host, demand, quantisation, allocations_count=ggml, set_aside_bytes=aside)
    return _bytes(instance, planned_range(instance, (demand,)), seen, f"in {demand.pool}")


def _device_bytes(plan: Plan, instance: Instance, held: MemorySeen | None) -> Iterator[Finding]:
    machine = plan.host.machine
    told = {one.device: one.bytes for one in held.devices or ()} if held else {}
    pools = {machine.device(device).pool for device in instance.placement.devices}
    for pool in sorted(pools):
        demand = _demand(instance, pool)
        if demand is None:
            continue
        sizes = [told.get(device.id) for device in machine.gpus if device.pool == pool]
        known = [size for size in sizes if size is not None]
        if pool == machine.host_pool.id or len(known) < len(sizes):
            yield unknown(Check.BYTES, instance.id, f"no driver tells what its processes hold in {pool}")
        else:
            yield _bytes(instance, planned_range(instance, (demand,)), sum(known), f"in {pool}")
    yield from _host_share(instance, machine.host_pool.id, pools)


def _host_share(instance: Instance, host_pool: str, pools: set[str]) -> Iterator[Finding]:
    demand = _demand(instance, host_pool)
    if demand is None or host_pool in pools:
        return
    total = sum(one.total_bytes for one in instance.demand)
    if demand.total_bytes - demand.overhead_bytes > _SMALL_SHARE * total:
        size = format_bytes(demand.total_bytes)
        message = f"{size} were planned in {host_pool}, where the GPU's driver maps memory too: nobody can tell"
        yield unknown(Check.BYTES, instance.id, message)


def _demand(instance: Instance, pool: str) -> PlannedDemand | None:
    return next((demand for demand in instance.demand if demand.pool == pool), None)


def _bytes(instance: Instance, planned: Range, seen: int, where: str) -> Finding:
    off = (seen - planned.planned_bytes) / planned.planned_bytes if planned.planned_bytes else 0.0
    allowed = f", {format_bytes(planned.allowance_bytes)} of it an allowance" if planned.allowance_bytes else ""
    said = f"{format_bytes(seen)} {where}, {format_bytes(planned.planned_bytes)} were planned{allowed} ({off:+.1%})"
    if planned.holds(seen):
        return agrees(Check.BYTES, instance.id, said, planned.planned_bytes, seen)
    bound = (
        f"at most {format_bytes(planned.most_bytes)}"
        if seen > planned.most_bytes
        else f"at least {format_bytes(planned.least_bytes)}"
    )
    return breach(Check.BYTES, instance.id, f"{said}; {bound} would agree", _OTHER_BYTES, planned.planned_bytes, seen)
