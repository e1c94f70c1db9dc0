"""What people write about stacks, policies and quality, read strictly into values.

Every mistake names file, line and field. The shapes are pydantic's, at this edge only; inside are dataclasses.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from stackplan.catalog import Role
from stackplan.remote import remote_endpoints
from stackplan.stack import RoleRequest, Stack
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
    known = {role.id: role for role in roles}
    seen: set[str] = set()
    for index, request in enumerate(record.roles):
        if request.role not in known:
            hint = f"roles are: {', '.join(sorted(known))}"
            raise document.error(("roles", index, "role"), f"there is no role {request.role!r}", hint=hint)
        if request.role in seen:
            message = f"the role {request.role!r} is asked for twice"
            raise document.error(("roles", index, "role"), message, hint="give it once, with count: N")
        if request.active_experts and not known[request.role].expert_reduction:
            message = f"the role {request.role!r} does not allow fewer experts"
            allowed = [role.id for role in roles if role.expert_reduction]
            hint = f"roles that do: {', '.join(allowed) or 'none'} (expert_reduction in roles.yaml)"
            raise document.error(("roles", index, "active_experts"), message, hint=hint)
        seen.add(request.role)
    for index, fallback in enumerate(record.fallbacks):
        for place, role in enumerate(fallback.roles):
            if role not in seen:
                hint = f"roles of this stack: {', '.join(sorted(seen))}"
                raise document.error(("fallbacks", index, "roles", place), f"the stack has no role {role!r}", hint=hint)
    return Stack(
        id=path.stem,
        title=record.title,
        roles=tuple(map(_request, record.roles)),
        gateway_port=record.gateway_port,
        source=record.source,
        fallbacks=remote_endpoints(record.fallbacks),
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
        active_experts=record.active_experts,
    )
