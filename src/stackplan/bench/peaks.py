"""The most memory that the processes of an instance ever held: the kernel's high-water mark, and the driver's figures.

Host: ``VmHWM`` of proc_pid_status(5), summed over the process and what it started; pages of mapped files count while
they are mapped. Devices: what the driver tells now, since engines allocate once and keep.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stackplan.plan import Plan
from stackplan.render.servers import Server
from stackplan.units import KIB
from stackplan.verify.device_memory import device_memory
from stackplan.verify.observation import ModelSeen
from stackplan.verify.processes import machine, processes_of

_PROC = Path("/proc")
_MARK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Peaks:
    """Bytes at the peak, of the host and of all devices together; None where nobody tells."""

    host_peak_bytes: int | None = None
    device_peak_bytes: int | None = None


def peaks_of(plan: Plan, server: Server, model: ModelSeen) -> Peaks:
    """The peaks of an instance, where its processes can be told from others'."""
    processes = processes_of(server, model, machine())
    if not processes or (server.resident > 1 and not model.marker):
        return Peaks()
    return Peaks(host_peak_bytes(processes), _held(plan, processes))


def host_peak_bytes(processes: Iterable[int]) -> int | None:
    """The sum of the processes' high-water marks; None where one cannot be read."""
    marks = [_high_water(one) for one in processes]
    known = [mark for mark in marks if mark is not None]
    return sum(known) if known and len(known) == len(marks) else None


def _high_water(process: int) -> int | None:
    try:
        found = _MARK.search((_PROC / str(process) / "status").read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None
    return int(found[1]) * KIB if found else None


def _held(plan: Plan, processes: tuple[int, ...]) -> int | None:
    table = device_memory(plan)
    if not table:
        return None
    sizes = [held[one] for held in table.values() for one in processes if one in held]
    known = [size for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None
