"""From a cache to where engines look: one content, two names, and nothing is copied that can be linked."""

import json
import os
import shutil
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stackplan.download.content import digest_of
from stackplan.download.places import Places
from stackplan.download.quarantine import set_aside
from stackplan.lock import LockedArtifact, LockedFile


class Verified:
    """Which files were found right, so that tens of gigabytes are not read again; void when a file changed since."""

    def __init__(self, places: Places) -> None:
        self._path = places.own / "verified.json"
        self._lock = threading.Lock()
        self._known: dict[str, list[object]] = self._read()

    def knows(self, path: Path, file: LockedFile) -> bool:
        """Whether ``path`` was found to be ``file`` and was not written to since."""
        return self._known.get(str(path)) == _stamp(path, file)

    def remember(self, path: Path, file: LockedFile) -> None:
        """Note that ``path`` is ``file``. A folder that cannot be written only costs another look next time."""
        with self._lock, suppress(OSError):
            self._known = {**self._read(), **self._known, str(path): _stamp(path, file)}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_name(f"verified.{uuid.uuid4().hex[:8]}.json")
            fresh.write_text(json.dumps(self._known, indent=1, sort_keys=True), encoding="utf-8")
            fresh.replace(self._path)

    def _read(self) -> dict[str, list[object]]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return known if isinstance(known, dict) else {}


def is_right(path: Path, file: LockedFile, verified: Verified, stop: threading.Event, *, again: bool = False) -> bool:
    """Whether ``path`` holds ``file``: by an earlier look if nothing changed since, else by reading it all."""
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    if not again and verified.knows(path, file):
        return True
    if not digest_of(path, file, stop).matches():
        return False
    verified.remember(path, file)
    return True


def set_wrong_aside(
    places: Places, artifact: LockedArtifact, file: LockedFile, path: Path, stop: threading.Event
) -> Path:
    """Put a file that is there but wrong into quarantine."""
    return set_aside(places, artifact, file, path, digest_of(path, file, stop))


def can_link(places: Places, cache: Path) -> bool:
    """Whether a file of ``cache`` can have a second name in the models folder; tried, because mounts differ."""
    name = f".stackplan-{uuid.uuid4().hex[:8]}"
    first, second = cache / name, places.models / name
    try:
        cache.mkdir(parents=True, exist_ok=True)
        places.models.mkdir(parents=True, exist_ok=True)
        first.touch()
        os.link(first, second)
    except OSError:
        return False
    else:
        return True
    finally:
        for path in (first, second):
            with suppress(OSError):
                path.unlink()


def point(places: Places, cache: Path, artifact: LockedArtifact, file: LockedFile) -> None:
    """Give the content its names in the cache, as the hub's own client does, so that other programs find it."""
    pointer = places.pointer(cache, artifact, file)
    if not pointer.exists():
        pointer.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(places.blob(cache, artifact, file), pointer.parent)
        _replace(pointer, lambda fresh: _name(places.blob(cache, artifact, file), target, fresh))
    # The first revision stands for "main" to programs that are offline; one that asks the hub corrects it.
    main = pointer_root(places, cache, artifact) / "refs" / "main"
    if not main.exists():
        main.parent.mkdir(parents=True, exist_ok=True)
        main.write_text(artifact.revision, encoding="utf-8")


def pointer_root(places: Places, cache: Path, artifact: LockedArtifact) -> Path:
    """The repository's folder in a cache."""
    return places.blob(cache, artifact, LockedFile("")).parent.parent


def offer(places: Places, content: Path, target: Path) -> None:
    """Make ``target`` of the models folder the same as ``content``: a second name, a link that stays inside, a copy."""
    if target.exists() and target.samefile(content) and not target.is_symlink():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    _replace(target, lambda fresh: _same(places, content.resolve(), target, fresh))


def _same(places: Places, content: Path, target: Path, fresh: Path) -> None:
    try:
        os.link(content, fresh)
    except OSError:
        if content.is_relative_to(places.models.resolve()):
            # Relative and inside, so that it also holds where only the models folder is mounted.
            fresh.symlink_to(os.path.relpath(content, target.parent.resolve()))
        else:
            shutil.copyfile(content, fresh)


def _name(blob: Path, target: str, pointer: Path) -> None:
    try:
        pointer.symlink_to(target)
    except OSError:  # Windows without the right to link: the hub's client keeps the content under the name then
        os.link(blob, pointer)


def _replace(path: Path, make: Callable[[Path], None]) -> None:
    fresh = path.with_name(f".{uuid.uuid4().hex[:12]}.stackplan")
    try:
        make(fresh)
        fresh.replace(path)
    finally:
        with suppress(OSError):
            fresh.unlink()


def _stamp(path: Path, file: LockedFile) -> list[object]:
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ino, file.checksum]
