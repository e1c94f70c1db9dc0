"""A host as if nothing but the system ran on it: for planning while an earlier stack still holds memory."""

from stackplan.hardware import Basis, Host, Pool, PoolKind, Reservation
from stackplan.reservations import HELD_BY_OTHERS, SYSTEM_RESERVE, SYSTEM_SHARE
from stackplan.values import replace


def idle_host(host: Host) -> Host:
    """``host`` without what programs hold now; what the system needs stays reserved."""
    note = "shown as if no other program held memory"
    return replace(host, pools=tuple(_idle(pool) for pool in host.pools), notes=(*host.notes, note))


def _idle(pool: Pool) -> Pool:
    held = sum(line.bytes for line in pool.reserved if line.name == HELD_BY_OTHERS)
    kept = [line for line in pool.reserved if line.name != HELD_BY_OTHERS]
    if pool.kind is PoolKind.VRAM or not held:
        return replace(pool, reserved=tuple(kept))
    return replace(pool, reserved=tuple(_with_system_reserve(pool, kept, held)))


def _with_system_reserve(pool: Pool, kept: list[Reservation], held: int) -> list[Reservation]:
    """The system's own part of what is held: the reserve that the measured use stood in for, at most its share."""
    before = next((line.bytes for line in kept if line.name == SYSTEM_RESERVE), None)
    size = held + before if before is not None else min(held, int(pool.capacity_bytes * SYSTEM_SHARE))
    line = Reservation(SYSTEM_RESERVE, size, Basis.ASSUMED, "at most 85 % of physical memory is planned")
    return [*(other for other in kept if other.name != SYSTEM_RESERVE), line]
