"""Where files are kept: the hub's cache, the models folder that engines read, and what lies beside them."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stackplan.errors import UserError
from stackplan.lock import LockedArtifact, LockedFile

OWN_FOLDER = ".stackplan"
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)?")
_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]*")


@dataclass(frozen=True, slots=True)
class Places:
    """``models`` is what engines mount; ``cache`` the hub's cache that other programs share."""

    models: Path
    cache: Path

    @property
    def own(self) -> Path:
        """What belongs to stackplan alone: records, quarantine, and a cache where the shared one cannot be used."""
        return self.models / OWN_FOLDER

    @property
    def caches(self) -> tuple[Path, ...]:
        """Every cache that may hold a file already, the shared one first."""
        return (self.cache, self.own / "hub")

    def model_file(self, artifact: LockedArtifact, file: LockedFile) -> Path:
        """Where engines look for the file: ``models/REPOSITORY/FILE``."""
        return self.models / artifact.repository / file.path

    def blob(self, cache: Path, artifact: LockedArtifact, file: LockedFile) -> Path:
        """The content of the file in a cache, named by its checksum as the hub's own client does."""
        return cache / repository_folder(artifact) / "blobs" / file.checksum

    def pointer(self, cache: Path, artifact: LockedArtifact, file: LockedFile) -> Path:
        """The name of the file in a cache, a link to its content."""
        return cache / repository_folder(artifact) / "snapshots" / artifact.revision / file.path

    def partial(self, cache: Path, artifact: LockedArtifact, file: LockedFile) -> Path:
        """The beginning of a file that was interrupted; the hub's own client gives its files other names."""
        return self.blob(cache, artifact, file).with_name(f"{file.checksum}.stackplan.incomplete")


def repository_folder(artifact: LockedArtifact) -> str:
    """The folder of a repository in the hub's cache."""
    return "models--" + artifact.repository.replace("/", "--")


def models_folder(chosen: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """``chosen``, else ``STACKPLAN_MODELS``, ``STACKPLAN_HOME/models`` or the place that compose files mount."""
    if chosen is not None:
        return chosen.expanduser().absolute()
    if models := environment.get("STACKPLAN_MODELS"):
        return Path(models).expanduser().absolute()
    if home := environment.get("STACKPLAN_HOME"):
        return Path(home).expanduser().absolute() / "models"
    return Path.home() / ".local/share/stackplan/models"


def check_safe(artifact: LockedArtifact) -> None:
    """Raise `UserError` when a name from a plan, a lock or a server would lead out of the folders."""
    if artifact.format == "ollama":
        return
    if not _REPOSITORY.fullmatch(artifact.repository) or ".." in artifact.repository:
        raise _unsafe("repository", artifact.repository)
    if artifact.revision and (not _REVISION.fullmatch(artifact.revision) or ".." in artifact.revision):
        raise _unsafe("revision", artifact.revision)
    for file in artifact.files:
        if not is_safe_name(file.path):
            raise _unsafe("file name", file.path)
        if file.checksum and not _CHECKSUM.fullmatch(file.checksum):
            raise _unsafe("checksum", file.checksum)


def is_safe_name(name: str) -> bool:
    """Whether a file of that name stays in its folder and can be written on every system."""
    path = PurePosixPath(name)
    odd = not name or not name.isprintable() or any(sign in name for sign in '\\:*?"<>|') or len(name) > 300
    return not odd and not path.is_absolute() and all(part not in {"..", OWN_FOLDER} for part in path.parts)


def _unsafe(what: str, text: str) -> UserError:
    return UserError(
        f"{what} {text[:80]!r} cannot be used as a file name",
        hint="this repository or lock is not to be trusted; write the lock again: stackplan lock --upgrade",
        slug="unsafe-name",
    )
