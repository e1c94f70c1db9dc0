"""Whether the content of a file is what was promised: SHA-256, or git's own hash for small files of a repository."""

import hashlib
import threading
from pathlib import Path

from stackplan.download.obstacle import Interrupted
from stackplan.lock import LockedFile

PIECE_BYTES = 1024**2


class Digest:
    """The checksum of a file while its bytes come in."""

    def __init__(self, file: LockedFile) -> None:
        self._wanted = file.checksum
        self._hash = hashlib.sha256()
        if not file.sha256:
            # git hashes "blob SIZE\0" and the content; it finds accidents, against malice TLS has to do.
            self._hash = hashlib.sha1(f"blob {file.size_bytes}\0".encode(), usedforsecurity=False)

    def update(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._hash.update(piece)

    def matches(self) -> bool:
        """Whether all bytes together are the promised ones."""
        return self._hash.hexdigest() == self._wanted

    def text(self) -> str:
        """The checksum of the bytes so far."""
        return self._hash.hexdigest()


def digest_of(path: Path, file: LockedFile, stop: threading.Event) -> Digest:
    """The digest of what is at ``path``, read piece by piece. Raises `Interrupted` when ``stop`` is set."""
    digest = Digest(file)
    with path.open("rb") as content:
        while piece := content.read(PIECE_BYTES):
            if stop.is_set():
                raise Interrupted
            digest.update(piece)
    return digest
