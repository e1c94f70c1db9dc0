"""How large a file is: what a source printed, what the quantiser writes for the shape, and how to join the two."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from stackplan.architecture import Architecture, WeightTable
from stackplan.catalog_schema import WITH_RECIPE, ArtifactRecord, ModelRecord, standard_type
from stackplan.catalog_yaml import Located
from stackplan.errors import UserError
from stackplan.estimate.weights import Prepared, prepare
from stackplan.units import GIB, MIB, parse_bytes
from stackplan.values import replace

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


Shape = tuple[tuple[str, Any], ...]


@dataclass(slots=True)
class Sized:
    """One shape, and its weight tables as they are asked for."""

    prepared: Prepared | None
    tables: dict[tuple[str, bool], WeightTable] = field(default_factory=dict)

    def table(self, kind: str, importance_matrix: bool) -> WeightTable | None:
        """The weight table of one of the quantiser's types."""
        if self.prepared is None or kind not in WITH_RECIPE:
            return None
        key = (kind, importance_matrix)
        if key not in self.tables:
            self.tables[key] = self.prepared.weights(kind, importance_matrix=importance_matrix)
        return self.tables[key]


@dataclass(slots=True)
class Shapes:
    """Sizes one model's files. ``known`` remembers shapes; models that share one (generations, fine-tunes) share it."""

    located: Located[ModelRecord]
    known: dict[Shape, Sized]

    def architecture(self) -> Architecture | None:
        """The model's shape as every file of it shares it."""
        sized = self._sized({})
        return sized.prepared.architecture if sized and sized.prepared else None

    def size(self, place: ArtifactRecord, kind: str) -> WeightTable | None:
        """The weight table of the standard type behind ``kind``; None when shape or recipe is unknown."""
        shape, sized = self.architecture(), self._sized(place.architecture)
        if shape is None or sized is None:
            return None
        try:
            table = sized.table(place.recipe or standard_type(kind), place.importance_matrix)
        except UserError as problem:
            raise self._error(problem) from None
        return trimmed(table, shape.block_count) if table else None

    def _sized(self, overrides: Mapping[str, Any]) -> Sized | None:
        """The shape of the model with ``overrides``; None when the record has none."""
        architecture = self.located.record.architecture
        if architecture is None:
            return None
        shape = {**architecture, **overrides}
        key = tuple((name, hashable(value)) for name, value in sorted(shape.items()))
        if key not in self.known:
            self.known[key] = Sized(self._prepare(shape))
        return self.known[key]

    def _prepare(self, shape: dict[str, Any]) -> Prepared | None:
        """What the estimator makes of a shape; None when it does not know the architecture."""
        try:
            answer = prepare({"architecture": shape.pop("name"), **shape})
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
    if len(table.layer_bytes) == block_count:
        return table
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
