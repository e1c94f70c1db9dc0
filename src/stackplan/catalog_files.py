"""Which files make a catalog, and their bytes; no YAML is read here, so a warm start needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stackplan.bundled import search_folders
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


def catalog_folders(chosen: Path | None = None) -> tuple[Path, ...]:
    """Where records are looked for, the first wins: ``chosen``, the user's, the bundled one.

    Raises UserError when ``chosen`` holds no catalog, since records that nobody reads would be missed in silence.
    """
    if chosen is not None and not any((*chosen.glob("*.yaml"), *chosen.glob("*/*.yaml"), *_paths(chosen))):
        message = f"{chosen}: {'holds no catalog' if chosen.is_dir() else 'no such folder'}"
        hint = "give a folder that holds models/*.yaml, hardware/*.yaml, engines.yaml or roles.yaml"
        raise UserError(message, hint=hint, slug="no-catalog")
    return search_folders("catalog", chosen)


def read_catalog_files(folders: Sequence[Path]) -> tuple[CatalogFile, ...]:
    """The bytes of every catalog file below ``folders``, first folder first, names in order."""
    return tuple(
        CatalogFile(path, position, _content(path))
        for position, folder in enumerate(folders)
        for path in _paths(folder)
    )


def _paths(folder: Path) -> list[Path]:
    """The catalog files of one folder."""
    models = folder / "models"
    families = sorted((*models.glob("*.yaml"), *models.glob("*.yml")))
    if len(families) > MAX_FILES:
        message = f"{models}: more than {MAX_FILES} catalog files"
        raise UserError(message, hint="keep one file per family", slug="bad-catalog")
    return [path for path in (folder / "engines.yaml", folder / "roles.yaml", *families) if path.exists()]


def _content(path: Path) -> bytes:
    """The bytes at ``path``, refused when they are too many or unreadable."""
    if not path.is_file():  # reading a pipe would wait for ever
        raise UserError(f"{path}: not a file", hint="put a YAML file there or remove it", slug="bad-catalog")
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
