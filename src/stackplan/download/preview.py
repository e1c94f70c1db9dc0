"""What a download would do: what is there, what is begun, what is missing; looks at the disk and at nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stackplan.download.disk import DiskBudget, budgets, device_of, is_writable
from stackplan.download.places import Places
from stackplan.download.wanted import Wanted
from stackplan.lock import Lock, LockedArtifact, LockedFile


class State(StrEnum):
    """How much of a file is on disk."""

    PRESENT = "present"
    CACHED = "cached"
    BEGUN = "begun"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FilePreview:
    """One file: where it will be, its size (None when only the hub knows), what is still to be fetched."""

    file: LockedFile
    path: Path
    state: State
    size_bytes: int | None
    missing_bytes: int


@dataclass(frozen=True, slots=True)
class Preview:
    """One wanted artifact. Without ``files``, what is needed is looked up when downloading."""

    wanted: Wanted
    artifact: LockedArtifact
    files: tuple[FilePreview, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes when complete, as well as they are known."""
        known = sum(file.size_bytes or 0 for file in self.files)
        return known if self._is_listed else max(known, self._planned_bytes)

    @property
    def missing_bytes(self) -> int:
        """Bytes still to be fetched; for Ollama's models all of them, because only its server knows better."""
        if self._is_listed:
            return sum(file.missing_bytes for file in self.files)
        there = sum((file.size_bytes or 0) - file.missing_bytes for file in self.files)
        return max(0, self.size_bytes - there)

    @property
    def _is_listed(self) -> bool:
        return bool(self.files) and all(file.file.size_bytes is not None for file in self.files)

    @property
    def _planned_bytes(self) -> int:
        projector = self.artifact.planned_projector_bytes if self.wanted.projector else 0
        return self.artifact.planned_bytes + projector

    @property
    def state(self) -> State:
        """The state of the least complete file."""
        order = list(State)
        return max((file.state for file in self.files), key=order.index, default=State.UNKNOWN)


def preview(lock: Lock, items: Iterable[Wanted], places: Places) -> tuple[Preview, ...]:
    """What is there of each wanted artifact, in the given order."""
    return tuple(_preview(lock.artifact(item.artifact), item, places) for item in items)


def wanted_files(artifact: LockedArtifact, item: Wanted) -> tuple[LockedFile, ...]:
    """The files of the artifact that the plan uses: a projector only if something looks at images."""
    if item.pull is not None:
        return ()
    return tuple(file for file in artifact.files if item.projector or not file.is_projector)


def disk_budgets(
    previews: Iterable[Preview], store: Path, ollama: Path, *, links: bool = True
) -> tuple[DiskBudget, ...]:
    """What each file system is to take: new files in ``store``, copies where a cache cannot be linked.

    Ollama's models count where ``ollama`` says that they are kept. ``links`` tells whether the shared cache can be
    linked into the models folder.
    """
    demands: list[tuple[Path, int]] = []
    for one in previews:
        if one.wanted.pull:
            demands.append((ollama, one.missing_bytes))
            continue
        copied = 0 if links else sum(file.size_bytes or 0 for file in one.files if file.state is State.CACHED)
        demands.append((store, one.missing_bytes + copied))
    return budgets(demands)


def store_folder(places: Places, *, links: bool) -> Path:
    """The cache that takes new files: the shared one if it can be linked from the models folder, else our own.

    A link costs nothing where both are on one file system; elsewhere every file would be kept twice.
    """
    shared, own = places.caches
    return shared if links and is_writable(shared) else own


def may_link(places: Places) -> bool:
    """Whether the shared cache and the models folder are on one file system, as far as looking tells."""
    return device_of(places.cache) == device_of(places.models)


def _preview(artifact: LockedArtifact, item: Wanted, places: Places) -> Preview:
    files = wanted_files(artifact, item)
    return Preview(item, artifact, tuple(_file_preview(artifact, file, places) for file in files))


def _file_preview(artifact: LockedArtifact, file: LockedFile, places: Places) -> FilePreview:
    size = file.size_bytes if file.size_bytes is not None else _guess(artifact, file)
    path = places.model_file(artifact, file)
    if _has_size(path, file.size_bytes):
        return FilePreview(file, path, State.PRESENT, path.stat().st_size, 0)
    if not file.checksum:
        return FilePreview(file, path, State.MISSING, size, size or 0)
    if any(_has_size(places.blob(cache, artifact, file), file.size_bytes) for cache in places.caches):
        return FilePreview(file, path, State.CACHED, size, 0)
    begun = max(_size(places.partial(cache, artifact, file)) for cache in places.caches)
    state = State.BEGUN if begun else State.MISSING
    return FilePreview(file, path, state, size, max(0, (size or 0) - begun))


def _guess(artifact: LockedArtifact, file: LockedFile) -> int | None:
    if file.is_projector:
        return artifact.planned_projector_bytes or None
    return artifact.planned_bytes if artifact.weight_files == (file.path,) else None


def _has_size(path: Path, size: int | None) -> bool:
    return path.is_file() and size in (None, path.stat().st_size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
