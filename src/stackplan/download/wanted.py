"""Which artifacts a tier or a role needs, HOT first, each of them once."""

from collections.abc import Mapping
from dataclasses import dataclass

from stackplan.errors import UserError
from stackplan.plan import Instance, Plan
from stackplan.values import replace

TIERS = ("hot", "warm", "cold")
ALL = "all"


@dataclass(frozen=True, slots=True)
class Pull:
    """A model that an Ollama server fetches itself: the server's name, where it listens, what it is asked for."""

    server: str
    url: str
    name: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """One artifact to have on disk. ``pull`` is None for files from the hub.

    ``projector`` tells whether an instance looks at images, so that the projector is wanted too.
    """

    artifact: str
    tier: str
    roles: tuple[str, ...]
    pull: Pull | None = None
    projector: bool = False


def wanted(plan: Plan, tier: str, role: str | None, pulls: Mapping[str, Pull]) -> tuple[Wanted, ...]:
    """What ``tier`` (or only ``role`` of it) needs. ``pulls`` says by instance what Ollama fetches.

    Raises `UserError` for a tier or a role that the plan does not know.
    """
    chosen = _instances(plan, tier, role)
    found: dict[tuple[str, Pull | None], Wanted] = {}
    for instance in sorted(chosen, key=lambda one: TIERS.index(one.tier.lower())):
        for one in _of_instance(plan, instance, pulls.get(instance.id)):
            key = (one.artifact, one.pull)
            found[key] = _merged(found[key], one) if key in found else one
    return tuple(found.values())


def _instances(plan: Plan, tier: str, role: str | None) -> list[Instance]:
    if tier != ALL and tier not in TIERS:
        raise UserError(
            f"there is no tier {tier!r}", hint=f"choose one of {', '.join((*TIERS, ALL))}", slug="unknown-tier"
        )
    chosen = [instance for instance in plan.instances if tier in (ALL, instance.tier.lower())]
    if role is None:
        return chosen
    known = {served.role: served.instance for served in plan.roles}
    if role not in known:
        raise UserError(
            f"the plan serves no role {role!r}", hint=f"it serves {', '.join(sorted(known))}", slug="unknown-role"
        )
    return [instance for instance in chosen if instance.id == known[role]]


def _of_instance(plan: Plan, instance: Instance, pull: Pull | None) -> list[Wanted]:
    roles = tuple(served.role for served in plan.roles_of(instance.id))
    tier = instance.tier.lower()
    found = [Wanted(instance.artifact, tier, roles, pull, instance.vision)]
    if instance.draft_artifact:
        found.append(Wanted(instance.draft_artifact, tier, roles))
    return found


def _merged(first: Wanted, second: Wanted) -> Wanted:
    roles = tuple(dict.fromkeys((*first.roles, *second.roles)))
    return replace(first, roles=roles, projector=first.projector or second.projector)
