"""A finished catalog as compact JSON rows and back, fast enough for every start of the program.

Rows are lists in the order of the fields. What repeats is stored once and is one object again: layers (a
model has a few kinds), shapes (tunes have their model's), weight tables (publishers share recipes) and the bytes of
layers (a table has a few values, so each layer is one letter). Reading trusts nothing: whatever does not fit raises,
and the caller builds anew.
"""

from typing import Any

from msgspec import Struct

from stackplan.architecture import Architecture, Attention, Layer, WeightTable
from stackplan.catalog import Artifact, Catalog, Engine, Licence, Model, QualityFigure, Role
from stackplan.hardware import Basis

_FIRST_LETTER = 0x30  # letters from "0" on name the distinct values of a row

Row = list[Any]


def _values(record: Struct) -> Row:
    """The field values of a record, in order."""
    return [getattr(record, name) for name in record.__struct_fields__]


class _Store:
    """Distinct values, each with its position."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.positions: dict[Any, int] = {}

    def place(self, value: Any) -> int:
        """The position of ``value``, added when new."""
        if value not in self.positions:
            self.positions[value] = len(self.rows)
            self.rows.append(value)
        return self.positions[value]


def _letters(values: tuple[int, ...]) -> Row:
    """A row of few distinct numbers as those numbers and one letter per entry."""
    distinct = sorted(set(values))
    letter = {value: chr(_FIRST_LETTER + place) for place, value in enumerate(distinct)}
    return [distinct, "".join(letter[value] for value in values)]


def _numbers(row: Row) -> tuple[int, ...]:
    """The numbers that `_letters` wrote."""
    distinct, text = row
    if len(distinct) == 1:
        return tuple(distinct) * len(text)
    named = {chr(_FIRST_LETTER + place): value for place, value in enumerate(distinct)}
    return tuple(map(named.__getitem__, text))


def encode(catalog: Catalog) -> dict[str, Any]:
    """The catalog as JSON-ready rows."""
    layers, shapes, tables = _Store(), _Store(), _Store()
    models = []
    for model in catalog.models:
        row = dict(zip(Model.__struct_fields__, _values(model), strict=True))
        row["licence"] = _values(model.licence)
        row["quality"] = [_values(figure) for figure in model.quality]
        row["architecture"] = None if model.architecture is None else shapes.place(model.architecture)
        row["artifacts"] = [_encode_artifact(artifact, tables) for artifact in model.artifacts]
        models.append(list(row.values()))
    encoded = [_encode_architecture(shape, layers) for shape in shapes.rows]
    return {
        "layers": [_values(layer) for layer in layers.rows],
        "shapes": encoded,
        "tables": [_encode_table(table) for table in tables.rows],
        "models": models,
        "roles": [_values(role) for role in catalog.roles],
        "engines": [_values(engine) for engine in catalog.engines],
        "date": catalog.date,
        "digest": catalog.digest,
    }


def _encode_architecture(shape: Architecture, layers: _Store) -> Row:
    """A shape, its layers as positions."""
    return [
        [layers.place(layer) for layer in shape.layers] if name == "layers" else getattr(shape, name)
        for name in Architecture.__struct_fields__
    ]


def _encode_artifact(artifact: Artifact, tables: _Store) -> Row:
    """An artifact without the model's name, its weight table as a position."""
    row = _values(artifact)
    row[-1] = None if artifact.weights is None else tables.place(artifact.weights)
    return [row[0], *row[2:]]


def _encode_table(table: WeightTable) -> Row:
    """A weight table with its long rows in letters."""
    return [_letters(value) if isinstance(value, tuple) else value for value in _values(table)]


def decode(data: dict[str, Any]) -> Catalog:
    """The catalog that `encode` wrote; KeyError, TypeError, ValueError or IndexError when it is damaged."""
    layers = [Layer(Attention(row[0]), *row[1:]) for row in data["layers"]]
    shapes = [_decode_architecture(row, layers) for row in data["shapes"]]
    tables = [_decode_table(row) for row in data["tables"]]
    return Catalog(
        models=tuple([_decode_model(row, shapes, tables) for row in data["models"]]),
        roles=tuple([Role(*map(_frozen, row)) for row in data["roles"]]),
        engines=tuple([Engine(*map(_frozen, row)) for row in data["engines"]]),
        date=data["date"],
        digest=data["digest"],
    )


def _frozen(value: Any) -> Any:
    """Lists become tuples again."""
    return tuple(value) if isinstance(value, list) else value


def _decode_table(row: Row) -> WeightTable:
    """A weight table."""
    file_bytes, tensor_bytes, layer_row, expert_row, *rest = row
    return WeightTable(file_bytes, tensor_bytes, _numbers(layer_row), _numbers(expert_row), *rest)


def _decode_model(row: Row, shapes: list[Architecture], tables: list[WeightTable]) -> Model:
    """A model; the positions of nested rows follow the order of the fields."""
    values: Row = [tuple(value) if isinstance(value, list) else value for value in row]
    values[_LICENCE] = Licence(*row[_LICENCE])
    values[_QUALITY] = tuple([QualityFigure(*figure) for figure in row[_QUALITY]])
    values[_ARCHITECTURE] = None if row[_ARCHITECTURE] is None else shapes[row[_ARCHITECTURE]]
    values[_ARTIFACTS] = tuple([_decode_artifact(item, row[0], tables) for item in row[_ARTIFACTS]])
    return Model(*values)


def _decode_architecture(row: Row, layers: list[Layer]) -> Architecture:
    """A shape."""
    row[_LAYERS] = tuple([layers[place] for place in row[_LAYERS]])
    return Architecture(*row)


def _decode_artifact(row: Row, model: str, tables: list[WeightTable]) -> Artifact:
    """An artifact."""
    row[_BASIS] = _BASES[row[_BASIS]]
    row[_FILES], row[_ENGINES] = tuple(row[_FILES]), tuple(row[_ENGINES])
    if row[-1] is not None:
        row[-1] = tables[row[-1]]
    return Artifact(row[0], model, *row[1:])


def _place(record: type[Struct], name: str) -> int:
    """The position of a field."""
    return record.__struct_fields__.index(name)


_BASES = {str(basis): basis for basis in Basis}
_LICENCE, _QUALITY = _place(Model, "licence"), _place(Model, "quality")
_ARCHITECTURE, _ARTIFACTS = _place(Model, "architecture"), _place(Model, "artifacts")
_LAYERS = _place(Architecture, "layers")
# Artifact rows leave out the model, the second field.
_BASIS, _FILES, _ENGINES = (_place(Artifact, name) - 1 for name in ("size_basis", "files", "engines"))
