"""The tables of judgement, read strictly into values: quality scales, costs of quantisation, policy presets.

Every mistake names file, line and field. `judgement_index` keeps what is read here.
"""

from math import log
from pathlib import Path
from typing import TYPE_CHECKING

from stackplan.hardware import Basis
from stackplan.quality_tables import Bridge, Curve, Metric, Prior, QualityTables, QuantisationTables, Scale
from stackplan.stack import Policy
from stackplan.strict_yaml import read_yaml
from stackplan.yaml_schema import checked

if TYPE_CHECKING:
    from stackplan import judgement_schema as schema

HINT = "docs/quality.md shows the fields"


def load_presets(path: Path) -> dict[str, Policy]:
    """The policy presets of ``catalog/presets.yaml`` by name. Raises UserError."""
    from stackplan import judgement_schema as schema  # noqa: PLC0415

    record = checked(read_yaml(path), schema.PresetsFile, HINT)
    return {name: _policy(name, preset) for name, preset in sorted(record.presets.items())}


def load_quality(path: Path) -> QualityTables:
    """The quality scales of ``catalog/quality.yaml``. Raises UserError."""
    from stackplan import judgement_schema as schema  # noqa: PLC0415

    document = read_yaml(path)
    record = checked(document, schema.QualityFile, HINT)
    scales: dict[str, Scale] = {}
    for index, scale in enumerate(record.scales):
        where = ("scales", index, "id")
        if scale.id in scales:
            raise document.error(where, f"the scale {scale.id!r} is given twice")
        if missing := next((b.scale for b in scale.bridges if b.scale not in scales), None):
            raise document.error(("scales", index, "bridges"), f"bridges to {missing!r}, which must be given above it")
        scales[scale.id] = _scale(scale)
    return QualityTables(scales, dict(record.belief.model_dump()))


def load_quantisation(path: Path) -> QuantisationTables:
    """The costs of quantisation of ``catalog/quantisation.yaml``. Raises UserError."""
    from stackplan import judgement_schema as schema  # noqa: PLC0415

    record = checked(read_yaml(path), schema.QuantisationFile, HINT)
    return QuantisationTables(
        divergence={row.type: row.divergence for row in record.weights},
        bits={row.type: row.bits for row in record.weights},
        envelope=_envelope(record.weights),
        kv_divergence={row.type: row.divergence for row in record.kv},
        native={row.family: row.type for row in record.native},
        loss_per_divergence=record.loss_per_divergence,
        reference_parameters=record.reference_parameters,
        size_exponent=record.size_exponent,
        least_factor=record.least_factor,
        most_factor=record.most_factor,
    )


def _envelope(rows: "list[schema.WeightTypeRecord]") -> Curve:
    """The least divergence by bits, of types that were measured."""
    best: list[tuple[float, float]] = []
    for row in sorted(rows, key=lambda row: (row.bits, row.divergence)):
        if row.basis == "published" and row.divergence > 0 and (not best or row.divergence < best[-1][1]):
            best.append((row.bits, row.divergence))
    return Curve(tuple(bits for bits, _ in best), tuple(log(divergence) for _, divergence in best))


def _policy(name: str, record: "schema.PresetRecord") -> Policy:
    return Policy(
        id=name,
        quality_weight=record.quality_weight,
        speed_weight=record.speed_weight,
        context_weight=record.context_weight,
        tier_weight=record.tier_weight,
        memory_weight=record.memory_weight,
        kv_types=tuple(record.kv_types),
    )


def _scale(record: "schema.ScaleRecord") -> Scale:
    prior = record.prior
    return Scale(
        id=record.id,
        title=record.title,
        groups=tuple(tuple(map(_metric, group)) for group in record.groups),
        prior=Prior(**prior.model_dump()),
        bridges=tuple(Bridge(b.scale, _curve(b.points), b.spread, b.note) for b in record.bridges),
        source=record.source,
    )


def _metric(record: "schema.MetricRecord") -> Metric:
    curve = _curve(record.points)
    return Metric(record.metric, curve, record.weight, Basis(record.basis), record.spread, record.note)


def _curve(points: list[list[float]]) -> Curve:
    return Curve(tuple(x for x, _ in points), tuple(y for _, y in points))
