"""Wrong content is moved aside, never used and never silently lost."""

import contextlib
import shutil
from pathlib import Path

from stackplan.download.content import Digest
from stackplan.download.places import Places
from stackplan.lock import LockedArtifact, LockedFile


def quarantine_folder(places: Places) -> Path:
    """Where wrong content lies."""
    return places.own / "quarantine"


def set_aside(places: Places, artifact: LockedArtifact, file: LockedFile, wrong: Path, digest: Digest) -> Path:
    """Move ``wrong`` into quarantine, under the checksum that it has; only the newest of each file is kept."""
    kept = quarantine_folder(places) / artifact.repository / f"{file.path}.{digest.text()[:12]}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    for older in kept.parent.iterdir():
        if older.name.rpartition(".")[0] == kept.name.rpartition(".")[0] and older.is_file():
            with contextlib.suppress(OSError):
                older.unlink()
    shutil.move(wrong, kept)
    return kept
