"""Which role answers which kind of task: decided from the plan alone, with the reason.

The policy (catalog/routing.yaml), in order: a kind of task that has a role of its own goes there (mathematics to
``math``, documents to ``ingest``, images to ``vision`` ...); important work in several stages, or one deep request,
goes to the heaviest chat role; agents that run at the same time go to the pool where most of them fit, the smallest
model first; everything else goes to the general role. What cannot be served in one place falls back to the next,
local before remote.
"""

from dataclasses import dataclass

from stackplan.errors import UserError
from stackplan.plan import Plan, ServedRole
from stackplan.render.endpoints import fallbacks
from stackplan.render.routing_policy import CHAT, HEAVY, Depth, Step, Task, routing_policy
from stackplan.render.servers import TIERS, tier_of

POOL_AGENTS = 4  # so many agents stand for "several" in the table
_Reasons = list[tuple[ServedRole, str]]


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a task goes, why, and what stands in for it in order."""

    kind: str
    agents: int
    depth: Depth
    role: str
    because: str
    fallback: tuple[str, ...]
    remote: tuple[str, ...]
    queued: int


def kinds(plan: Plan) -> dict[str, Task]:
    """Kinds of task: those of the policy, and each role of the plan by its own name."""
    own = {role.pool or role.role: Task((role.pool or role.role,), role.mode) for role in plan.roles}
    return own | routing_policy().tasks


def decide(plan: Plan, kind: str = "general", agents: int = 1, depth: Depth = Depth.PLAIN) -> Decision:
    """The role that answers ``agents`` tasks of one kind at the same time.

    Raises `UserError` for an unknown kind, for less than one agent, and when no role of the plan has the endpoint.
    """
    known = kinds(plan)
    if kind not in known:
        raise UserError(
            f"there is no kind of task {kind!r}", hint=f"choose from {', '.join(known)}", slug="unknown-task"
        )
    if agents < 1:
        raise UserError(f"{agents} agents cannot work", hint="give --agents 1 or more", slug="bad-agents")
    order = _ranked(plan, kind, agents, depth)
    if not order:
        raise UserError(
            f"no role of this plan serves {kind!r}",
            hint=f"add one of {', '.join(known[kind].roles)} to the stack",
            slug="task-unserved",
        )
    (first, because), *rest = order
    return Decision(
        kind=kind,
        agents=agents,
        depth=depth,
        role=first.role,
        because=because,
        fallback=tuple(role.role for role, _ in rest),
        remote=tuple(fallback.name for fallback in fallbacks(plan, first)),
        queued=max(0, agents - plan.instance(first.instance).slots),
    )


def service(plan: Plan, name: str) -> list[Decision]:
    """A decision for every step of a service. Raises `UserError` for an unknown one and for a step nobody serves."""
    known = routing_policy().services
    if name not in known:
        raise UserError(f"there is no service {name!r}", hint=f"choose from {', '.join(known)}", slug="unknown-service")
    return [_step(plan, step) for step in known[name].steps]


def services(plan: Plan) -> dict[str, list[Decision]]:
    """The roles behind each service whose every step the plan can answer."""
    found = {}
    for name in routing_policy().services:
        try:
            found[name] = service(plan, name)
        except UserError:
            continue
    return found


def stand_ins(plan: Plan, role: ServedRole) -> tuple[str, ...]:
    """Local chat roles that answer for ``role`` when neither its server nor a remote endpoint does, in order.

    Only chat: vectors of two models do not mix, and scores of two rerankers are on two scales.
    """
    if role.mode != CHAT:
        return ()
    kind = role.pool or role.role
    return tuple(name for name in decide(plan, kind).fallback if name != role.role)


def aliases(plan: Plan) -> dict[str, str]:
    """Kinds of task that are no role's name -> the role that answers one of them."""
    roles = {role.role for role in plan.roles}
    found = {}
    for kind in routing_policy().tasks.keys() - roles:
        try:
            found[kind] = decide(plan, kind).role
        except UserError:
            continue
    return dict(sorted(found.items()))


def table(plan: Plan) -> list[Decision]:
    """The decision for every kind that the plan can answer, and where stages, depth or a pool of agents change it."""
    policy = routing_policy().tasks
    named = {role for task in policy.values() for role in task.roles}
    rows: list[Decision] = []
    for kind in (*policy, *(name for name in kinds(plan) if name not in policy and name not in named)):
        try:
            plain = decide(plan, kind)
        except UserError:
            continue
        others = [decide(plan, kind, depth=depth) for depth in (Depth.STAGES, Depth.DEEP)]
        others.append(decide(plan, kind, agents=POOL_AGENTS))
        rows += [plain, *(other for other in others if other.role != plain.role)]
    return rows


def _step(plan: Plan, step: Step) -> Decision:
    return decide(plan, step.task, step.agents, step.depth)


def _ranked(plan: Plan, kind: str, agents: int, depth: Depth) -> _Reasons:
    """Every role that can answer, best first, with the reason; ties keep the order of the plan."""
    task = kinds(plan)[kind]
    able = [role for role in plan.roles if role.mode == task.endpoint and _takes(plan, role, task.input)]
    made_for = [role for name in task.roles for role in able if name in (role.role, role.pool)]
    narrow = routing_policy().narrow
    candidates = [role for role in able if (role.pool or role.role) not in narrow or role in made_for] or able
    reasons: _Reasons = []
    if kind != "general":
        reasons += [(role, f"{role.role} is made for {kind}") for role in _pooled(plan, made_for, agents)]
    if task.endpoint == CHAT:
        reasons += _by_weight(plan, candidates, task, made_for, depth) + _by_slots(plan, candidates, agents)
    reasons += [(role, f"{role.role} takes what no other role is made for") for role in made_for]
    general = routing_policy().tasks["general"].roles
    reasons += [
        (role, f"{role.role} takes what no other role is made for")
        for name in general
        for role in candidates
        if role.role == name
    ]
    reasons += [(role, f"{role.role} has the endpoint") for role in candidates]
    return _first_of_each(reasons)


def _takes(plan: Plan, role: ServedRole, kind: str) -> bool:
    """Whether a request of that input can be answered: by the role's own word, or because its model sees."""
    return not kind or kind in role.inputs or (kind == "image" and plan.instance(role.instance).vision)


def _pooled(plan: Plan, roles: list[ServedRole], agents: int) -> list[ServedRole]:
    """Roles made for a kind, in their order; for several agents the one where most of them run goes first."""
    return sorted(roles, key=lambda role: -min(_slots(plan, role), agents)) if agents > 1 else roles


def _by_weight(
    plan: Plan, candidates: list[ServedRole], task: Task, made_for: list[ServedRole], depth: Depth
) -> _Reasons:
    if depth is not Depth.PLAIN:
        asked = "several important stages ask" if depth is Depth.STAGES else "one deep request asks"
    elif task.without == HEAVY and not made_for:
        asked = f"without {' or '.join(task.roles)} it asks"
    else:
        return []
    # The larger file is the heavier model where quality scales differ by role.
    heaviest = sorted(candidates, key=lambda role: -_file_bytes(plan, role))
    return [(role, f"{asked} for the heaviest model") for role in heaviest]


def _by_slots(plan: Plan, candidates: list[ServedRole], agents: int) -> _Reasons:
    if agents < 2:
        return []

    def order(role: ServedRole) -> tuple[int, int, int]:
        tier = TIERS.index(tier_of(plan.instance(role.instance)))
        return (-min(_slots(plan, role), agents), tier, _file_bytes(plan, role))

    return [
        (role, f"{_slots(plan, role)} of {agents} agents run there at the same time")
        for role in sorted(candidates, key=order)
    ]


def _file_bytes(plan: Plan, role: ServedRole) -> int:
    return plan.artifact(plan.instance(role.instance).artifact).file_bytes


def _slots(plan: Plan, role: ServedRole) -> int:
    return plan.instance(role.instance).slots


def _first_of_each(reasons: _Reasons) -> _Reasons:
    """One role per instance: another role of the same server is down when it is."""
    seen: set[str] = set()
    kept = []
    for role, because in reasons:
        if role.instance not in seen:
            seen.add(role.instance)
            kept.append((role, because))
    return kept
