"""The tables of judgement, ready to use: from an index when the files are unchanged, else read, checked and kept.

YAML and its shapes take a tenth of a second or more, JSON a millisecond; `content_index` keeps what was read.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stackplan.content_index import ContentIndex, source_content
from stackplan.errors import UserError
from stackplan.hardware import Basis
from stackplan.quality_tables import Bridge, Curve, Metric, Prior, QualityTables, QuantisationTables, Scale
from stackplan.stack import Policy

FILES = ("presets.yaml", "quality.yaml", "quantisation.yaml")
_MADE_BY = ("judgement_*.py", "quality_tables.py", "stack.py", "stack_schema.py", "strict_yaml.py", "yaml_schema.py")


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
    index = ContentIndex(name="judgement", made_by=_MADE_BY, encode=asdict, decode=_decode, kept=4)
    return index.get(lambda: _content(paths), lambda: _read(paths), cache)


def _find(name: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"no {name} found", hint="name a folder that holds it with --catalog", slug="no-catalog")


def _read(paths: Sequence[Path]) -> Judgement:
    from stackplan.judgement_yaml import load_presets, load_quality, load_quantisation  # noqa: PLC0415  (pydantic)

    presets, quality, quantisation = paths
    return Judgement(load_quality(quality), load_quantisation(quantisation), load_presets(presets))


def _content(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        yield os.fsencode(path)
        yield source_content(path)


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
