"""A `Host` from what a profile declares and what the hardware catalog knows; nothing here looks at a machine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stackplan.backends import backend_of, radv_capacity, reach_bytes, within
from stackplan.device_catalog import ASSUMED_RAM_BANDWIDTH, DeviceFacts
from stackplan.hardware import Backend, BackendCapacity, Basis, Cpu, Device, Disk, Host, Pool, PoolKind, Reservation
from stackplan.reservations import (
    DESKTOP,
    cuda_reserve,
    macos_reserve,
    metal_working_set,
    out_of_reach,
    system_reserve,
    usable_reserve,
    vram_headroom,
)

# The release that new machines carry when this was written (2026-11); older ones give the GPU less.
_DECLARED_MACOS = 26


@dataclass(frozen=True, slots=True)
class DeclaredDevice:
    """One device of the catalog as a profile declares it."""

    facts: DeviceFacts
    memory_bytes: int | None = None
    desktop_bytes: int = 0
    reserved: tuple[Reservation, ...] = ()


@dataclass(frozen=True, slots=True)
class DeclaredMachine:
    """Everything around the devices. ``ram_reserved`` replaces the rule for what the system needs."""

    id: str
    name: str
    ram_bytes: int
    cpu: Cpu
    operating_system: str = "linux"
    machine: str = "x86_64"
    ram_reserved: tuple[Reservation, ...] = ()
    disk: Disk | None = None
    notes: tuple[str, ...] = ()


def declare_host(machine: DeclaredMachine, devices: Sequence[DeclaredDevice]) -> Host:
    """The host with one pool per discrete device, host memory, and one pool for a unified device."""
    unified = next((device for device in devices if device.facts.unified), None)
    if unified is not None:
        pools = _unified_pools(machine, unified)
        gpu = _device(unified.facts, "gpu0", "unified", _capacities(unified.facts, pools[0].capacity_bytes))
        return _host(machine, pools, [gpu], "unified")
    pools = [_vram_pool(f"gpu{number}", device) for number, device in enumerate(devices)]
    gpus = [_device(device.facts, f"gpu{number}", f"gpu{number}") for number, device in enumerate(devices)]
    ram = Pool("ram", PoolKind.RAM, machine.ram_bytes, _ram_reserved(machine))
    return _host(machine, [*pools, ram], gpus, "ram")


def _host(machine: DeclaredMachine, pools: Iterable[Pool], gpus: Iterable[Device], host_pool: str) -> Host:
    cpu, notes = machine.cpu, list(machine.notes)
    found = list(gpus)
    bandwidth = cpu.bandwidth_bytes_per_second
    if bandwidth is None and host_pool == "unified":
        bandwidth = found[0].bandwidth_bytes_per_second
    if bandwidth is None:
        bandwidth = ASSUMED_RAM_BANDWIDTH
        notes.append("memory bandwidth assumed: two channels of DDR4-3200, 51.2 GB/s")
    processor = Device("cpu", cpu.model, Backend.CPU, host_pool, bandwidth_bytes_per_second=bandwidth)
    return Host(
        id=machine.id,
        name=machine.name,
        operating_system=machine.operating_system,
        machine=machine.machine,
        cpu=_with_bandwidth(cpu, bandwidth),
        devices=(*found, processor),
        pools=tuple(pools),
        disk=machine.disk,
        origin="declared",
        notes=tuple(notes),
    )


def _with_bandwidth(cpu: Cpu, bandwidth: int) -> Cpu:
    return Cpu(cpu.model, cpu.physical_cores, cpu.usable_threads, cpu.instruction_sets, cpu.numa_nodes, bandwidth)


def _backend(facts: DeviceFacts) -> Backend:
    return backend_of(facts.vendor, integrated=facts.unified, compute_capability=facts.compute_capability)


def _capacities(facts: DeviceFacts, capacity_bytes: int) -> tuple[BackendCapacity, ...]:
    """What each interface addresses of an AMD APU's pool, all of which is taken for shared memory."""
    if facts.vendor != "amd":
        return ()
    rocm = BackendCapacity(Backend.ROCM, capacity_bytes, Basis.DERIVED, "all of the shared memory")
    vulkan = radv_capacity(0, capacity_bytes)
    return within((rocm, vulkan) if _backend(facts) is Backend.ROCM else (vulkan,), capacity_bytes)


def _device(facts: DeviceFacts, device_id: str, pool: str, capacities: tuple[BackendCapacity, ...] = ()) -> Device:
    return Device(
        id=device_id,
        name=facts.name,
        backend=_backend(facts),
        pool=pool,
        vendor=facts.vendor,
        catalog_id=facts.id,
        bandwidth_bytes_per_second=facts.bandwidth_bytes_per_second,
        compute_flops_per_second=facts.compute_flops_per_second,
        compute_capability=facts.compute_capability,
        architecture=facts.architecture,
        multiprocessors=facts.multiprocessors,
        capacities=capacities,
    )


def _vram_pool(pool_id: str, device: DeclaredDevice) -> Pool:
    capacity = device.memory_bytes or device.facts.capacity_bytes or 0
    lines = [*_driver_lines(device.facts, capacity), vram_headroom(capacity)]
    if device.desktop_bytes:
        lines.append(Reservation(DESKTOP, device.desktop_bytes, Basis.ASSUMED, "declared by the profile"))
    return Pool(pool_id, PoolKind.VRAM, capacity, override(lines, device.reserved))


def _driver_lines(facts: DeviceFacts, capacity: int) -> list[Reservation]:
    if facts.usable_fraction is not None:
        return [usable_reserve(capacity, facts.usable_fraction, "measured share of the driver's total")]
    # A MIG slice is reported net of what the parent card keeps (1g.5gb: 4864 MiB in driver and CUDA alike).
    whole = facts.vendor == "nvidia" and facts.kind != "mig-slice"
    return [cuda_reserve(capacity, facts.compute_capability)] if whole else []


def _ram_reserved(machine: DeclaredMachine) -> tuple[Reservation, ...]:
    if machine.ram_reserved:
        return machine.ram_reserved
    line = system_reserve(machine.ram_bytes, machine.ram_bytes)
    return (line,) if line else ()


def _unified_pools(machine: DeclaredMachine, device: DeclaredDevice) -> list[Pool]:
    capacity = min(machine.ram_bytes, device.memory_bytes or _unified_capacity(machine, device.facts))
    capacities = _capacities(device.facts, capacity)
    reach = reach_bytes(capacities, _backend(device.facts), capacity)
    if device.facts.vendor == "apple":
        line = macos_reserve(capacity, machine.ram_bytes)
    else:
        line = system_reserve(reach, machine.ram_bytes)
    unreached = out_of_reach(capacity, capacities, _backend(device.facts))
    lines = override([*unreached, *([line] if line else [])], (*machine.ram_reserved, *device.reserved))
    return [Pool("unified", PoolKind.UNIFIED, capacity, lines)]


def _unified_capacity(machine: DeclaredMachine, facts: DeviceFacts) -> int:
    """What the driver of a unified device would report."""
    if facts.vendor == "apple":
        return metal_working_set(machine.ram_bytes, _DECLARED_MACOS)
    if facts.memory_bytes is not None:
        return facts.memory_bytes
    return int(machine.ram_bytes * (facts.usable_fraction or 1))


def override(lines: Iterable[Reservation], given: Iterable[Reservation]) -> tuple[Reservation, ...]:
    """``lines`` with those of the same name replaced by ``given``, and the rest of ``given`` after them."""
    replaced = {line.name: line for line in given}
    kept = [replaced.pop(line.name, line) for line in lines]
    return (*kept, *replaced.values())
