"""Readings of one world as a `Host`: devices, pools, and every line of the budget with its basis."""

from dataclasses import replace

from stackplan.detect.cpu import processor
from stackplan.detect.gpu import GpuReading, MemoryModel
from stackplan.detect.memory import HostMemory, host_memory
from stackplan.detect.nvidia import nvidia_devices
from stackplan.detect.storage import storage
from stackplan.detect.world import World
from stackplan.device_catalog import DeviceCatalog, DeviceFacts
from stackplan.device_catalog_yaml import load_device_catalog
from stackplan.errors import UserError
from stackplan.hardware import Backend, Basis, Cpu, Device, Host, Pool, PoolKind, Reservation
from stackplan.reservations import HELD_BY_OTHERS, cuda_reserve, system_reserve, vram_headroom

# Two channels of DDR4-3200: what an ordinary desktop has at least.
_ASSUMED_RAM_BANDWIDTH = 51_200_000_000


def host_of(world: World, origin: str = "detected") -> Host:
    """The machine that ``world`` shows. Raises UserError when not even its memory can be told."""
    memory = host_memory(world)
    if memory is None:
        raise UserError(
            "the size of this machine's memory cannot be told",
            hint="declare the machine: stackplan plan --host FILE (docs/detect.md)",
            slug="memory-unknown",
        )
    gpus = nvidia_devices(world)
    cpu = replace(processor(world), bandwidth_bytes_per_second=_ASSUMED_RAM_BANDWIDTH)
    notes = ["memory bandwidth assumed: two channels of DDR4-3200, 51.2 GB/s; detect --measure-bandwidth tells it"]
    catalog = load_device_catalog() if gpus else DeviceCatalog(())
    devices, pools = [], []
    for number, reading in enumerate(gpus):
        name = f"gpu{number}"
        facts = _facts(catalog, reading)
        notes += [f"{name}: {note}" for note in reading.notes]
        if reading.memory_model is MemoryModel.DEDICATED and reading.total_bytes:
            pools.append(_vram_pool(name, reading))
            devices.append(_device(name, name, reading, facts))
    pools.append(_ram_pool(memory))
    devices.append(
        Device("cpu", cpu.model, Backend.CPU, "ram", bandwidth_bytes_per_second=cpu.bandwidth_bytes_per_second)
    )
    disks = storage(world)
    return Host(
        id="this-machine",
        name=_name(cpu, gpus),
        operating_system=world.system,
        machine=world.machine,
        cpu=cpu,
        devices=tuple(devices),
        pools=tuple(pools),
        disk=disks[0] if disks else None,
        origin=origin,
        driver=next((reading.driver for reading in gpus if reading.driver), ""),
        notes=tuple(notes),
    )


def _name(cpu: Cpu, gpus: list[GpuReading]) -> str:
    return " + ".join(dict.fromkeys(reading.name for reading in gpus)) or cpu.model


def _facts(catalog: DeviceCatalog, reading: GpuReading) -> DeviceFacts | None:
    return catalog.match(
        driver_name=reading.name,
        pci_id=reading.pci_id,
        pci_revision=reading.pci_revision,
        memory_bytes=reading.total_bytes,
        gpu_cores=reading.gpu_cores,
    )


def _device(name: str, pool: str, reading: GpuReading, facts: DeviceFacts | None) -> Device:
    return Device(
        id=name,
        name=reading.name,
        backend=reading.backend,
        pool=pool,
        vendor=reading.vendor,
        uuid=reading.uuid,
        catalog_id=facts.id if facts else None,
        bandwidth_bytes_per_second=(facts and facts.bandwidth_bytes_per_second) or reading.bandwidth_bytes_per_second,
        compute_flops_per_second=facts.compute_flops_per_second if facts else None,
        compute_capability=reading.compute_capability or (facts.compute_capability if facts else None),
        architecture=facts.architecture if facts else None,
        multiprocessors=reading.multiprocessors or (facts.multiprocessors if facts else None),
        pcie_bytes_per_second=reading.pcie_bytes_per_second,
        display_attached=reading.display_attached,
    )


def _vram_pool(name: str, reading: GpuReading) -> Pool:
    total = reading.total_bytes or 0
    lines = [cuda_reserve(total, reading.compute_capability), vram_headroom(total)]
    held = total - (reading.reserved_bytes or 0) - (reading.free_bytes or 0) if reading.free_bytes is not None else 0
    if held > 0:
        who = ", ".join(holder.name for holder in reading.holders[:4])
        lines.append(Reservation(HELD_BY_OTHERS, held, Basis.MEASURED, who or "total less free"))
    return Pool(name, PoolKind.VRAM, total, tuple(lines))


def _ram_pool(memory: HostMemory) -> Pool:
    held = memory.total_bytes - memory.available_bytes - memory.hugepages_bytes
    lines = []
    if memory.hugepages_bytes:
        lines.append(Reservation("huge pages", memory.hugepages_bytes, Basis.MEASURED, "set aside by the kernel"))
    if held > 0:
        lines.append(Reservation(HELD_BY_OTHERS, held, Basis.MEASURED, "total less available"))
    if reserve := system_reserve(memory.total_bytes, memory.total_bytes, max(0, held)):
        lines.append(reserve)
    return Pool("ram", PoolKind.RAM, memory.total_bytes, tuple(lines))
