"""Catalog records -> finished values: every artifact with its size and, where the shape is known, its weight table.

A file's size comes from the quantiser's rules applied to the shape. Where the source printed another size, the
recipe was another one (a publisher's own mixture, an old file): then the printed size counts, at its upper edge, and
the weight table is stretched to it. `Finding` names each such case, for ``stackplan catalog validate``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from stackplan.architecture import WeightTable
from stackplan.bundled import bundled_folder
from stackplan.catalog import Artifact, Catalog, Engine, Licence, Model, QualityFigure, Role
from stackplan.catalog_schema import (
    DYNAMIC_PREFIX,
    MODE_OF_KIND,
    ArtifactRecord,
    FamilyFile,
    ModelRecord,
    RoleRecord,
)
from stackplan.catalog_sizes import (
    Published,
    Shape,
    Shapes,
    Sized,
    hashable,
    parts_of,
    printed_size,
    published_gib,
    stretch,
)
from stackplan.catalog_yaml import HINT, CatalogRecords, Located
from stackplan.engine_schema import EngineRecord
from stackplan.hardware import Basis
from stackplan.strict_yaml import read_yaml
from stackplan.values import replace
from stackplan.yaml_schema import checked

SPELT_VARIOUSLY = frozenset({"F32", "F16", "BF16", "MXFP4"})
TOWER_BYTES_PER_PARAMETER = 2  # vision towers are kept in 16 bits (facts of every projector file listed)


class Finding(Struct, frozen=True):
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
            files=file_names(place, kind) if parts == 1 else (),
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


def file_names(place: ArtifactRecord, kind: str) -> tuple[str, ...]:
    """The file's name where the publisher's pattern tells it; unquantised types are spelt in both cases."""
    if place.file is None or (kind in SPELT_VARIOUSLY and "{quantisation}" in place.file):
        return ()
    return (place.file.replace("{quantisation}", kind),)


def artifact_id(place: ArtifactRecord, kind: str) -> str:
    """The stable name of an artifact: ``REPOSITORY:QUANTISATION``, or ``ollama:TAG``."""
    return f"ollama:{place.tag}" if place.tag else f"{place.repository}:{kind}"


def build_catalog(records: CatalogRecords, digest: str) -> tuple[Catalog, tuple[Finding, ...]]:
    """The finished catalog, and the published sizes that disagree with the rules."""
    findings: list[Finding] = []
    engines = tuple(located.record for located in records.engines)
    known: dict[Shape, Sized] = {}
    models = tuple(_model(located, engines, findings, known) for located in records.models)
    dates = [model.date for model in models] + [engine.date for engine in engines]
    catalog = Catalog(
        models=models,
        roles=tuple(_role(located.record) for located in records.roles),
        engines=tuple(_engine(located.record) for located in records.engines),
        date=max(dates, default=""),
        digest=digest,
    )
    return catalog, tuple(findings)


def models_in(path: Path) -> tuple[Model, ...]:
    """The models of one file: a family as in ``catalog/models``, or a single record. UserError when it is neither."""
    document = read_yaml(path)
    if isinstance(document.data, Mapping) and "models" in document.data:
        family = checked(document, FamilyFile, HINT)
        located = [Located(model, document, ("models", n), family.family) for n, model in enumerate(family.models)]
    else:
        located = [Located(checked(document, ModelRecord, HINT), document, ())]
    return tuple(_model(record, (), [], {}) for record in located)


def _model(
    located: Located[ModelRecord],
    engines: tuple[EngineRecord, ...],
    findings: list[Finding],
    known: dict[Shape, Sized],
) -> Model:
    """One finished model."""
    record = located.record
    shapes = Shapes(located, known)
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
        pooling=record.embedding.pooling if record.embedding else "",
        source="; ".join(f"{group}: {text}" for group, text in record.sources.model_dump().items() if text),
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
    values: dict[str, Any] = {name: hashable(value) for name, value in record.model_dump().items()}
    return Role(**values)


def _engine(record: EngineRecord) -> Engine:
    """One finished engine."""
    dumped = record.model_dump(exclude={"notes", "reads_split_files"})
    values: dict[str, Any] = {name: hashable(value) for name, value in dumped.items()}
    return Engine(**values)


def unsized(records: CatalogRecords, catalog: Catalog) -> Iterable[str]:
    """Artifacts that the files list and nobody can size; they are not offered."""
    offered = {artifact.id for model in catalog.models for artifact in model.artifacts}
    for located in records.models:
        for place in located.record.artifacts:
            yield from (name for kind in place.offered if (name := artifact_id(place, kind)) not in offered)
