"""What each role needs, once the stack, the role's own defaults and the user's pins are put together."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from stackplan.catalog import Catalog, Role
from stackplan.errors import UserError
from stackplan.stack import RoleRequest, Stack
from stackplan.values import replace


@dataclass(frozen=True, slots=True)
class RoleNeed:
    """One role to be served once. ``id`` is the role's name, with a number where the stack asks for several."""

    id: str
    role: Role
    required: bool
    priority: float
    tier: str
    tier_pinned: bool
    context_floor_tokens: int
    context_wish_tokens: int
    speed_floor: float
    speed_wish: float
    quality_floor: float
    slots: int
    port: int
    model: str | None
    quantisation: str | None
    engine: str | None
    kv_type: str | None
    device: str | None
    max_parameters: int | None
    min_parameters: int | None
    architecture_classes: tuple[str, ...]
    forbid: tuple[str, ...]
    request: RoleRequest
    pool: str = ""
    """The request that this need is one of several for; members of a pool get different weights."""
    held: bool = False
    """Whether an explanation holds it to something: then no member of its pool is like it."""


def needs_of(stack: Stack, catalog: Catalog) -> tuple[RoleNeed, ...]:
    """Every need of the stack, in its order. Raises UserError for a role that the catalog does not have."""
    roles = {role.id: role for role in catalog.roles}
    needs: list[RoleNeed] = []
    for request in stack.roles:
        if request.role not in roles:
            raise _unknown_role(request.role, sorted(roles))
        needs += _copies(_merged(request, roles[request.role]), request.count)
    _refuse_shared_ports(needs, stack)
    return tuple(needs)


def speaking(needs: Sequence[RoleNeed]) -> tuple[RoleNeed, ...]:
    """Needs that stand for themselves, and of each pool whose members nothing tells apart the first."""
    checked = {role for need in needs for role in need.role.checks}
    alike = [members for members in pools_of(needs) if _alike(members, checked)]
    silent = {need.id for members in alike for need in members[1:]}
    return tuple(need for need in needs if need.id not in silent)


def pools_of(needs: Sequence[RoleNeed]) -> list[list[RoleNeed]]:
    """The members of each pool, which want different models."""
    pools: dict[str, list[RoleNeed]] = {}
    for need in needs:
        if need.pool:
            pools.setdefault(need.pool, []).append(need)
    return list(pools.values())


def _alike(members: Sequence[RoleNeed], checked: Collection[str]) -> bool:
    """Whether members of a pool are interchangeable: a rule between roles may be kept by one and broken by another."""
    first = members[0]
    apart = first.role.checks or first.role.id in checked
    return not apart and all(replace(one, id=first.id, port=first.port) == first for one in members)


def _merged(request: RoleRequest, role: Role) -> RoleNeed:
    floor = _chosen(request.context_floor_tokens, role.context_floor_tokens)
    return RoleNeed(
        id=role.id,
        role=role,
        required=request.required,
        priority=request.priority,
        tier=request.tier or role.default_tier,
        tier_pinned=request.tier_pinned,
        context_floor_tokens=floor,
        context_wish_tokens=max(floor, _chosen(request.context_wish_tokens, role.context_wish_tokens)),
        speed_floor=_chosen(request.speed_floor, role.speed_floor),
        speed_wish=_chosen(request.speed_wish, role.speed_wish),
        quality_floor=_chosen(request.quality_floor, role.quality_floor),
        slots=_chosen(request.slots, role.slots),
        port=_chosen(request.port, role.port),
        model=request.model,
        quantisation=request.quantisation,
        engine=request.engine,
        kv_type=request.kv_type,
        device=request.device,
        max_parameters=request.max_parameters,
        min_parameters=request.min_parameters,
        architecture_classes=request.architecture_classes or role.architecture_classes,
        forbid=request.forbid,
        request=request,
    )


_Value = TypeVar("_Value")


def _chosen(asked: _Value | None, default: _Value) -> _Value:
    return default if asked is None else asked


def _copies(need: RoleNeed, count: int) -> list[RoleNeed]:
    if count == 1:
        return [need]
    return [
        replace(need, id=f"{need.id}-{number + 1}", port=need.port + number, pool=need.id) for number in range(count)
    ]


def _refuse_shared_ports(needs: list[RoleNeed], stack: Stack) -> None:
    taken: dict[int, str] = {stack.gateway_port: "the gateway"}
    for need in needs:
        if need.port in taken:
            raise UserError(
                f"{need.id} and {taken[need.port]} both want port {need.port}",
                hint=f"give one of them another: --set {need.id}.port={need.port + 1000}",
                slug="port-taken",
            )
        taken[need.port] = need.id


def _unknown_role(role: str, known: list[str]) -> UserError:
    from difflib import get_close_matches  # noqa: PLC0415

    near = get_close_matches(role, known, 3) or known
    return UserError(f"there is no role {role!r}", hint=f"roles like it: {', '.join(near)}", slug="unknown-role")
