"""A recorded machine as a `World`. The archive is read in memory, within bounds, and never unpacked to disk."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stackplan.detect.memory_modules import MemoryModule
from stackplan.detect.numbers import printable
from stackplan.detect.recording import FILES_FOLDER, FORMAT, FORMAT_VERSION, PROBE_NAME
from stackplan.detect.world import ABSENT, MAX_TEXT_BYTES, CommandResult, DiskUsage, MemoryCounters
from stackplan.errors import UserError
from stackplan.values import replace

MAX_ARCHIVE_BYTES = 16 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
MAX_MEMBERS = 20_000
MAX_PROBE_BYTES = 8 * 1024 * 1024
# Nothing that detection lists lies deeper than ten folders.
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class ReplayWorld:
    """Answers what was recorded; what was not recorded is absent."""

    system: str = "linux"
    machine: str = "x86_64"
    files: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    commands: Mapping[tuple[str, ...], CommandResult] = field(default_factory=dict)
    library: dict[str, Any] | None = None
    disks: Mapping[str, DiskUsage] = field(default_factory=dict)
    counters: MemoryCounters | None = None
    modules: tuple[MemoryModule, ...] = ()
    processors: tuple[int, ...] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    mount: str = "/"
    _folders: dict[str, set[str]] = field(default_factory=dict)

    def read_text(self, path: str) -> str | None:
        """`World.read_text`."""
        return self.files.get(path)

    def list(self, path: str) -> tuple[str, ...]:
        """`World.list`; names of recorded files below ``path`` count as listed."""
        if not self._folders and self.files:
            self._folders.update(_folders(self.files))
        return tuple(sorted(self._folders.get(path.rstrip("/"), set()) | set(self.lists.get(path, ()))))

    def run(self, command: tuple[str, ...]) -> CommandResult:
        """`World.run`."""
        recorded = self.commands.get(command)
        if recorded is not None:
            return recorded
        # A recording that was put together by hand may hold the same question with other fields or fewer names.
        alike = ((other, result) for other, result in self.commands.items() if _question(other) == _question(command))
        return next((_with_header(other, result) for other, result in alike), ABSENT)

    def nvml(self) -> dict[str, Any] | None:
        """`World.nvml`."""
        return self.library

    def disk(self, mount: str) -> DiskUsage | None:
        """`World.disk`."""
        return self.disks.get(mount)

    def memory(self) -> MemoryCounters | None:
        """`World.memory`."""
        return self.counters

    def memory_modules(self) -> tuple[MemoryModule, ...]:
        """`World.memory_modules`."""
        return self.modules

    def affinity(self) -> tuple[int, ...] | None:
        """`World.affinity`."""
        return self.processors

    def environment(self, name: str) -> str | None:
        """`World.environment`."""
        return self.variables.get(name)

    def storage_mount(self) -> str:
        """`World.storage_mount`."""
        return self.mount


def _folders(paths: Iterable[str]) -> dict[str, set[str]]:
    """What every folder holds: made once, because a hostile recording has many files in many folders."""
    found: dict[str, set[str]] = {}
    for path in paths:
        parts = path.split("/")[:_DEEPEST]
        for depth in range(1, len(parts)):
            found.setdefault("/".join(parts[:depth]), set()).add(parts[depth])
    return found


def _question(command: tuple[str, ...]) -> tuple[str, str]:
    """Program and option without its value: any ``nvidia-smi --query-gpu=...`` answers any other."""
    option = command[1].split("=")[0] if len(command) > 1 and command[1].startswith("-") else ""
    return command[0], option


def _with_header(command: tuple[str, ...], result: CommandResult) -> CommandResult:
    """A query that was recorded without its header gets the one that it asked for."""
    fields = next((word.split("=", 1)[1] for word in command if word.startswith("--query-gpu=")), "")
    if not fields or not any(word.startswith("--format=") and "noheader" in word for word in command):
        return result
    return replace(result, stdout=f"{fields}\n{result.stdout}")


def read_probe(path: Path) -> ReplayWorld:
    """The world in the recording at ``path``. Raises UserError when it is not a sound recording."""
    try:
        with path.open("rb") as stream:
            packed = stream.read(MAX_ARCHIVE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise UserError(
            f"{path}: {reason}", hint="check the path and its permissions", slug="unreadable-file"
        ) from None
    if len(packed) > MAX_ARCHIVE_BYTES:
        raise _unsound(path, f"larger than {MAX_ARCHIVE_BYTES} bytes")
    try:
        return _world(path, _members(path, packed))
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise _unsound(path, f"is not a whole tar.gz archive ({type(error).__name__})") from None


def _members(path: Path, packed: bytes) -> dict[str, bytes]:
    """Regular files by name, read through a bound on everything that is unpacked."""
    import zlib  # noqa: PLC0415

    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            unpacked = stream.read(MAX_UNPACKED_BYTES + 1)
    except zlib.error:
        raise _unsound(path, "is not a whole tar.gz archive (damaged)") from None
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise _unsound(path, f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
        for number, entry in enumerate(archive):
            if number >= MAX_MEMBERS:
                raise _unsound(path, f"holds more than {MAX_MEMBERS} files")
            _keep(path, archive, entry, found)
    return found


def _keep(path: Path, archive: tarfile.TarFile, entry: tarfile.TarInfo, found: dict[str, bytes]) -> None:
    name = entry.name.removeprefix("./")
    if entry.isdir():
        return
    bound = MAX_PROBE_BYTES if name == PROBE_NAME else MAX_TEXT_BYTES
    if not entry.isfile() or ".." in name.split("/") or name.startswith("/") or name in found:
        raise _unsound(path, f"holds {name[:80]!r}, which no recording holds")
    content = archive.extractfile(entry)
    if entry.size > bound or content is None:
        raise _unsound(path, f"{name[:80]!r} is larger than {bound} bytes")
    data = content.read(bound + 1)
    if len(data) != entry.size:
        raise _unsound(path, f"{name[:80]!r} is cut short")
    found[name] = data


def _world(path: Path, members: dict[str, bytes]) -> ReplayWorld:
    from stackplan.detect.probe_schema import Probe  # noqa: PLC0415  (pydantic)

    probe = _probe(path, members.get(PROBE_NAME), Probe)
    start = FILES_FOLDER + "/"
    files = {
        name[len(FILES_FOLDER) :]: data.decode("utf-8", "replace")
        for name, data in members.items()
        if name.startswith(start)
    }
    memory = probe.memory
    return ReplayWorld(
        system=probe.system,
        machine=probe.machine,
        files=files,
        lists={folder: tuple(names) for folder, names in probe.lists.items()},
        commands={
            tuple(entry.command): CommandResult(entry.status, entry.returncode, entry.stdout)
            for entry in probe.commands
        },
        library=probe.library(),
        disks={mount: DiskUsage(*sizes) for mount, sizes in probe.disks.items()},
        counters=MemoryCounters(*memory) if memory else None,
        modules=tuple(MemoryModule(channel, rate) for channel, rate in probe.memory_modules),
        processors=tuple(probe.affinity) if probe.affinity is not None else None,
        variables=probe.environment,
        mount=probe.storage_mount,
    )


def _probe(path: Path, data: bytes | None, schema: Any) -> Any:
    from pydantic import ValidationError  # noqa: PLC0415  (pydantic)

    if data is None:
        raise _unsound(path, f"holds no {PROBE_NAME}")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise _unsound(path, f"{PROBE_NAME} is not JSON") from None
    if isinstance(content, dict) and content.get("format") == FORMAT and content.get("version") != FORMAT_VERSION:
        raise _unsound(path, f"has version {str(content.get('version'))[:20]} of the format, not {FORMAT_VERSION}")
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field_name = printable(".".join(map(str, first["loc"]))[:200])
        raise _unsound(path, f"{PROBE_NAME}: {field_name}: {first['msg']}") from None


def _unsound(path: Path, problem: str) -> UserError:
    hint = "record the machine again with `stackplan detect --record probe.tar.gz`; docs/detect.md tells the format"
    return UserError(f"{path}: {problem}", hint=hint, slug="bad-probe")
