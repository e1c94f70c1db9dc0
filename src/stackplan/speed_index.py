"""The speed constants as a mapping, from a JSON index when the YAML is unchanged (reading YAML costs 30 ms)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stackplan.bundled import cache_folder
from stackplan.deploy import write_file
from stackplan.errors import UserError

_FILE = "speed.yaml"


def load_speed(folders: Sequence[Path], cache: Path | None = None) -> Mapping[str, Any]:
    """The constants of the first folder that has them. An index that cannot be read or written is no error."""
    path = next((folder / _FILE for folder in folders if (folder / _FILE).is_file()), None)
    if path is None:
        raise UserError(f"no {_FILE} found", hint="name a folder that holds it with --catalog", slug="no-catalog")
    content = path.read_bytes()
    place = (cache or cache_folder()) / f"speed-{hashlib.sha256(content).hexdigest()[:24]}.json"
    try:
        known: Mapping[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = _read(path)
        write_file(place, json.dumps(known, sort_keys=True), best_effort=True)
    return known


def _read(path: Path) -> Mapping[str, Any]:
    from stackplan.strict_yaml import read_yaml  # noqa: PLC0415

    found: Mapping[str, Any] = read_yaml(path).data
    return found
