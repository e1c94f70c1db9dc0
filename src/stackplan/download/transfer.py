"""One file into a cache: continued where it stopped, checked as it comes, renamed only when it is right.

The partial file is a plain beginning of the content, so that a kill at any moment costs at most what the kernel had
not yet been given. The hub's own client (2.4) starts every file again; the cache's layout and its locks are the
same, so that both can work on one cache at the same time.
"""

import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from stackplan.download.content import Digest, digest_of
from stackplan.download.hub import Body, stream
from stackplan.download.obstacle import Interrupted, Obstacle, Patience
from stackplan.download.places import Places, repository_folder
from stackplan.download.quarantine import set_aside
from stackplan.lock import LockedArtifact, LockedFile

# A connection that brought this much was worth having: tries are counted anew.
PROGRESS_BYTES = 256 * 1024
_LOCK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Transfer:
    """One file to fetch into ``cache``. ``told`` is called with the bytes that are there, ``note`` with a sentence."""

    places: Places
    cache: Path
    artifact: LockedArtifact
    file: LockedFile
    patience: Patience
    stop: threading.Event
    told: Callable[[int], None]
    note: Callable[[str], None]

    @property
    def blob(self) -> Path:
        """Where the content ends up."""
        return self.places.blob(self.cache, self.artifact, self.file)

    @property
    def partial(self) -> Path:
        """Where it grows."""
        return self.places.partial(self.cache, self.artifact, self.file)


def fetch(transfer: Transfer) -> int:
    """Bring the content into the cache, whole and checked; the bytes received for it now.

    Raises `Obstacle` when it cannot be had. What was received stays, except for wrong content, which is put aside.
    """
    _check_promises(transfer)
    with disk_errors(transfer.blob), _alone(transfer):
        if transfer.blob.is_file() and transfer.blob.stat().st_size == transfer.file.size_bytes:
            return 0  # another process was faster
        transfer.partial.parent.mkdir(parents=True, exist_ok=True)
        grown = _fill(transfer)
        received = grown.received
        if not grown.digest.matches():
            _set_aside(transfer, grown.digest)
            transfer.note(f"{transfer.file.path} came with wrong content and is fetched once more")
            grown = _fill(transfer)
            received += grown.received
        if not grown.digest.matches():
            raise _mismatch(transfer, grown.digest, _set_aside(transfer, grown.digest))
        _keep(transfer.partial, transfer.blob)
        return received


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """What the file system refuses, as an `Obstacle`."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        reason = error.strerror or str(error)
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            hint = "free some space or name another disk with --models, then run it again: it continues"
            raise Obstacle(f"no space left for {place}", hint=hint, slug="disk-full") from error
        hint = "choose a place you may write with --models or HF_HUB_CACHE"
        raise Obstacle(f"cannot write {place}: {reason}", hint=hint, slug="cannot-write") from error


def _keep(partial: Path, blob: Path) -> None:
    """Give the content its name once it is on the disk itself: a power cut leaves the whole file or a partial one."""
    with partial.open("rb") as content:
        os.fsync(content.fileno())
    partial.replace(blob)


def _check_promises(transfer: Transfer) -> None:
    file = transfer.file
    if file.size_bytes is None or not file.checksum:
        raise Obstacle(
            f"nobody says size and checksum of {transfer.artifact.repository}/{file.path}",
            hint="run `stackplan lock`; a mirror that hides them cannot be trusted",
            slug="no-checksum",
        )


@contextmanager
def _alone(transfer: Transfer) -> Iterator[None]:
    """Hold the hub's lock on this content. A kill releases it."""
    from filelock import Timeout  # noqa: PLC0415  (comes with huggingface_hub, which only downloads need)
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # noqa: PLC0415

    path = transfer.cache / ".locks" / repository_folder(transfer.artifact) / f"{transfer.file.checksum}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    waited = False
    while True:
        lock = WeakFileLock(path, timeout=_LOCK_SECONDS)
        try:
            lock.__enter__()
            break
        except Timeout:
            if transfer.stop.is_set():
                raise Interrupted from None
            if not waited:
                transfer.note(f"{transfer.file.path} is being fetched by another process; waiting for it")
            waited = True
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _fill(transfer: Transfer) -> "_Growing":
    """Receive until the partial file is complete, through as many connections as it takes."""
    size = transfer.file.size_bytes or 0
    growing = _Growing(transfer)
    attempt, mark = 0, growing.there
    while growing.there < size:
        attempt += 1
        try:
            _receive(transfer, growing)
            if growing.there < size:
                raise _ended_early(transfer, growing.there)
        except Obstacle as obstacle:
            if growing.there - mark >= PROGRESS_BYTES:
                attempt, mark = 1, growing.there
            if obstacle.temporary and attempt < transfer.patience.tries:
                transfer.note(f"{transfer.file.path}: {obstacle.message}; trying again")
            transfer.patience.wait(obstacle, attempt, transfer.stop)
    return growing


class _Growing:
    """The partial file: how many bytes are there, and their digest."""

    def __init__(self, transfer: Transfer) -> None:
        self._path = transfer.partial
        if self._path.is_file() and self._path.stat().st_size > (transfer.file.size_bytes or 0):
            self._path.unlink()
        self._path.touch()
        self.there = self._path.stat().st_size
        self.received = 0
        self.digest = digest_of(self._path, transfer.file, transfer.stop)

    def grow(self, pieces: Iterable[bytes], limit: int) -> Iterator[int]:
        """Append the pieces; the bytes that are there after each. Never more than ``limit``, the promised size."""
        with self._path.open("ab", buffering=0) as content:
            for piece in pieces:
                fitting = piece[: limit - self.there]
                _write_all(content, fitting)
                self.digest.update(fitting)
                self.there += len(fitting)
                self.received += len(piece)
                yield self.there
                if len(fitting) < len(piece):
                    return


def _write_all(content: FileIO, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[content.write(view) or 0 :]


def _receive(transfer: Transfer, growing: _Growing) -> None:
    repository, revision = transfer.artifact.repository, transfer.artifact.revision
    transfer.told(growing.there)
    with stream(repository, revision, transfer.file, growing.there, transfer.patience) as body:
        pieces = _from(body, growing.there)
        for there in growing.grow(pieces, transfer.file.size_bytes or 0):
            transfer.told(there)
            if transfer.stop.is_set():
                raise Interrupted


def _from(body: Body, start: int) -> Iterator[bytes]:
    """The pieces of the answer from ``start`` on: a server that ignores ranges sends what is there already."""
    skip = start - body.start
    if skip < 0:
        raise Obstacle(
            f"the server answers from byte {body.start} when asked from {start}",
            hint="check HF_ENDPOINT and the proxy",
            slug="hub-strange",
        )
    for piece in body.chunks:
        yield piece[skip:]
        skip = max(0, skip - len(piece))


def _ended_early(transfer: Transfer, there: int) -> Obstacle:
    return Obstacle(
        f"{transfer.file.path} ended after {there} of {transfer.file.size_bytes} bytes",
        hint="try again later, or another mirror with HF_ENDPOINT: it continues where it stopped",
        slug="file-truncated",
        temporary=True,
    )


def _set_aside(transfer: Transfer, digest: Digest) -> Path:
    """Move wrong content out of the way; only the newest of a file is kept."""
    return set_aside(transfer.places, transfer.artifact, transfer.file, transfer.partial, digest)


def _mismatch(transfer: Transfer, digest: Digest, aside: Path) -> Obstacle:
    return Obstacle(
        f"{transfer.file.path} has checksum {digest.text()[:16]}..., {transfer.file.checksum[:16]}... was promised",
        hint=f"the wrong content is kept at {aside}; try another HF_ENDPOINT, or stackplan lock --upgrade",
        slug="checksum-mismatch",
    )
