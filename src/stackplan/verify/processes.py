"""The processes of this machine that serve a plan: found by their port, or by a word of their command line.

In containers a port belongs to Docker's proxy, but the processes are there, with the words that were rendered.
"""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackplan.plan import Plan
from stackplan.render.servers import Server
from stackplan.running.endpoints import listeners
from stackplan.verify.memory_map import host_bytes, mapped_files
from stackplan.verify.model_files import loaded_files
from stackplan.verify.observation import DeviceBytes, HostBytes, LoadedFile, MemorySeen, ModelSeen, ServerSeen

_LARGEST_MAP_BYTES = 256 * 1024**2
_STACK_BYTES = 8 * 1024**2  # glibc's default, where a process's own limit cannot be read
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process with its parent and its command line."""

    id: int
    parent: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """The processes of this machine at one moment, and who listens where."""

    processes: Mapping[int, Process]
    ports: Mapping[int, int]

    def tree(self, root: int) -> tuple[int, ...]:
        """The process and everything below it."""
        found, last = {root}, 0
        while len(found) > last:
            last = len(found)
            found |= {one.id for one in self.processes.values() if one.parent in found}
        return tuple(sorted(found))


# Bytes that a process holds on each device; None for the whole where the driver does not tell.
DeviceTable = Mapping[str, Mapping[int, int | None]] | None


def machine() -> Machine:
    """What runs now, as far as this user may see it."""
    import psutil  # noqa: PLC0415

    found = {}
    for one in psutil.process_iter():
        try:
            found[one.pid] = Process(one.pid, one.ppid(), tuple(one.cmdline()))
        except psutil.Error:
            continue
    return Machine(found, listeners())


def memory_seen(
    plan: Plan, server: Server, seen: ServerSeen, there: Machine, devices: DeviceTable
) -> tuple[MemorySeen, ...]:
    """What the processes of each loaded instance of a server hold."""
    loaded = [model for model in seen.models if model.loaded]
    return tuple(_memory(plan, server, model, there, devices) for model in loaded)


def _memory(plan: Plan, server: Server, model: ModelSeen, there: Machine, devices: DeviceTable) -> MemorySeen:
    found = processes_of(server, model, there)
    if not found:
        problem = "no process of this machine can be told to be its own"
        return MemorySeen(model.instance, problem=problem)
    sleeps = any("--sleep-idle-seconds" in there.processes[one].words for one in found)
    host, problem = _host(found)
    held = None
    if devices is not None:
        held = tuple(
            DeviceBytes(device.id, _sum(devices[device.id], found))
            for device in plan.host.machine.gpus
            if device.id in devices
        )
    return MemorySeen(model.instance, found, sleeps, host, held, problem, _files(found, there) if host else ())


def processes_of(server: Server, model: ModelSeen, there: Machine) -> tuple[int, ...]:
    """Ids of the processes that run the instance; none where they cannot be told from others."""
    root = there.ports.get(server.port)
    near = there.tree(root) if root is not None and root in there.processes else ()
    if model.marker:  # what listens without the word is a proxy of containers
        return _marked(model.marker, near, there) or _marked(model.marker, there.processes, there)
    return near if len(server.members) == 1 else ()


def _marked(marker: str, among: Iterable[int], there: Machine) -> tuple[int, ...]:
    """The one process with the word in its command line, and what it started; nothing where several have it."""
    found = {one for one in among if marker and marker in there.processes[one].words}
    heads = [one for one in found if there.processes[one].parent not in found]
    return there.tree(heads[0]) if len(heads) == 1 else ()


def _host(processes: Iterable[int]) -> tuple[HostBytes | None, str]:
    parts = []
    for one in processes:
        try:
            parts.append(_map(one))
        except FileNotFoundError:
            if not _PROC.is_dir():
                return None, "this system has no memory maps of processes"
            continue  # it ended meanwhile
        except PermissionError:
            return None, f"process {one} is another user's: run this as that user to see its memory"
        except (OSError, ValueError) as error:
            return None, f"the memory map of process {one} cannot be read: {error}"
    if not parts:
        return None, "its processes have ended"
    return HostBytes(
        sum(part.allocated_bytes for part in parts),
        sum(part.mapped_bytes for part in parts),
        sum(part.program_bytes for part in parts),
        sum(part.resident_bytes for part in parts),
        sum(part.untouched_bytes for part in parts),
    ), ""


def _map(process: int) -> HostBytes:
    return host_bytes(_map_lines(process), _stack_limit(process))


def _map_lines(process: int) -> list[str]:
    with (_PROC / str(process) / "smaps").open("rb") as file:
        return file.read(_LARGEST_MAP_BYTES).decode(errors="replace").splitlines()


def _files(processes: Iterable[int], there: Machine) -> tuple[LoadedFile, ...]:
    """Model files, looked up where the process itself sees them: it may live in a container."""
    paths: list[Path] = []
    for one in processes:
        own = _PROC / str(one)
        with contextlib.suppress(OSError):
            paths += [own / "root" / name.lstrip("/") for name in mapped_files(_map_lines(one))]
        words = [word for word in there.processes[one].words if word and "\0" not in word]
        paths += [own / ("root" if word.startswith("/") else "cwd") / word.lstrip("/") for word in words]
    return loaded_files(paths)


def _stack_limit(process: int) -> int:
    try:
        text = (_PROC / str(process) / "limits").read_text(encoding="ascii", errors="replace")
        soft = next(line for line in text.splitlines() if line.startswith("Max stack size")).split()[3]
        return int(soft)
    except (OSError, ValueError, StopIteration, IndexError):
        return _STACK_BYTES


def _sum(table: Mapping[int, int | None], processes: Iterable[int]) -> int | None:
    held = [table[one] for one in processes if one in table]
    return None if None in held else sum(one for one in held if one is not None)
