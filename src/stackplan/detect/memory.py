"""Host memory: what is there, what others hold, what the own control group allows."""

from dataclasses import dataclass

from stackplan.detect.cgroup import memory_limit
from stackplan.detect.numbers import integer, key_values
from stackplan.detect.sysctl import sysctl
from stackplan.detect.world import MemoryCounters, World
from stackplan.units import KIB


@dataclass(frozen=True, slots=True)
class HostMemory:
    """Bytes. ``total`` is bounded by the control group; ``hugepages`` is gone from ``available`` for good."""

    total_bytes: int
    available_bytes: int
    physical_bytes: int
    hugepages_bytes: int = 0
    swap_bytes: int = 0
    limited: bool = False


def host_memory(world: World) -> HostMemory | None:
    """Memory of the host as this process may use it; None when nothing tells."""
    whole = _linux(world) or _counters(world)
    limit = memory_limit(world)
    if whole is None or limit is None or limit.limit_bytes >= whole.total_bytes:
        return whole
    return HostMemory(
        total_bytes=limit.limit_bytes,
        available_bytes=min(limit.available_bytes, whole.available_bytes),
        physical_bytes=whole.physical_bytes,
        swap_bytes=whole.swap_bytes,
        limited=True,
    )


def _linux(world: World) -> HostMemory | None:
    """From /proc/meminfo, whose kB are KiB; LXC shows the container's own numbers there."""
    rows = {key: (integer(value) or 0) for key, value in key_values(world.read_text("/proc/meminfo")).items()}
    total = rows.get("MemTotal", 0) * KIB
    if total <= 0:
        return None
    guess = sum(rows.get(key, 0) for key in ("MemFree", "Buffers", "Cached"))
    available = rows.get("MemAvailable", guess) * KIB
    hugepages = rows.get("HugePages_Total", 0) * rows.get("Hugepagesize", 0) * KIB
    swap = rows.get("SwapTotal", 0) * KIB
    return HostMemory(total, min(available, total), total, min(hugepages, total), swap)


def _counters(world: World) -> HostMemory | None:
    counters = world.memory() or _darwin(world)
    if counters is None or counters.total_bytes <= 0:
        return None
    available = min(counters.available_bytes, counters.total_bytes)
    return HostMemory(counters.total_bytes, available, counters.total_bytes, swap_bytes=counters.swap_bytes)


def _darwin(world: World) -> MemoryCounters | None:
    """All of ``hw.memsize``, when nothing tells what is available."""
    if world.system != "darwin":
        return None
    total = integer(sysctl(world).get("hw.memsize"))
    return MemoryCounters(total, total) if total else None
