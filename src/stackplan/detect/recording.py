"""Record what detection reads: the same answers, kept, redacted and written as one small archive."""

import gzip
import io
import json
import tarfile
from typing import Any

from stackplan.detect.memory_modules import MemoryModule
from stackplan.detect.redact import Redactor
from stackplan.detect.reports import essential_output
from stackplan.detect.storage import FILE_SYSTEMS
from stackplan.detect.world import CommandResult, DiskUsage, MemoryCounters, World

FORMAT = "stackplan-probe"
FORMAT_VERSION = 1
PROBE_NAME = "probe.json"
FILES_FOLDER = "files"


class RecordingWorld:
    """Passes every question on to ``world`` and keeps the answer."""

    def __init__(self, world: World, redactor: Redactor) -> None:
        self._world = world
        self._redactor = redactor
        self._files: dict[str, str] = {}
        self._lists: dict[str, tuple[str, ...]] = {}
        self._commands: dict[tuple[str, ...], CommandResult] = {}
        self._disks: dict[str, DiskUsage] = {}
        self._environment: dict[str, str] = {}
        self._nvml: dict[str, Any] | None = None

    @property
    def system(self) -> str:
        """`World.system`."""
        return self._world.system

    @property
    def machine(self) -> str:
        """`World.machine`."""
        return self._world.machine

    def read_text(self, path: str) -> str | None:
        """`World.read_text`; an absent file is absent in the recording too."""
        text = self._world.read_text(path)
        if text is not None:
            self._files[path] = text
        return text

    def list(self, path: str) -> tuple[str, ...]:
        """`World.list`."""
        names = self._world.list(path)
        if names:
            self._lists[path] = names
        return names

    def run(self, command: tuple[str, ...]) -> CommandResult:
        """`World.run`."""
        result = self._world.run(command)
        self._commands[command] = result
        return result

    def nvml(self) -> dict[str, Any] | None:
        """`World.nvml`."""
        self._nvml = self._world.nvml()
        return self._nvml

    def disk(self, mount: str) -> DiskUsage | None:
        """`World.disk`."""
        usage = self._world.disk(mount)
        if usage is not None:
            self._disks[mount] = usage
        return usage

    def memory(self) -> MemoryCounters | None:
        """`World.memory`."""
        return self._world.memory()

    def memory_modules(self) -> tuple[MemoryModule, ...]:
        """`World.memory_modules`."""
        return self._world.memory_modules()

    def affinity(self) -> tuple[int, ...] | None:
        """`World.affinity`."""
        return self._world.affinity()

    def environment(self, name: str) -> str | None:
        """`World.environment`."""
        value = self._world.environment(name)
        if value is not None:
            self._environment[name] = value
        return value

    def storage_mount(self) -> str:
        """`World.storage_mount`."""
        return self._world.storage_mount()

    def archive(self) -> bytes:
        """The recording as a ``tar.gz`` of ``probe.json`` and ``files/``; the same answers give the same bytes."""
        scrub = self._redactor.text
        members = {PROBE_NAME: json.dumps(self._probe(), indent=1, sort_keys=True) + "\n"}
        for path, text in self._files.items():
            members[FILES_FOLDER + scrub(path)] = scrub(_essential(path, text))
        return _pack(members)

    def _probe(self) -> dict[str, Any]:
        memory = self._world.memory()
        affinity = self._world.affinity()
        scrub = self._redactor.text
        probe = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "system": self.system,
            "machine": self.machine,
            "affinity": list(affinity) if affinity is not None else None,
            "environment": self._plain_environment(),
            "storage_mount": scrub(self._world.storage_mount()),
            "lists": {
                scrub(path): sorted(map(scrub, names)) for path, names in self._lists.items() if _is_wanted(path)
            },
            "commands": [_command(command, result) for command, result in self._commands.items()],
            "nvml": self._nvml,
            "disks": {scrub(mount): [usage.capacity_bytes, usage.free_bytes] for mount, usage in self._disks.items()},
            "memory_modules": [
                [module.channel, module.megatransfers_per_second] for module in self._world.memory_modules()
            ],
            "memory": [memory.total_bytes, memory.available_bytes, memory.swap_bytes] if memory else None,
        }
        scrubbed: dict[str, Any] = _scrubbed(probe, self._redactor)
        return scrubbed

    def _plain_environment(self) -> dict[str, str]:
        """Variables of which only the presence counts tell only that; a UUID that was cut short is made whole."""
        kept = {}
        for name, value in self._environment.items():
            if name in ("KUBERNETES_SERVICE_HOST", "WSL_DISTRO_NAME"):
                kept[name] = "set"
            else:
                kept[name] = ",".join(self._whole_uuid(entry) for entry in value.split(","))
        return kept

    def _whole_uuid(self, entry: str) -> str:
        if not entry.startswith(("GPU-", "MIG-")):
            return entry
        rows = (self._nvml or {}).get("devices", [])
        known = {row.get("uuid", "") for row in rows} | {part["uuid"] for row in rows for part in row.get("slices", [])}
        matching = [uuid for uuid in known if uuid.startswith(entry.strip())]
        return matching[0] if len(matching) == 1 else entry


def _is_wanted(path: str) -> bool:
    """Folders are listed for their device names; nothing else is."""
    return path.startswith("/sys/")


def _command(command: tuple[str, ...], result: CommandResult) -> dict[str, Any]:
    output = essential_output(command[0], result.stdout)
    return {"command": list(command), "status": result.status, "returncode": result.returncode, "stdout": output}


def _essential(path: str, text: str) -> str:
    """``text`` without the lines that nothing reads but that tell of the machine: serial numbers, foreign mounts."""
    if path == "/proc/cpuinfo":
        return "".join(line for line in text.splitlines(keepends=True) if not line.lower().startswith("serial"))
    if path == "/proc/self/mountinfo":
        return "".join(f"{line}\n" for line in map(_mount, text.splitlines()) if line)
    return text


def _mount(line: str) -> str:
    """A mount that detection reads; only of control groups it matters which part is mounted."""
    left, _, right = line.partition(" - ")
    fields, kind = left.split(), right.split(" ")[0]
    if kind.startswith(("cgroup", "fuse.lxcfs")) or len(fields) < 5:
        return line
    return " ".join([*fields[:3], "/", *fields[4:6]]) + f" - {right}" if kind in FILE_SYSTEMS else ""


def _scrubbed(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, dict):
        return {key: _scrubbed(inner, redactor) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(inner, redactor) for inner in value]
    return redactor.text(value) if isinstance(value, str) else value


def _pack(members: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name in sorted(members):
            data = members[name].encode("utf-8", errors="replace")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
