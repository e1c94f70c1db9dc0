"""The tables of judgement, ready to use: from an index when the files are unchanged, else read, checked and kept.

YAML and its shapes take a tenth of a second or more, JSON a millisecond. The index is keyed by the content of the files
and by the sources that read them, so that it cannot be stale; losing it costs time only.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stackplan import __version__
from stackplan.bundled import cache_folder
from stackplan.errors import UserError
from stackplan.hardware import Basis
from stackplan.quality_tables import Bridge, Curve, Metric, Prior, QualityTables, QuantisationTables, Scale
from stackplan.stack import Policy

FILES = ("presets.yaml", "quality.yaml", "quantisation.yaml")
_SOURCES = ("judgement_*.py", "quality_tables.py", "stack.py", "stack_schema.py", "strict_yaml.py")


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything that worth is calculated from, apart from the catalog."""

    quality: QualityTables
    quantisation: QuantisationTables
    presets: Mapping[str, Policy]


def load_judgement(folders: Sequence[Path], cache: Path | None = None) -> Judgement:
    """The tables in ``folders``, each file from the first folder that has it; ``cache`` is where the index is kept.

    Raises UserError for a file that is missing or malformed. An index that cannot be read or written is no error.
    """
    paths = [_find(name, folders) for name in FILES]
    key = _key(paths)
    place = (cache or cache_folder()) / f"judgement-{key[:24]}.json"
    known = _read_index(place, key)
    if known is not None:
        return known
    judgement = _read(paths)
    _write_index(place, key, judgement)
    return judgement


def _find(name: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"no {name} found", hint="name a folder that holds it with --catalog", slug="no-catalog")


def _read(paths: Sequence[Path]) -> Judgement:
    from stackplan.judgement_yaml import load_presets, load_quality, load_quantisation  # noqa: PLC0415  (pydantic)

    presets, quality, quantisation = paths
    return Judgement(load_quality(quality), load_quantisation(quantisation), load_presets(presets))


def _key(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"1 {__version__}\n".encode())
    package = Path(__file__).resolve().parent
    for source in sorted(path for name in _SOURCES for path in package.glob(name)):
        state = source.stat()
        digest.update(f"{source.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise UserError(f"{path}: {reason}", hint="check its permissions", slug="bad-catalog") from None
        digest.update(f"{path} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _read_index(place: Path, key: str) -> Judgement | None:
    """The indexed tables, or None when there are none that can be trusted."""
    try:
        head, _, body = place.read_bytes().partition(b"\n")
        if head.decode() != f"{key} {hashlib.sha256(body).hexdigest()}":
            return None
        return _decode(json.loads(body))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_index(place: Path, key: str, judgement: Judgement) -> None:
    """Store the index whole or not at all; a cache that cannot be written is done without."""
    body = json.dumps(asdict(judgement), separators=(",", ":"), ensure_ascii=False).encode()
    head = f"{key} {hashlib.sha256(body).hexdigest()}\n".encode()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix="judgement-", suffix=".tmp")
        with os.fdopen(handle, "wb") as stream:
            stream.write(head + body)
        Path(name).replace(place)
        for old in sorted(place.parent.glob("judgement-*.json"), key=lambda path: -path.stat().st_mtime_ns)[4:]:
            old.unlink(missing_ok=True)
    except OSError:
        return


def _decode(data: dict[str, Any]) -> Judgement:
    scales = {name: _scale(row) for name, row in data["quality"]["scales"].items()}
    quantisation = data["quantisation"]
    quantisation["envelope"] = _curve(quantisation["envelope"])
    quantisation["native"] = dict(quantisation["native"])
    return Judgement(
        QualityTables(scales, data["quality"]["belief"]),
        QuantisationTables(**quantisation),
        {name: Policy(**{key: _frozen(value) for key, value in row.items()}) for name, row in data["presets"].items()},
    )


def _scale(row: dict[str, Any]) -> Scale:
    return Scale(
        id=row["id"],
        title=row["title"],
        groups=tuple(tuple(_metric(metric) for metric in group) for group in row["groups"]),
        prior=Prior(**row["prior"]),
        bridges=tuple(Bridge(**{**bridge, "curve": _curve(bridge["curve"])}) for bridge in row["bridges"]),
        source=row["source"],
    )


def _metric(row: dict[str, Any]) -> Metric:
    return Metric(**{**row, "curve": _curve(row["curve"]), "basis": Basis(row["basis"])})


def _curve(row: dict[str, Any]) -> Curve:
    return Curve(tuple(row["xs"]), tuple(row["ys"]))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
