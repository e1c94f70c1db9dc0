"""The limits of this process's own control group, up the tree to the mount, version 1 and 2.

A limit of any ancestor binds, so the tightest of the tree counts. Page cache is charged to the group but is given
back under pressure (ollama#15474), so it does not count as held.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stackplan.detect.numbers import id_list, integer
from stackplan.detect.world import World

# No machine mounts more hierarchies, and no group lies deeper; a hostile recording may claim both.
_MOST_HIERARCHIES = 64
_DEEPEST = 64

# Version 1 writes "no limit" as the largest page-aligned number.
_UNLIMITED = 1 << 60


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The tightest limit and what the group may still take; both in bytes."""

    limit_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class _Hierarchy:
    """One mounted hierarchy: its controllers (empty for version 2), mount point and the own path below it."""

    controllers: frozenset[str]
    folders: tuple[str, ...]


def memory_limit(world: World) -> MemoryLimit | None:
    """The memory limit that binds this process, or None."""
    limits = [limit for folder in _folders(world, "memory") if (limit := _memory_limit(world, folder))]
    if not limits:
        return None
    return MemoryLimit(min(one.limit_bytes for one in limits), min(one.available_bytes for one in limits))


def cpu_quota(world: World) -> float | None:
    """Processors' worth of time that the group may use, or None."""
    quotas = [quota for folder in _folders(world, "cpu") if (quota := _quota(world, folder)) is not None]
    return min(quotas, default=None)


def cpuset(world: World) -> tuple[int, ...]:
    """Processors that the group may use; empty when nothing is said."""
    for folder in _folders(world, "cpuset"):
        for name in ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"):
            if found := id_list(world.read_text(f"{folder}/{name}")):
                return found
    return ()


def _memory_limit(world: World, folder: str) -> MemoryLimit | None:
    version2 = [integer(world.read_text(f"{folder}/{name}")) for name in ("memory.max", "memory.high")]
    limits = [limit for limit in version2 if limit is not None]
    version1 = integer(world.read_text(f"{folder}/memory.limit_in_bytes"))
    # Version 1 also tells the tightest limit of ancestors that a container does not see.
    above = integer(_statistics(world, folder).get("hierarchical_memory_limit")) if version1 is not None else None
    limits += [limit for limit in (version1, above) if limit is not None and limit < _UNLIMITED]
    limits = [limit for limit in limits if limit > 0]
    if not limits:
        return None
    usage = integer(world.read_text(f"{folder}/memory.current"))
    if usage is None:
        usage = integer(world.read_text(f"{folder}/memory.usage_in_bytes")) or 0
    limit = min(limits)
    held = max(0, usage - _page_cache(world, folder))
    return MemoryLimit(limit, max(0, limit - held))


def _page_cache(world: World, folder: str) -> int:
    """File pages on the kernel's lists; hierarchical totals where version 1 tells them."""
    statistics = _statistics(world, folder)
    prefix = "total_" if "total_inactive_file" in statistics else ""
    return sum(integer(statistics.get(f"{prefix}{name}_file")) or 0 for name in ("inactive", "active"))


def _statistics(world: World, folder: str) -> dict[str, str]:
    lines = [line.split() for line in (world.read_text(f"{folder}/memory.stat") or "").splitlines()]
    return {words[0]: words[1] for words in lines if len(words) == 2}


def _quota(world: World, folder: str) -> float | None:
    words = (world.read_text(f"{folder}/cpu.max") or "").split()
    if words:
        quota, period = integer(words[0]), integer(words[1]) if len(words) > 1 else 100_000
    else:
        quota = integer(world.read_text(f"{folder}/cpu.cfs_quota_us"))
        period = integer(world.read_text(f"{folder}/cpu.cfs_period_us"))
    return quota / period if quota and period else None


def _folders(world: World, controller: str) -> Iterator[str]:
    """Folders of the own group and its ancestors, the own first, in every hierarchy that has ``controller``."""
    for hierarchy in _hierarchies(world):
        if not hierarchy.controllers or controller in hierarchy.controllers:
            yield from hierarchy.folders


def _hierarchies(world: World) -> list[_Hierarchy]:
    own = _own_paths(world)
    found = []
    for controllers, root, mount in _mounts(world):
        path = next((path for names, path in own if names == controllers or (names & controllers)), "/")
        found.append(_Hierarchy(controllers, tuple(_up(mount, _below(path, root)))))
    return found


def _own_paths(world: World) -> list[tuple[frozenset[str], str]]:
    found = []
    for line in (world.read_text("/proc/self/cgroup") or "").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            found.append((frozenset(filter(None, parts[1].split(","))), parts[2]))
    return found[:_MOST_HIERARCHIES]


def _mounts(world: World) -> list[tuple[frozenset[str], str, str]]:
    """Controllers, root and mount point of each hierarchy; the usual places when mountinfo tells none."""
    found = []
    for line in (world.read_text("/proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if len(fields) >= 5 and kind and kind[0] in ("cgroup", "cgroup2"):
            options = kind[-1].split(",") if kind[0] == "cgroup" else []
            found.append((frozenset(options) - {"rw", "ro"}, fields[3], fields[4]))
    if found:
        return found[:_MOST_HIERARCHIES]
    version1 = [(frozenset({name}), "/", f"/sys/fs/cgroup/{name}") for name in ("memory", "cpu", "cpuset")]
    return [(frozenset(), "/", "/sys/fs/cgroup"), *version1]


def _below(path: str, root: str) -> str:
    """``path`` below the mounted ``root``; a path outside of it (a namespace's ``/..``) is the mount itself."""
    if root != "/" and (path == root or path.startswith(root.rstrip("/") + "/")):
        path = path[len(root) :]
    elif root != "/":
        return ""
    return "" if ".." in path.split("/") else path.strip("/")


def _up(mount: str, path: str) -> Iterator[str]:
    parts = path.split("/")[:_DEEPEST] if path else []
    for length in range(len(parts), -1, -1):
        yield "/".join([mount, *parts[:length]])
