"""The speed constants as a mapping, from an index when the YAML is unchanged (reading YAML costs 30 ms)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stackplan.content_index import ContentIndex, source_content
from stackplan.errors import UserError

_FILE = "speed.yaml"


def load_speed(folders: Sequence[Path], cache: Path | None = None) -> Mapping[str, Any]:
    """The constants of the first folder that has them. An index that cannot be read or written is no error."""
    path = next((folder / _FILE for folder in folders if (folder / _FILE).is_file()), None)
    if path is None:
        raise UserError(f"no {_FILE} found", hint="name a folder that holds it with --catalog", slug="no-catalog")
    return _INDEX.get(lambda: (source_content(path),), lambda: _read(path), cache)


def _read(path: Path) -> Mapping[str, Any]:
    from stackplan.strict_yaml import read_yaml  # noqa: PLC0415

    found: Mapping[str, Any] = read_yaml(path).data
    return found


def _encode(constants: Mapping[str, Any]) -> Any:
    return constants


def _decode(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise TypeError("the speed constants are a mapping")
    return data


_INDEX = ContentIndex(
    name="speed", made_by=("speed_index.py", "strict_yaml.py"), encode=_encode, decode=_decode, kept=4
)
