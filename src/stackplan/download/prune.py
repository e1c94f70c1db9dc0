"""What lies in the models folder and the caches that no lock needs. Only what stackplan put there is ever named.

The hub's shared cache belongs to other programs too: of it, only our own interrupted beginnings are named.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stackplan.download.places import OWN_FOLDER, Places
from stackplan.download.quarantine import quarantine_folder
from stackplan.lock import Lock

_PARTIAL = ".stackplan.incomplete"


@dataclass(frozen=True, slots=True)
class Unneeded:
    """A file that may go. ``freed_bytes`` is 0 while another name keeps the content."""

    path: Path
    why: str
    size_bytes: int
    freed_bytes: int


def unneeded(places: Places, locks: Iterable[Lock]) -> tuple[Unneeded, ...]:
    """Everything of stackplan's own that none of ``locks`` needs, sorted by path."""
    artifacts = [artifact for lock in locks for artifact in lock.artifacts if artifact.format != "ollama"]
    names = {places.model_file(artifact, file) for artifact in artifacts for file in artifact.files}
    sums = {file.checksum for artifact in artifacts for file in artifact.files if file.checksum}
    found = {
        path: why
        for path, why in (*_models(places, names), *_caches(places, sums), *_wrong(places))
        if path.is_file() or path.is_symlink()
    }
    removed = Counter(_identity(path) for path in found)
    entries, counted = [], set()
    for path in sorted(found):
        facts, identity = path.lstat(), _identity(path)
        last = removed[identity] >= facts.st_nlink and identity not in counted
        counted.add(identity)
        entries.append(Unneeded(path, found[path], facts.st_size, facts.st_size if last else 0))
    return tuple(entries)


def remove(places: Places, entries: Iterable[Unneeded]) -> int:
    """Delete the entries and folders that are empty then; the number of files that are gone."""
    count = 0
    for entry in entries:
        entry.path.unlink(missing_ok=True)
        count += 1
        for folder in entry.path.parents:
            if folder in (places.models, places.cache) or not _remove_empty(folder):
                break
    return count


def _models(places: Places, needed: set[Path]) -> Iterator[tuple[Path, str]]:
    """Model files that were offered once, and names that a kill left half made."""
    try:
        offered = json.loads((places.own / "verified.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        offered = {}
    for text in offered if isinstance(offered, dict) else ():
        path = Path(text)
        if _is_model(places, path) and path not in needed:
            yield path, "no lock needs it"
    for path in _walk(places.models):
        if path.name.startswith(".") and path.name.endswith(".stackplan"):
            yield path, "left by an interruption"


def _is_model(places: Places, path: Path) -> bool:
    """Whether the path is in the models folder and in no cache, which may be inside it."""
    elsewhere = any(path.is_relative_to(folder) for folder in (places.own, *places.caches))
    return path.is_relative_to(places.models) and not elsewhere and ".." not in path.parts


def _caches(places: Places, needed: set[str]) -> Iterator[tuple[Path, str]]:
    shared, own = places.caches
    for path in own.glob("models--*/blobs/*"):
        if path.name not in needed and path.name.removesuffix(_PARTIAL) not in needed:
            yield path, "no lock needs it"
    for path in own.glob("models--*/snapshots/**/*"):
        if path.is_symlink() and path.readlink().name not in needed:
            yield path, "no lock needs it"
    for path in shared.glob(f"models--*/blobs/*{_PARTIAL}"):
        if path.name.removesuffix(_PARTIAL) not in needed:
            yield path, "a beginning that no lock needs"


def _wrong(places: Places) -> Iterator[tuple[Path, str]]:
    for path in _walk(quarantine_folder(places)):
        yield path, "wrong content, in quarantine"


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        if Path(parent) == folder and OWN_FOLDER in folders:
            folders.remove(OWN_FOLDER)
        yield from (Path(parent) / name for name in files)


def _identity(path: Path) -> tuple[int, int]:
    facts = path.lstat()
    return facts.st_dev, facts.st_ino


def _remove_empty(folder: Path) -> bool:
    with suppress(OSError):
        folder.rmdir()
        return True
    return False
