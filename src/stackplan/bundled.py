"""Where profiles, catalog and templates are: the user's own folders first, then what ships with stackplan."""

import os
from collections.abc import Mapping
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def bundled_folder(name: str) -> Path:
    """The folder ``name`` that ships with stackplan: installed data, else the checkout's top level."""
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parents[1] / name


def config_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's own configuration folder, ``$STACKPLAN_CONFIG`` or the XDG default."""
    if chosen := environment.get("STACKPLAN_CONFIG"):
        return Path(chosen)
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "stackplan"


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where stackplan keeps what it can rebuild, ``$STACKPLAN_CACHE`` or the XDG default."""
    if chosen := environment.get("STACKPLAN_CACHE"):
        return Path(chosen)
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "stackplan"


def search_folders(name: str, extra: Path | None = None) -> tuple[Path, ...]:
    """Folders that may hold ``name``, the first match wins: ``extra``, the user's, the bundled one."""
    candidates = [extra, config_folder() / name, bundled_folder(name)]
    return tuple(folder for folder in candidates if folder is not None and folder.is_dir())
