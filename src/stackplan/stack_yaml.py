"""What people write about stacks, policies and quality, read strictly into values.

Every mistake names file, line and field. The shapes are pydantic's, at this edge only; inside are dataclasses.
"""

from math import log
from pathlib import Path
from typing import TYPE_CHECKING

from stackplan.catalog import Role
from stackplan.hardware import Basis
from stackplan.quality_tables import Bridge, Curve, Metric, Prior, QualityTables, QuantisationTables, Scale
from stackplan.stack import Policy, RoleRequest, Stack
from stackplan.strict_yaml import read_yaml
from stackplan.yaml_schema import checked

if TYPE_CHECKING:
    from stackplan import stack_schema as schema

HINT = "docs/quality.md shows the fields"
STACK_HINT = "docs/stacks.md shows the fields"


def load_stack(path: Path, roles: tuple[Role, ...]) -> Stack:
    """The stack in ``path``, whose roles must be among ``roles``. Raises UserError."""
    from stackplan import stack_schema as schema  # noqa: PLC0415

    document = read_yaml(path)
    record = checked(document, schema.StackFile, STACK_HINT)
    known = {role.id for role in roles}
    seen: set[str] = set()
    for index, request in enumerate(record.roles):
        if request.role not in known:
            hint = f"roles are: {', '.join(sorted(known))}"
            raise document.error(("roles", index, "role"), f"there is no role {request.role!r}", hint=hint)
        if request.role in seen:
            message = f"the role {request.role!r} is asked for twice"
            raise document.error(("roles", index, "role"), message, hint="give it once, with count: N")
        seen.add(request.role)
    return Stack(path.stem, record.title, tuple(map(_request, record.roles)), record.gateway_port, record.source)


def load_presets(path: Path) -> dict[str, Policy]:
    """The policy presets of ``catalog/presets.yaml`` by name. Raises UserError."""
    from stackplan import stack_schema as schema  # noqa: PLC0415

    record = checked(read_yaml(path), schema.PresetsFile, HINT)
    return {name: _policy(name, preset) for name, preset in sorted(record.presets.items())}


def load_quality(path: Path) -> QualityTables:
    """The quality scales of ``catalog/quality.yaml``. Raises UserError."""
    from stackplan import stack_schema as schema  # noqa: PLC0415

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
    from stackplan import stack_schema as schema  # noqa: PLC0415

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


def _request(record: "schema.RequestRecord") -> RoleRequest:
    return RoleRequest(
        role=record.role,
        priority=record.priority,
        required=record.required,
        tier=record.tier,
        context_floor_tokens=record.context_floor,
        context_wish_tokens=record.context_wish,
        speed_floor=record.speed_floor,
        speed_wish=record.speed_wish,
        count=record.count,
        slots=record.slots,
        port=record.port,
        model=record.model,
        quantisation=record.quantisation,
        engine=record.engine,
        kv_type=record.kv_type,
        device=record.device,
        quality_floor=record.quality_floor,
        max_parameters=record.max_parameters,
        min_parameters=record.min_parameters,
        architecture_classes=tuple(record.architecture_classes),
        forbid=tuple(record.forbid),
    )


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
