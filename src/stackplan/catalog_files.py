"""Which files make a catalog, and their bytes; no YAML is read here, so a warm start needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stackplan.errors import UserError

MAX_FILES = 2000
MAX_FILE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """One file as it was read; ``folder`` is the position of its folder in the search order."""

    path: Path
    folder: int
    content: bytes

    @property
    def is_model_family(self) -> bool:
        """Whether it lies in ``models/``."""
        return self.path.parent.name == "models"


def read_catalog_files(folders: Sequence[Path]) -> tuple[CatalogFile, ...]:
    """The bytes of every catalog file below ``folders``, first folder first, names in order."""
    files: list[CatalogFile] = []
    for position, folder in enumerate(folders):
        paths = [folder / "engines.yaml", folder / "roles.yaml", *sorted((folder / "models").glob("*.yaml"))]
        if len(paths) > MAX_FILES:
            raise UserError(
                f"{folder}: more than {MAX_FILES} catalog files", hint="keep one file per family", slug="bad-catalog"
            )
        files.extend(CatalogFile(path, position, _content(path)) for path in paths if path.exists())
    return tuple(files)


def _content(path: Path) -> bytes:
    """The bytes at ``path``, refused when they are too many or unreadable."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise UserError(f"{path}: {reason}", hint="check the file and its permissions", slug="bad-catalog") from None
    if len(content) > MAX_FILE_BYTES:
        message = f"{path}: more than {MAX_FILE_BYTES} bytes in one file"
        raise UserError(message, hint="keep one file per family", slug="bad-catalog")
    return content
