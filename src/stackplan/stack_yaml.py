"""What people write about stacks, policies and quality, read strictly into values.

Every mistake names file, line and field. The shapes are pydantic's, at this edge only; inside are dataclasses.
"""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackplan.catalog import Role
from stackplan.content_index import ContentIndex
from stackplan.remote import RemoteEndpoint, remote_endpoints
from stackplan.stack import RoleRequest, Stack
from stackplan.strict_yaml import FieldPath, parse_yaml, read_bytes
from stackplan.yaml_schema import checked

if TYPE_CHECKING:
    from stackplan import stack_schema as schema

HINT = "docs/quality.md shows the fields"
STACK_HINT = "docs/stacks.md shows the fields"


def load_stack(path: Path, roles: tuple[Role, ...]) -> Stack:
    """The stack in ``path``, whose roles must be among ``roles``. Raises UserError.

    What its own schema allows is known from an index when the file is unchanged, which saves pydantic and YAML; the
    roles are looked at every time, since they come from other files.
    """
    content = read_bytes(path)
    stack = _INDEX.get(lambda: (os.fsencode(path.name), content), lambda: _checked(path, content))
    mistake = next(_mistakes(stack, roles), None)
    if mistake is not None:
        place, message, hint = mistake
        raise parse_yaml(content, path).error(place, message, hint=hint)
    return stack


def _checked(path: Path, content: bytes) -> Stack:
    from stackplan import stack_schema as schema  # noqa: PLC0415

    record = checked(parse_yaml(content, path), schema.StackFile, STACK_HINT)
    return Stack(
        id=path.stem,
        title=record.title,
        roles=tuple(map(_request, record.roles)),
        gateway_port=record.gateway_port,
        source=record.source,
        fallbacks=remote_endpoints(record.fallbacks),
    )


def _mistakes(stack: Stack, roles: tuple[Role, ...]) -> Iterator[tuple[FieldPath, str, str]]:
    """Where the stack and the catalog's roles do not fit: the field, what is wrong and a hint."""
    known = {role.id: role for role in roles}
    seen: set[str] = set()
    for index, request in enumerate(stack.roles):
        if request.role not in known:
            hint = f"roles are: {', '.join(sorted(known))}"
            yield ("roles", index, "role"), f"there is no role {request.role!r}", hint
        elif request.role in seen:
            message = f"the role {request.role!r} is asked for twice"
            yield ("roles", index, "role"), message, "give it once, with count: N"
        elif request.active_experts and not known[request.role].expert_reduction:
            message = f"the role {request.role!r} does not allow fewer experts"
            allowed = [role.id for role in roles if role.expert_reduction]
            hint = f"roles that do: {', '.join(allowed) or 'none'} (expert_reduction in roles.yaml)"
            yield ("roles", index, "active_experts"), message, hint
        seen.add(request.role)
    for index, fallback in enumerate(stack.fallbacks):
        for place, role in enumerate(fallback.roles):
            if role not in seen:
                hint = f"roles of this stack: {', '.join(sorted(seen))}"
                yield ("fallbacks", index, "roles", place), f"the stack has no role {role!r}", hint


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


def _decode(data: dict[str, Any]) -> Stack:
    """What `asdict` made of a stack, as a stack again."""
    return Stack(
        id=data["id"],
        title=data["title"],
        roles=tuple(RoleRequest(**_frozen(row)) for row in data["roles"]),
        gateway_port=data["gateway_port"],
        source=data["source"],
        fallbacks=tuple(RemoteEndpoint(**_frozen(row)) for row in data["fallbacks"]),
    )


def _frozen(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


_INDEX = ContentIndex(
    name="stack",
    made_by=("stack*.py", "remote*.py", "serving.py", "units.py", "strict_yaml.py", "yaml_schema.py"),
    encode=asdict,
    decode=_decode,
    kept=16,
)
