"""Which units a wish means, and which must go first, because the plan never gave both memory at the same time."""

from collections.abc import Collection
from dataclasses import dataclass

from stackplan.errors import UserError
from stackplan.plan import Plan
from stackplan.render.servers import COLD, HOT, TIERS, WARM, Server, server_of, servers, starts_with_tier
from stackplan.running.units import GATEWAY


@dataclass(frozen=True, slots=True)
class Selection:
    """Ids of units to start, in order, and of units that must not run beside them."""

    start: tuple[str, ...]
    stop: tuple[str, ...]


def selected(plan: Plan, tier: str | None, role: str | None, wanted: Collection[str], *, gateway: bool) -> Selection:
    """What `up` starts: a role's server, or HOT and with ``tier`` warm the WARM servers that may run together.

    ``wanted`` are the units that were asked for before. Raises `UserError` for an unknown role or tier.
    """
    planned = servers(plan)
    chosen = (_of_role(plan, role, tier),) if role else _of_tier(planned, tier or HOT)
    rivals = tuple(server.id for server in planned if server.id in wanted and _excluded(server, chosen))
    door = (GATEWAY,) if gateway else ()
    return Selection((*(server.id for server in chosen), *door), rivals)


def unit_of_role(plan: Plan, role: str) -> str:
    """The unit that answers a role. Raises `UserError` for a role that nothing serves."""
    return _of_role(plan, role, None).id


def _of_role(plan: Plan, role: str, tier: str | None) -> Server:
    served = {one.role: one.instance for one in plan.roles}
    if role not in served:
        hint = f"its roles: {', '.join(served)}"
        raise UserError(f"the plan serves no role {role!r}", hint=hint, slug="unknown-role")
    server = server_of(plan, served[role])
    if tier is not None and server.tier != _known(tier):
        raise UserError(
            f"{role} is served by {server.id}, which is {server.tier.upper()}",
            hint=f"stackplan up --tier {server.tier} {role}",
            slug="wrong-tier",
        )
    return server


def _of_tier(planned: tuple[Server, ...], tier: str) -> tuple[Server, ...]:
    if _known(tier) == COLD:
        cold = [server for server in planned if server.tier == COLD]
        names = ", ".join(server.id for server in cold) or "none in this plan"
        raise UserError(
            "COLD servers are started one at a time, by a role",
            hint=f"stackplan up --tier cold ROLE; COLD servers: {names}",
            slug="role-needed",
        )
    tiers = (HOT, WARM) if tier == WARM else (HOT,)
    return tuple(server for server in planned if server.tier in tiers and starts_with_tier(planned, server))


def _known(tier: str) -> str:
    if tier not in TIERS:
        raise UserError(f"there is no tier {tier!r}", hint=f"choose from {', '.join(TIERS)}", slug="bad-tier")
    return tier


def _excluded(server: Server, chosen: tuple[Server, ...]) -> bool:
    """Whether ``server`` may not run beside the chosen ones.

    A COLD instance was planned beside HOT ones with the WARM ones out, and alone of its kind; two servers of one swap
    group were planned as one.
    """
    if server in chosen or server.tier == HOT:
        return False
    if any(one.tier == COLD for one in chosen):
        return True
    warm = [one for one in chosen if one.tier == WARM]
    group = server.members[0].swap_group
    return bool(warm) and (server.tier == COLD or any(group and one.members[0].swap_group == group for one in warm))
