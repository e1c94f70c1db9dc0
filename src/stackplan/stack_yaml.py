"""What people write about roles, stacks, policies and quality, read strictly into values.

Every mistake names file, line and field. The shapes are pydantic's, at this edge only; inside are dataclasses.
"""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from stackplan.catalog import Role
from stackplan.errors import UserError
from stackplan.hardware import Basis
from stackplan.quality_tables import Bridge, Curve, Metric, Prior, QualityTables, QuantisationTables, Scale
from stackplan.stack import Policy, RoleRequest, Stack
from stackplan.strict_yaml import Document, read_yaml

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from stackplan import stack_schema as schema

Shape = TypeVar("Shape", bound="BaseModel")


def load_roles(path: Path) -> tuple[Role, ...]:
    """The roles of ``catalog/roles.yaml``, in the order written. Raises UserError."""
    from stackplan import stack_schema as schema  # noqa: PLC0415  (pydantic is not needed to start)

    document = read_yaml(path)
    roles = validated(document, schema.RolesFile).roles
    seen: set[str] = set()
    for index, role in enumerate(roles):
        if role.id in seen:
            raise document.error(("roles", index, "id"), f"the role {role.id!r} is given twice")
        seen.add(role.id)
    for index, role in enumerate(roles):
        for other in role.checks:
            if other not in seen:
                raise document.error(("roles", index, "checks"), f"there is no role {other!r}")
    return tuple(_role(role) for role in roles)


def load_stack(path: Path, roles: tuple[Role, ...]) -> Stack:
    """The stack in ``path``, whose roles must be among ``roles``. Raises UserError."""
    from stackplan import stack_schema as schema  # noqa: PLC0415

    document = read_yaml(path)
    record = validated(document, schema.StackFile)
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

    record = validated(read_yaml(path), schema.PresetsFile)
    return {name: _policy(name, preset) for name, preset in sorted(record.presets.items())}


def load_quality(path: Path) -> QualityTables:
    """The quality scales of ``catalog/quality.yaml``. Raises UserError."""
    from stackplan import stack_schema as schema  # noqa: PLC0415

    document = read_yaml(path)
    record = validated(document, schema.QualityFile)
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

    record = validated(read_yaml(path), schema.QuantisationFile)
    return QuantisationTables(
        loss={row.type: row.loss for row in record.weights},
        kv_loss={row.type: row.loss for row in record.kv},
        native=frozenset(record.native),
        reference_parameters=record.reference_parameters,
        size_exponent=record.size_exponent,
        least_factor=record.least_factor,
        most_factor=record.most_factor,
        unknown_loss=record.unknown_loss,
    )


def validated(document: Document, shape: type[Shape]) -> Shape:
    """The data of ``document`` as ``shape``; a UserError with the line and field of the first mistake."""
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        return shape.model_validate(document.data)
    except ValidationError as error:
        raise _first_mistake(document, error) from None


def _first_mistake(document: Document, error: "ValidationError") -> UserError:
    mistakes = error.errors(include_url=False, include_context=False)
    first = min(mistakes, key=lambda one: document.line(one["loc"]))
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    return document.error(first["loc"], first["msg"] + more)


def _role(record: "schema.RoleRecord") -> Role:
    return Role(
        id=record.id,
        title=record.title,
        suits=tuple(record.suits),
        scale=record.scale,
        mode=record.mode,
        engines=tuple(record.engines),
        default_tier=record.default_tier,
        context_floor_tokens=record.context_floor_tokens,
        context_wish_tokens=record.context_wish_tokens,
        speed_floor=record.speed_floor,
        speed_wish=record.speed_wish,
        port=record.port,
        slots=record.slots,
        inputs=tuple(record.inputs),
        thinking=record.thinking,
        speculation=record.speculation,
        architecture_classes=tuple(record.architecture_classes),
        quality_floor=record.quality_floor,
        checks=tuple(record.checks),
        source=record.source,
    )


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
