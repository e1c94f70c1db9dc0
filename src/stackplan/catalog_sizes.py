"""How large a file is: what a source printed, what the quantiser writes for the shape, and how to join the two."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from stackplan.architecture import Architecture, WeightTable
from stackplan.catalog_schema import WITH_RECIPE, ArtifactRecord, ModelRecord, standard_type
from stackplan.catalog_yaml import Located
from stackplan.errors import UserError
from stackplan.estimate.weights import Prepared, prepare
from stackplan.units import GIB, MIB, parse_bytes

# Hugging Face refuses single files above 50 GB, so publishers split them (huggingface_hub 2.4 docs, "storage limits").
LARGEST_SINGLE_FILE_BYTES = 50 * 10**9
# A header holds tokenizer and chat template, which differ between publishers of the same weights by a few MB.
HEADER_TOLERANCE_BYTES = 8 * MIB


@dataclass(frozen=True, slots=True)
class Published:
    """A size as a source printed it, and how far the true one may be away: half of ``resolution_bytes``."""

    size_bytes: int
    resolution_bytes: int = 0

    @property
    def upper_bytes(self) -> int:
        """The largest size that prints like this."""
        return self.size_bytes + self.resolution_bytes // 2

    def agrees(self, derived_bytes: int) -> bool:
        """Whether ``derived_bytes`` would have been printed like this, but for the header."""
        return abs(self.size_bytes - derived_bytes) <= self.resolution_bytes // 2 + HEADER_TOLERANCE_BYTES


def published_gib(value: float) -> Published:
    """A size printed in GiB: one decimal from 1 GiB on, whole MiB below; of split files the parts were rounded."""
    exact = int(Fraction(str(value)) * GIB)
    return Published(exact, parts_of(exact) * (GIB // 10) if value >= 1 else 2 * MIB)


def parts_of(file_bytes: int) -> int:
    """Into how many files a GGUF of this size is split, at least."""
    return -(-file_bytes // LARGEST_SINGLE_FILE_BYTES)


def published_label(text: str) -> Published:
    """A size as Ollama's library prints it, in powers of ten: ``4.7GB``, ``20GB``, ``523MB``."""
    number, unit = text[:-2], text[-2:]
    decimals = len(number.partition(".")[2])
    return Published(parse_bytes(text), parse_bytes(f"1{unit}") // 10**decimals)


Overrides = tuple[tuple[str, Any], ...]


@dataclass(slots=True)
class Shapes:
    """Sizes one model's files, each recipe once. ``overrides`` are what some files' shape has otherwise."""

    located: Located[ModelRecord]
    prepared: dict[Overrides, Prepared | None] = field(default_factory=dict)
    tables: dict[tuple[str, bool, Overrides], WeightTable | None] = field(default_factory=dict)

    def architecture(self) -> Architecture | None:
        """The model's shape as every file of it shares it."""
        prepared = self._prepare(())
        return prepared.architecture if prepared else None

    def size(self, place: ArtifactRecord, kind: str) -> WeightTable | None:
        """The weight table of the standard type behind ``kind``; None when shape or recipe is unknown."""
        overrides = tuple((key, hashable(value)) for key, value in sorted(place.architecture.items()))
        key = (standard_type(kind), place.importance_matrix, overrides)
        if key not in self.tables:
            self.tables[key] = self._table(*key)
        return self.tables[key]

    def _table(self, kind: str, importance_matrix: bool, overrides: Overrides) -> WeightTable | None:
        prepared = self._prepare(overrides)
        shape = self.architecture()
        if prepared is None or shape is None or kind not in WITH_RECIPE:
            return None
        try:
            table = prepared.weights(kind, importance_matrix=importance_matrix)
        except UserError as problem:
            raise self._error(problem) from None
        return trimmed(table, shape.block_count)

    def _prepare(self, overrides: Overrides) -> Prepared | None:
        if overrides not in self.prepared:
            self.prepared[overrides] = self._shape(overrides)
        return self.prepared[overrides]

    def _shape(self, overrides: Overrides) -> Prepared | None:
        record = self.located.record
        if record.architecture is None:
            return None
        shape = {**record.architecture, **dict(overrides)}
        shape["architecture"] = shape.pop("name")
        try:
            answer = prepare(shape)
        except UserError as problem:
            raise self._error(problem) from None
        return answer if isinstance(answer, Prepared) else None

    def _error(self, problem: UserError) -> UserError:
        """The estimator's complaint with the record that it is about."""
        where = f"{self.located.path}: {self.located.record.id}"
        return UserError(f"{where}: {problem.message}", hint=problem.hint, slug="bad-catalog")


def hashable(value: Any) -> Any:
    """Lists as tuples."""
    return tuple(value) if isinstance(value, list) else value


def trimmed(table: WeightTable, block_count: int) -> WeightTable:
    """``table`` with one entry per block of the model; the blocks beyond are prediction's, counted apart."""
    return replace(table, layer_bytes=table.layer_bytes[:block_count], expert_bytes=table.expert_bytes[:block_count])


def stretch(table: WeightTable, file_bytes: int) -> WeightTable:
    """``table`` with every part scaled so that the file has ``file_bytes``; parts are rounded up."""
    header = table.file_bytes - table.tensor_bytes
    target = max(1, file_bytes - header)
    share = Fraction(target, table.tensor_bytes)

    def scaled(size: int) -> int:
        return -(-size * share.numerator // share.denominator)

    return WeightTable(
        file_bytes=file_bytes,
        tensor_bytes=target,
        layer_bytes=tuple(map(scaled, table.layer_bytes)),
        expert_bytes=tuple(map(scaled, table.expert_bytes)),
        input_bytes=scaled(table.input_bytes),
        output_bytes=scaled(table.output_bytes),
        tied_output_bytes=scaled(table.tied_output_bytes),
        prediction_bytes=scaled(table.prediction_bytes),
        largest_layer_tensor_bytes=scaled(table.largest_layer_tensor_bytes),
        largest_expert_tensor_bytes=scaled(table.largest_expert_tensor_bytes),
    )


def printed_size(place: ArtifactRecord, kind: str) -> Published | None:
    """What the source printed for one quantisation."""
    if (gib := place.published_gib.get(kind)) is not None:
        return published_gib(gib)
    if place.published_bytes is not None:
        return Published(place.published_bytes)
    return published_label(place.published_size) if place.published_size else None
