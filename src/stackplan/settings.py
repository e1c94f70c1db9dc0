"""What users set on top of a stack: ``--set ROLE.FIELD=VALUE``, held to the same bounds as the stack's own file."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from stackplan.catalog import Catalog, Role
from stackplan.errors import UserError
from stackplan.hardware import Host
from stackplan.stack import RoleRequest, Stack
from stackplan.units import parse_tokens
from stackplan.values import replace

# The word that users write -> the field of a stack's file, and how its text is read.
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
_FIELDS: dict[str, tuple[str, Any]] = {
    "context": ("context_floor", parse_tokens),
    "context-wish": ("context_wish", parse_tokens),
    "tier": ("tier", str),
    "model": ("model", str),
    "quant": ("quantisation", str),
    "engine": ("engine", str),
    "kv": ("kv_type", str),
    "device": ("device", str),
    "slots": ("slots", int),
    "count": ("count", int),
    "port": ("port", int),
    "priority": ("priority", float),
    "required": ("required", lambda text: _BOOLEANS[text.lower()]),
    "speed": ("speed_floor", float),
    "speed-wish": ("speed_wish", float),
    "quality": ("quality_floor", float),
}
_EXAMPLES = {
    "context": "32k",
    "context-wish": "64k",
    "tier": "hot",
    "kv": "q8_0",
    "slots": "2",
    "count": "2",
    "port": "8101",
    "priority": "2",
    "required": "false",
    "speed": "10",
    "speed-wish": "40",
    "quality": "40",
}
# Where a field of a stack's file is called otherwise in a request.
_REQUEST_FIELDS = {"context_floor": "context_floor_tokens", "context_wish": "context_wish_tokens"}


def with_settings(stack: Stack, settings: Iterable[str], catalog: Catalog, host: Host) -> Stack:
    """The stack with every setting applied. Raises UserError for a role, field, name or value that is not known."""
    changed = {request.role: request for request in stack.roles}
    for setting in settings:
        role, field, text = _parts(setting, changed)
        changed[role] = _changed(changed[role], field, text, setting, _names(field, catalog, host))
    return replace(stack, roles=tuple(changed.values()))


def with_context_limit(stack: Stack, roles: Iterable[Role], limit_tokens: int | None) -> Stack:
    """The stack with no wish above the machine's limit. Raises UserError for a role whose floor is above it."""
    if limit_tokens is None:
        return stack
    known = {role.id: role for role in roles}
    return replace(stack, roles=tuple(_within(request, known[request.role], limit_tokens) for request in stack.roles))


def _within(request: RoleRequest, role: Role, limit_tokens: int) -> RoleRequest:
    asked, wished = request.context_floor_tokens, request.context_wish_tokens
    floor = role.context_floor_tokens if asked is None else asked
    if floor > limit_tokens:
        raise UserError(
            f"{role.id} needs {floor} tokens of context, and the profile's runtime.context_limit is {limit_tokens}",
            hint=f"raise the limit, or set context_floor of {role.id} in the stack",
            slug="context-limit",
        )
    wish = role.context_wish_tokens if wished is None else wished
    return replace(request, context_wish_tokens=max(floor, min(wish, limit_tokens)))


def _parts(setting: str, roles: dict[str, RoleRequest]) -> tuple[str, str, str]:
    target, _, text = setting.partition("=")
    role, _, field = target.partition(".")
    field = field.replace("_", "-")
    if not text or not field:
        raise _bad(f"--set {setting} is not ROLE.FIELD=VALUE", "like worker.context=32k")
    if role not in roles:
        raise _bad(f"--set {setting}: the stack has no role {role!r}", f"its roles: {', '.join(roles)}")
    if field not in _FIELDS:
        raise _bad(f"--set {setting}: there is no field {field!r}", f"fields: {', '.join(_FIELDS)}")
    return role, field, text


def _names(field: str, catalog: Catalog, host: Host) -> list[str] | None:
    """Every name that a field may have; None where it is a number or has names of its own."""
    if field == "model":
        return [model.id for model in catalog.models]
    if field == "engine":
        return [engine.id for engine in catalog.engines]
    if field == "quant":
        return sorted({artifact.quantisation for model in catalog.models for artifact in model.artifacts})
    return [device.id for device in host.devices] if field == "device" else None


def _changed(request: RoleRequest, field: str, text: str, setting: str, names: list[str] | None) -> RoleRequest:
    if names is not None and text not in names:
        near = get_close_matches(text, names, 3, cutoff=0.3) or names[:5]
        raise _bad(f"--set {setting}: there is no {field} {text!r}", f"near: {', '.join(near)}")
    name = _FIELDS[field][0]
    value = _value(request.role, field, text, setting)
    changes: dict[str, Any] = {_REQUEST_FIELDS.get(name, name): value}
    if field == "tier":
        changes["tier_pinned"] = True
    if field == "context":  # this much and no less; the wish follows where it was smaller
        changes["context_wish_tokens"] = max(value, request.context_wish_tokens or value)
    return replace(request, **changes)


def _value(role: str, field: str, text: str, setting: str) -> Any:
    from pydantic import ValidationError  # noqa: PLC0415  (only who sets something pays for it)

    from stackplan.stack_schema import RequestRecord  # noqa: PLC0415

    name, read = _FIELDS[field]
    hint = f"like {role}.{field}={_EXAMPLES.get(field, 'a name of the catalog')}"
    try:
        value = getattr(RequestRecord.model_validate({"role": role, name: read(text)}), name)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise _bad(f"--set {setting[:120]}: {reason[:200]}", hint) from error
    except (ValueError, KeyError, OverflowError) as error:
        raise _bad(f"--set {setting[:120]}: {text[:80]!r} is no value of {field}", hint) from error
    if value == 0 and not isinstance(value, bool):
        raise _bad(f"--set {setting}: must be greater than 0", hint)
    return value


def _bad(message: str, hint: str) -> UserError:
    return UserError(message, hint=hint, slug="bad-set")
