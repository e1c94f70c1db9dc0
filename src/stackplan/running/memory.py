"""What processes hold, and what the plan gave them. Bytes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackplan.plan import Plan
from stackplan.render.servers import server_of
from stackplan.running.units import Unit

if TYPE_CHECKING:
    import psutil


# Device of the plan -> process -> bytes, None where the driver knows the process only.
OnCards = Mapping[str, Mapping[int, int | None]]


@dataclass(frozen=True, slots=True)
class Held:
    """Memory of a process and all its descendants. ``proportional_bytes`` (PSS) counts shared pages once, by share.

    It is None where the system does not tell it. ``pids`` are the processes.
    """

    resident_bytes: int
    proportional_bytes: int | None
    pids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """What the plan gave a unit: host memory, and memory of cards."""

    host_bytes: int
    device_bytes: int


def held(pid: int) -> Held | None:
    """What the process and its descendants hold now; None when it is gone."""
    import psutil  # noqa: PLC0415  (the CLI start does not need it)

    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return None
    rows = {process.pid: row for process in family if (row := _row(process))}
    if not rows:
        return None
    shares = [share for _, share in rows.values()]
    whole = None if None in shares else sum(share for share in shares if share is not None)
    return Held(sum(resident for resident, _ in rows.values()), whole, tuple(rows))


def held_on_cards(pids: Collection[int], told: OnCards | None) -> int | None:
    """What the processes hold on all cards together; None where no driver tells it."""
    if told is None:
        return None
    sizes = [size for card in told.values() for pid, size in card.items() if pid in pids]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _row(process: "psutil.Process") -> tuple[int, int | None] | None:
    import psutil  # noqa: PLC0415

    try:
        resident = process.memory_info().rss
    except psutil.Error:
        return None
    try:
        return resident, getattr(process.memory_full_info(), "pss", None)
    except psutil.Error:
        return resident, None


def given(plan: Plan, unit: Unit) -> Given | None:
    """What the plan gave the unit; of members that take turns the largest. None for the gateway, which has no model."""
    if not unit.instances:
        return None
    host = plan.host.machine.host_pool.id
    members = [plan.instance(name) for name in unit.instances]
    on_host = [sum(one.total_bytes for one in member.demand if one.pool == host) for member in members]
    on_cards = [sum(one.total_bytes for one in member.demand if one.pool != host) for member in members]
    take_turns = server_of(plan, unit.instances[0]).resident == 1
    return Given(*(max(sizes) if take_turns else sum(sizes) for sizes in (on_host, on_cards)))


def free_host_bytes() -> int:
    """Host memory that programs could take now without others being swapped out."""
    import psutil  # noqa: PLC0415

    return int(psutil.virtual_memory().available)
