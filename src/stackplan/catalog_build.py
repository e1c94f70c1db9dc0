"""Catalog records -> finished values: every artifact with its size and, where the shape is known, its weight table.

A file's size comes from the quantiser's rules applied to the shape. Where the source printed another size, the
recipe was another one (a publisher's own mixture, an old file): then the printed size counts, at its upper edge, and
the weight table is stretched to it. `Finding` names each such case, for ``stackplan catalog validate``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from stackplan.architecture import Architecture, WeightTable
from stackplan.bundled import bundled_folder
from stackplan.catalog import Artifact, Catalog, Engine, Licence, Model, QualityFigure, Role
from stackplan.catalog_schema import (
    DYNAMIC_PREFIX,
    MODE_OF_KIND,
    WITH_RECIPE,
    ArtifactRecord,
    EngineRecord,
    ModelRecord,
    RoleRecord,
    standard_type,
)
from stackplan.catalog_yaml import CatalogRecords, Located
from stackplan.errors import UserError
from stackplan.estimate.weights import Prepared, prepare
from stackplan.hardware import Basis
from stackplan.units import GIB, MIB, parse_bytes

# Hugging Face refuses single files above 50 GB, so publishers split them (huggingface_hub 2.4 docs, "storage limits").
LARGEST_SINGLE_FILE_BYTES = 50 * 10**9
# A header holds tokenizer and chat template, which differ between publishers of the same weights by a few MB.
HEADER_TOLERANCE_BYTES = 8 * MIB
TOWER_BYTES_PER_PARAMETER = 2  # vision towers are kept in 16 bits (facts of every projector file listed)


@dataclass(frozen=True, slots=True)
class Finding:
    """A published size that the quantiser's rules do not give. ``note`` is the reason, where the record states one."""

    artifact: str
    published_bytes: int
    resolution_bytes: int
    derived_bytes: int
    note: str = ""

    @property
    def difference_bytes(self) -> int:
        """How much larger the published file is."""
        return self.published_bytes - self.derived_bytes


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
        overrides = tuple((key, _hashable(value)) for key, value in sorted(place.architecture.items()))
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


def _hashable(value: Any) -> Any:
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


@dataclass(slots=True)
class _Builder:
    """Builds one model and collects what disagrees."""

    record: ModelRecord
    engines: tuple[EngineRecord, ...]
    findings: list[Finding]
    shapes: Shapes

    def artifacts(self) -> tuple[Artifact, ...]:
        """Every artifact that can be sized, in the order of the record."""
        pairs = ((place, kind) for place in self.record.artifacts for kind in place.offered)
        made = (self._artifact(place, kind) for place, kind in pairs)
        return tuple(artifact for artifact in made if artifact is not None)

    def _artifact(self, place: ArtifactRecord, kind: str) -> Artifact | None:
        """One artifact, or None when nothing tells its size."""
        sized = self._sized(place, kind)
        if sized is None:
            return None
        file_bytes, basis, weights, printed = sized
        projector_file, projector_bytes = self._projector(place, kind, file_bytes)
        parts = parts_of(file_bytes) if place.format == "gguf" else 1
        return Artifact(
            id=artifact_id(place, kind),
            model=self.record.id,
            format=place.format,
            quantisation=kind,
            repository=place.tag or place.repository or "",
            file_bytes=file_bytes,
            size_basis=basis,
            files=(place.file.replace("{quantisation}", kind),) if place.file and parts == 1 else (),
            engines=self._engines(place, parts),
            revision=place.revision,
            importance_matrix=place.importance_matrix,
            published_bytes=printed.size_bytes if printed else None,
            published_resolution_bytes=printed.resolution_bytes if printed else 0,
            parts=parts,
            projector_file=projector_file,
            projector_bytes=projector_bytes,
            weights=weights,
        )

    def _sized(
        self, place: ArtifactRecord, kind: str
    ) -> tuple[int, Basis, WeightTable | None, Published | None] | None:
        """Size, basis, weight table and printed size of one file."""
        printed = printed_size(place, kind)
        if place.format in {"safetensors", "ctranslate2"}:
            plain = printed.upper_bytes if printed else int(self.record.parameters * (place.bytes_per_parameter or 0))
            return (plain, Basis.PUBLISHED if printed else Basis.DERIVED, None, printed) if plain else None
        table = self.shapes.size(place, kind)
        if printed is None:
            return (table.file_bytes, Basis.DERIVED, table, None) if table else None
        if place.includes_projector:
            printed = self._without_tower(printed, table)
        if table and not kind.startswith(DYNAMIC_PREFIX):
            if not printed.agrees(table.file_bytes):
                self._note(place, kind, printed, table)
            elif printed.resolution_bytes:
                return table.file_bytes, Basis.DERIVED, table, printed
            elif table.tensor_bytes < printed.size_bytes:  # exact bytes, and only the header is another
                return printed.size_bytes, Basis.PUBLISHED, replace(table, file_bytes=printed.size_bytes), printed
        weights = stretch(table, printed.upper_bytes) if table else None
        return printed.upper_bytes, Basis.PUBLISHED, weights, printed

    def _note(self, place: ArtifactRecord, kind: str, printed: Published, table: WeightTable) -> None:
        """Keep a disagreement for ``catalog validate``."""
        self.findings.append(
            Finding(
                artifact_id(place, kind),
                printed.size_bytes,
                printed.resolution_bytes,
                table.file_bytes,
                place.size_note,
            )
        )

    def _without_tower(self, printed: Published, table: WeightTable | None) -> Published:
        """What is printed less the vision tower; never less than the text model, should the tower be quantised."""
        tower = self.record.vision_parameters * TOWER_BYTES_PER_PARAMETER
        least = min(table.file_bytes, printed.size_bytes) if table else 0
        return replace(printed, size_bytes=max(printed.size_bytes - tower, least))

    def _projector(self, place: ArtifactRecord, kind: str, file_bytes: int) -> tuple[str, int]:
        """The projector to serve with: 16-bit floats where offered, else the smallest other."""
        if place.projector_bytes is not None:
            return "", place.projector_bytes
        if place.includes_projector and (printed := printed_size(place, kind)):
            return "", max(0, printed.upper_bytes - file_bytes)
        if not place.projectors:
            return "", 0
        name = min(place.projectors, key=lambda file: (projector_rank(file), place.projectors[file], file))
        return name, published_gib(place.projectors[name]).upper_bytes

    def _engines(self, place: ArtifactRecord, parts: int) -> tuple[str, ...]:
        """Engines that read this format for one of the model's modes; Ollama pulls no split GGUF (ollama#5245)."""
        if place.engines is not None:
            return tuple(place.engines)
        modes = {MODE_OF_KIND.get(kind, "chat") for kind in self.record.suits}
        fitting = (e for e in self.engines if place.format in e.formats and modes & set(e.modes))
        return tuple(engine.id for engine in fitting if parts == 1 or engine.reads_split_files)


def projector_rank(file: str) -> int:
    """F16 first (every backend computes with it), then BF16, then the rest."""
    name = file.lower()
    return 0 if "-f16" in name else 1 if "bf16" in name else 2


def artifact_id(place: ArtifactRecord, kind: str) -> str:
    """The stable name of an artifact: ``REPOSITORY:QUANTISATION``, or ``ollama:TAG``."""
    return f"ollama:{place.tag}" if place.tag else f"{place.repository}:{kind}"


def printed_size(place: ArtifactRecord, kind: str) -> Published | None:
    """What the source printed for one quantisation."""
    if (gib := place.published_gib.get(kind)) is not None:
        return published_gib(gib)
    if place.published_bytes is not None:
        return Published(place.published_bytes)
    return published_label(place.published_size) if place.published_size else None


def build_catalog(records: CatalogRecords, digest: str) -> tuple[Catalog, tuple[Finding, ...]]:
    """The finished catalog, and the published sizes that disagree with the rules."""
    findings: list[Finding] = []
    engines = tuple(located.record for located in records.engines)
    models = tuple(_model(located, engines, findings) for located in records.models)
    dates = [model.date for model in models] + [engine.date for engine in engines]
    catalog = Catalog(
        models=models,
        roles=tuple(_role(located.record) for located in records.roles),
        engines=tuple(_engine(located.record) for located in records.engines),
        date=max(dates, default=""),
        digest=digest,
    )
    return catalog, tuple(findings)


def _model(located: Located[ModelRecord], engines: tuple[EngineRecord, ...], findings: list[Finding]) -> Model:
    """One finished model."""
    record = located.record
    shapes = Shapes(located)
    return Model(
        id=record.id,
        name=record.name,
        family=located.family,
        lineage=record.lineage,
        released=record.released,
        repository=record.repository,
        licence=Licence(**record.licence.model_dump()),
        context_tokens=record.context_tokens,
        parameters=record.parameters,
        active_parameters=record.active_parameters,
        tokenizer=record.tokenizer.family,
        vocabulary_size=record.tokenizer.vocabulary,
        inputs=tuple(record.inputs),
        suits=tuple(record.suits),
        artifacts=_Builder(record, engines, findings, shapes).artifacts(),
        architecture=shapes.architecture(),
        quality=tuple(QualityFigure(**figure.model_dump()) for figure in record.quality),
        thinking=record.thinking,
        prediction_head=record.prediction_head,
        embedding_dimensions=record.embedding.dimensions if record.embedding else None,
        source=record.sources.parameters,
        date=record.date,
        notes=record.notes,
        origin=shown(located.path),
    )


def shown(path: Path) -> str:
    """Where a record is, for people; the same on every machine for what ships with stackplan."""
    bundled = bundled_folder("catalog")
    return f"catalog/{path.relative_to(bundled).as_posix()}" if path.is_relative_to(bundled) else str(path)


def _role(record: RoleRecord) -> Role:
    """One finished role."""
    values: dict[str, Any] = {name: _hashable(value) for name, value in record.model_dump().items()}
    return Role(**values)


def _engine(record: EngineRecord) -> Engine:
    """One finished engine."""
    dumped = record.model_dump(exclude={"notes", "reads_split_files"})
    values: dict[str, Any] = {name: _hashable(value) for name, value in dumped.items()}
    return Engine(**values)


def unsized(records: CatalogRecords, catalog: Catalog) -> Iterable[str]:
    """Artifacts that the files list and nobody can size; they are not offered."""
    offered = {artifact.id for model in catalog.models for artifact in model.artifacts}
    for located in records.models:
        for place in located.record.artifacts:
            yield from (name for kind in place.offered if (name := artifact_id(place, kind)) not in offered)
