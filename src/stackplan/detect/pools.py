"""Readings as memory pools: capacity as the driver tells it, and every line of the budget with its basis."""

from stackplan.backends import reach_bytes
from stackplan.detect.gpu import GpuReading
from stackplan.detect.memory import HostMemory
from stackplan.hardware import Basis, Pool, PoolKind, Reservation
from stackplan.reservations import (
    DESKTOP,
    DRIVER_RESERVE,
    HELD_BY_OTHERS,
    cuda_reserve,
    macos_reserve,
    out_of_reach,
    system_reserve,
    vram_headroom,
)

HUGE_PAGES = "huge pages"
_NAMED_HOLDERS = 4


def vram_pool(pool_id: str, reading: GpuReading, capacity_bytes: int) -> Pool:
    """The pool of a card or slice with its own memory."""
    lines = [*_driver_lines(reading, capacity_bytes), vram_headroom(capacity_bytes)]
    lines += _held_lines(reading, capacity_bytes - sum(line.bytes for line in lines[:-1]))
    lines += out_of_reach(capacity_bytes, reading.capacities, reading.backend)
    return Pool(pool_id, PoolKind.VRAM, capacity_bytes, tuple(lines))


def unknown_pool(pool_id: str, state: str) -> Pool:
    """The pool of a device that is there but does not tell its memory."""
    return Pool(pool_id, PoolKind.VRAM, 0, unknown=state)


def ram_pool(memory: HostMemory) -> Pool:
    """Host memory beside cards with their own."""
    lines = []
    held = max(0, memory.total_bytes - memory.available_bytes - memory.hugepages_bytes)
    if memory.hugepages_bytes:
        lines.append(Reservation(HUGE_PAGES, memory.hugepages_bytes, Basis.MEASURED, "set aside by the kernel"))
    if held:
        note = "of the control group, without page cache" if memory.limited else "total less available"
        lines.append(Reservation(HELD_BY_OTHERS, held, Basis.MEASURED, note))
    counted = held + memory.hugepages_bytes
    if reserve := system_reserve(memory.total_bytes, memory.total_bytes, counted):
        lines.append(reserve)
    return Pool("ram", PoolKind.RAM, memory.total_bytes, tuple(lines))


def unified_pool(reading: GpuReading, memory: HostMemory) -> Pool:
    """The one pool of a machine whose GPU has no memory of its own.

    Capacity is what the GPU may address. What others hold lies in the rest of the memory first, which includes what
    the GPU's interface does not reach.
    """
    capacity = min(reading.total_bytes or memory.total_bytes, memory.total_bytes)
    reach = reach_bytes(reading.capacities, reading.backend, capacity)
    outside = memory.total_bytes - reach
    held = max(0, memory.total_bytes - memory.available_bytes - outside)
    lines = out_of_reach(capacity, reading.capacities, reading.backend)
    if held:
        lines.append(Reservation(HELD_BY_OTHERS, held, Basis.MEASURED, "total less available"))
    if reading.vendor == "apple":
        reserve = macos_reserve(capacity, memory.total_bytes)
    else:
        reserve = system_reserve(reach, memory.total_bytes, held)
    return Pool("unified", PoolKind.UNIFIED, capacity, (*lines, reserve) if reserve else tuple(lines))


def _driver_lines(reading: GpuReading, capacity_bytes: int) -> list[Reservation]:
    """What the driver keeps: as it says itself, else by the rule; a slice is told net of it."""
    if reading.vendor != "nvidia" or reading.slice_of:
        return []
    if reading.reserved_bytes:
        return [
            Reservation(
                DRIVER_RESERVE, min(reading.reserved_bytes, capacity_bytes), Basis.MEASURED, "as the driver says"
            )
        ]
    return [cuda_reserve(capacity_bytes, reading.compute_capability)]


def _held_lines(reading: GpuReading, usable_bytes: int) -> list[Reservation]:
    """What programs hold now; on a card with a screen, what no compute program holds is the desktop's."""
    if reading.free_bytes is None:
        return []
    held = max(0, usable_bytes - reading.free_bytes)
    computing = [holder for holder in reading.holders if not holder.graphics]
    by_programs = min(held, sum(holder.bytes or 0 for holder in computing))
    desktop = held - by_programs if reading.display_attached else 0
    lines = [
        Reservation(DESKTOP, desktop, Basis.MEASURED, "the card has a screen"),
        Reservation(HELD_BY_OTHERS, held - desktop, Basis.MEASURED, _who(reading) or "total less free"),
    ]
    return [line for line in lines if line.bytes]


def _who(reading: GpuReading) -> str:
    names = list(dict.fromkeys(holder.name for holder in reading.holders))
    more = f" and {len(names) - _NAMED_HOLDERS} more" if len(names) > _NAMED_HOLDERS else ""
    return ", ".join(names[:_NAMED_HOLDERS]) + more
