"""Read ``catalog/hardware/*.yaml``; a JSON index keyed by content keeps the reading fast.

YAML is for people: 130 KB of it costs 60 ms even in C, the index 2 ms. The index is rebuilt when a file changes
and is never needed: without a writable cache the YAML is read each time.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from stackplan.bundled import cache_folder, search_folders
from stackplan.device_catalog import DeviceCatalog, DeviceFacts
from stackplan.errors import UserError

_INDEX_VERSION = 1
_HINT = "correct that line; docs/detect.md lists the fields of the hardware catalog"


@lru_cache(maxsize=4)
def load_device_catalog(extra: Path | None = None) -> DeviceCatalog:
    """Devices of the user's own folders, then the bundled ones; the first file of a name wins.

    Raises UserError that names file, line and field when a file is malformed.
    """
    files = _catalog_files(search_folders("catalog", extra))
    contents = [(path, path.read_bytes()) for path in files]
    index = cache_folder() / f"hardware-{_digest(contents)}.json"
    rows = _read_index(index)
    if rows is None:
        rows = _read_yaml(contents)
        _write_index(index, rows)
    return DeviceCatalog(tuple(_facts(row) for row in rows))


def _catalog_files(folders: Iterable[Path]) -> list[Path]:
    chosen: dict[str, Path] = {}
    for folder in folders:
        for path in sorted((folder / "hardware").glob("*.yaml")):
            chosen.setdefault(path.name, path)
    return [chosen[name] for name in sorted(chosen)]


def _digest(contents: Iterable[tuple[Path, bytes]]) -> str:
    digest = hashlib.sha256(f"v{_INDEX_VERSION}".encode())
    for path, data in contents:
        digest.update(f"\0{path.name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:24]


def _read_index(path: Path) -> list[dict[str, Any]] | None:
    try:
        rows = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    known = {field.name for field in fields(DeviceFacts)}
    sound = isinstance(rows, list) and all(isinstance(row, dict) and set(row) == known for row in rows)
    return rows if sound else None


def _write_index(path: Path, rows: list[dict[str, Any]]) -> None:
    draft = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(rows, separators=(",", ":"), sort_keys=True), encoding="utf-8")
        draft.replace(path)
    except OSError:
        return  # A read-only home costs 60 ms a run, not an error.


def _read_yaml(contents: Iterable[tuple[Path, bytes]]) -> list[dict[str, Any]]:
    from stackplan.device_catalog_schema import HardwareFile  # noqa: PLC0415  (only when the index is stale)
    from stackplan.strict_yaml import parse_yaml  # noqa: PLC0415
    from stackplan.yaml_schema import checked  # noqa: PLC0415

    rows: list[dict[str, Any]] = []
    origin: dict[str, Path] = {}
    for path, data in contents:
        for facts in checked(parse_yaml(data, path), HardwareFile, _HINT).facts():
            if facts.id in origin:
                raise UserError(
                    f"{path}: device {facts.id!r} is already in {origin[facts.id].name}",
                    hint="give each device one entry; your own file replaces a bundled one of the same name",
                    slug="hardware-catalog-invalid",
                )
            origin[facts.id] = path
            rows.append(asdict(facts))
    return rows


def _facts(row: dict[str, Any]) -> DeviceFacts:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return DeviceFacts(**values)
