"""Readings of one world as a `Host`."""

from collections.abc import Callable, Iterable

from stackplan.detect.amd import amd_devices
from stackplan.detect.apple import apple_devices
from stackplan.detect.cpu import DEVICE_TREE_MODEL, processor
from stackplan.detect.gpu import GpuReading, MemoryModel
from stackplan.detect.identify import as_device, catalog_facts, slice_bandwidth
from stackplan.detect.intel import intel_devices
from stackplan.detect.memory import HostMemory, host_memory
from stackplan.detect.memory_modules import peak_bandwidth
from stackplan.detect.numbers import printable
from stackplan.detect.nvidia import nvidia_devices
from stackplan.detect.pci import display_devices
from stackplan.detect.pools import ram_pool, unified_pool, unknown_pool, vram_pool
from stackplan.detect.reach import capacities
from stackplan.detect.storage import storage
from stackplan.detect.surroundings import surroundings
from stackplan.detect.windows import windows_devices
from stackplan.detect.world import MOST_DEVICES, World
from stackplan.device_catalog import ASSUMED_RAM_BANDWIDTH, DeviceCatalog
from stackplan.errors import UserError
from stackplan.hardware import Backend, Cpu, Device, Host, Pool
from stackplan.units import format_bytes
from stackplan.values import replace


def host_of(
    world: World,
    load_catalog: Callable[[], DeviceCatalog],
    *,
    origin: str = "detected",
    kept: Callable[[Cpu], int | None],
) -> Host:
    """The machine that ``world`` shows; ``kept`` tells the bandwidth that was measured on a processor.

    Raises UserError when not even its memory can be told.
    """
    memory = host_memory(world)
    if memory is None:
        raise UserError(
            "the size of this machine's memory cannot be told",
            hint="declare the machine in a profile; docs/detect.md shows one",
            slug="memory-unknown",
        )
    found = [_shown(reading) for reading in _all_readings(world, memory)[:MOST_DEVICES]]
    readings, notes = usable_readings(found)
    # The catalog is read only where there is something to look up: a machine without a GPU starts faster.
    catalog = load_catalog() if readings or world.read_text(DEVICE_TREE_MODEL) else DeviceCatalog(())
    gpus, pools = _devices(world, readings, memory, catalog)
    cpu, cpu_notes = _processor(world, catalog, gpus, kept)
    host_pool = pools[-1].id
    device = Device("cpu", cpu.model, Backend.CPU, host_pool, bandwidth_bytes_per_second=cpu.bandwidth_bytes_per_second)
    disks = storage(world)
    return Host(
        id="this-machine",
        name=" + ".join(dict.fromkeys(gpu.name for gpu in gpus)) or cpu.model,
        operating_system=world.system,
        machine=world.machine,
        cpu=cpu,
        devices=(*gpus, device),
        pools=tuple(pools),
        disk=disks[0] if disks else None,
        disks=disks,
        origin=origin,
        driver=next((reading.driver for reading in readings if reading.driver), ""),
        notes=(*_memory_notes(world, memory), *notes, *_driver_notes(world, found), *cpu_notes),
    )


def _all_readings(world: World, memory: HostMemory) -> list[GpuReading]:
    if world.system == "linux":
        return [*nvidia_devices(world), *amd_devices(world, memory.physical_bytes), *intel_devices(world)]
    return [*nvidia_devices(world), *windows_devices(world, memory.physical_bytes), *apple_devices(world)]


def _shown(reading: GpuReading) -> GpuReading:
    """The reading with names that fit on a line of a terminal."""
    name, driver, notes = printable(reading.name), printable(reading.driver), tuple(map(printable, reading.notes))
    return replace(reading, name=name, driver=driver, uuid=printable(reading.uuid), notes=notes)


def usable_readings(readings: list[GpuReading]) -> tuple[list[GpuReading], list[str]]:
    """What a plan may use, and notes: an integrated GPU is left out beside a discrete one and where it is too old.

    Memory of two GPUs is never added up; of several integrated ones the first counts.
    """
    discrete = [reading for reading in readings if not reading.integrated]
    integrated = [reading for reading in readings if reading.integrated]
    chosen = discrete or [reading for reading in integrated if reading.memory_model is not MemoryModel.UNKNOWN][:1]
    notes = [f"{_label(number, reading)}: {note}" for number, reading in enumerate(chosen) for note in reading.notes]
    for reading in integrated:
        if reading not in chosen:
            reasons = reading.notes if not discrete else ()
            because = "; ".join(reasons) or "not used beside a discrete card"
            notes.append(f"{reading.name}: {because}")
    return chosen, notes


def _label(number: int, reading: GpuReading) -> str:
    return f"gpu{number} {reading.name}"


def _devices(
    world: World, readings: Iterable[GpuReading], memory: HostMemory, catalog: DeviceCatalog
) -> tuple[list[Device], list[Pool]]:
    """Devices and pools; the last pool is the one that the CPU draws on."""
    devices: list[Device] = []
    pools: list[Pool] = []
    host_pool = ram_pool(memory)
    for number, found in enumerate(readings):
        name = f"gpu{number}"
        reading = replace(found, capacities=capacities(world, found, found.total_bytes or 0) or found.capacities)
        facts = catalog_facts(catalog, reading, memory.physical_bytes)
        if reading.memory_model is MemoryModel.SHARED:
            host_pool = unified_pool(reading, memory)
            pool_id = host_pool.id
        else:
            pools.append(_own_pool(name, reading, facts.memory_bytes if facts and reading.slice_of else None))
            pool_id = name
        devices.append(as_device(name, pool_id, reading, facts, slice_bandwidth(catalog, reading)))
    return devices, [*pools, host_pool]


def _own_pool(name: str, reading: GpuReading, slice_bytes: int | None) -> Pool:
    """The pool of a device with its own memory; a slice whose driver is mute has what its profile always has."""
    capacity = reading.total_bytes or slice_bytes
    if capacity is None:
        return unknown_pool(name, "; ".join(reading.notes) or "not told")
    return vram_pool(name, reading, capacity)


def _processor(
    world: World, catalog: DeviceCatalog, gpus: list[Device], kept: Callable[[Cpu], int | None]
) -> tuple[Cpu, tuple[str, ...]]:
    """The CPU with its memory bandwidth and a note on where that comes from."""
    cpu = processor(world)
    cpu = replace(cpu, model=printable(cpu.model))
    unified = next((gpu.bandwidth_bytes_per_second for gpu in gpus if gpu.pool == "unified"), None)
    board = catalog.match(driver_name=cpu.model.split(" Rev ")[0])
    sources = (
        (kept(cpu), "measured"),
        (unified, "the chip's, from the hardware catalog"),
        (board.bandwidth_bytes_per_second if board else None, "the board's, from the hardware catalog"),
        (peak_bandwidth(world.memory_modules()), "derived from the memory modules: channels x 8 bytes x rate"),
        (ASSUMED_RAM_BANDWIDTH, "assumed: two channels of DDR4-3200; detect --measure-bandwidth measures it"),
    )
    bandwidth, source = next((rate, source) for rate, source in sources if rate)
    return replace(cpu, bandwidth_bytes_per_second=bandwidth), (f"memory bandwidth {source}",)


def _driver_notes(world: World, readings: Iterable[GpuReading]) -> list[str]:
    """Cards that are in the machine but that no engine can use for want of the vendor's driver."""
    if any(reading.vendor == "nvidia" for reading in readings):
        return []
    idle = [card for card in display_devices(world) if card.vendor_id == "10de" and card.driver != "nvidia"]
    return [f"NVIDIA card {card.pci_id}: NVIDIA's driver is not loaded, so it is not used" for card in idle]


def _memory_notes(world: World, memory: HostMemory) -> list[str]:
    notes = [f"runs in {place}" for place in surroundings(world)]
    if memory.limited:
        notes.append(
            f"the control group allows {format_bytes(memory.total_bytes)} of {format_bytes(memory.physical_bytes)}"
        )
    if memory.swap_bytes:
        notes.append(f"swap of {format_bytes(memory.swap_bytes)} is not planned with")
    return notes
