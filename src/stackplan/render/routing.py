"""Which role answers which kind of task: decided from the plan alone, with the reason.

The policy, in order: a kind of task that has a role of its own goes there (mathematics to ``math``, documents to
``ingest``, images to ``vision`` ...); important work in several stages, or one deep request, goes to the heaviest
chat role; agents that run at the same time go to where most of them fit; everything else goes to the general role.
What cannot be served in one place falls back to the next, local before remote.
"""

from dataclasses import dataclass
from enum import StrEnum

from stackplan.errors import UserError
from stackplan.plan import Plan, ServedRole
from stackplan.render.endpoints import fallbacks

# Kind of task -> roles that are made for it, the best first. Names are those of catalog/roles.yaml.
KINDS: dict[str, tuple[str, ...]] = {
    "general": ("worker", "front-door", "helper"),
    "code": ("code", "agent"),
    "agent": ("agent", "code"),
    "complete": ("autocomplete", "code"),
    "math": ("math",),
    "review": ("watchdog", "architect"),
    "design": ("architect",),
    "document": ("ingest",),
    "image": ("vision", "ocr"),
    "ocr": ("ocr", "vision"),
    "search": ("embedding", "document-embedding", "embedder-pool"),
    "code-search": ("code-embedding", "embedding"),
    "rank": ("reranker",),
    "speech": ("speech",),
    "short": ("helper", "front-door"),
}
# Service -> the kinds of task it consists of, in order: what an application of that sort asks for.
SERVICES: dict[str, tuple[str, ...]] = {
    "agent-orchestrator": ("short", "design", "agent", "review"),
    "prompt-forms": ("short", "general"),
    "retrieval": ("search", "rank", "general"),
    "deep-research": ("short", "search", "rank", "document", "general"),
    "multimodal-search": ("image", "search", "rank", "general"),
    "extract-worker": ("ocr", "document"),
    "media-transcription": ("speech", "document"),
}
# Roles made for one thing only: they answer their own kind, and others only when nobody else is there.
NARROW = ("watchdog", "autocomplete", "ocr", "draft")
# Kinds whose answer is no chat: nothing but a role of that endpoint can stand in.
_MODES = {"search": "embedding", "code-search": "embedding", "rank": "rerank", "speech": "audio_transcription"}


class Depth(StrEnum):
    """How much a task asks of a model."""

    PLAIN = "plain"
    STAGES = "stages"
    DEEP = "deep"


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


def decide(plan: Plan, kind: str = "general", agents: int = 1, depth: Depth = Depth.PLAIN) -> Decision:
    """The role that answers ``agents`` tasks of one kind at the same time.

    Raises `UserError` for an unknown kind, for less than one agent, and when no role of the plan has the endpoint.
    """
    if kind not in KINDS:
        raise UserError(
            f"there is no kind of task {kind!r}", hint=f"choose from {', '.join(KINDS)}", slug="unknown-task"
        )
    if agents < 1:
        raise UserError(f"{agents} agents cannot work", hint="give --agents 1 or more", slug="bad-agents")
    order = _ranked(plan, kind, agents, depth)
    if not order:
        raise UserError(
            f"no role of this plan serves {kind!r}",
            hint=f"add one of {', '.join(KINDS[kind])} to the stack",
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


def services(plan: Plan) -> dict[str, list[Decision]]:
    """The roles behind each service whose every step the plan can answer."""
    found = {}
    for name, kinds in SERVICES.items():
        try:
            found[name] = [decide(plan, kind) for kind in kinds]
        except UserError:
            continue
    return found


def table(plan: Plan) -> list[Decision]:
    """The decision for every kind that the plan can answer: one task, several stages, and a pool of agents."""
    rows = []
    for kind in KINDS:
        for agents, depth in ((1, Depth.PLAIN), (1, Depth.DEEP), (4, Depth.PLAIN)):
            try:
                rows.append(decide(plan, kind, agents, depth))
            except UserError:
                continue
    return rows


def _ranked(plan: Plan, kind: str, agents: int, depth: Depth) -> list[tuple[ServedRole, str]]:
    """Every role that can answer, best first, with the reason; ties keep the order of the plan."""
    mode = _MODES.get(kind, "chat")
    able = [role for role in plan.roles if role.mode == mode]
    made_for = [role for name in KINDS[kind] for role in able if role.role == name]
    candidates = [role for role in able if role.role not in NARROW or role in made_for] or able
    reasons: list[tuple[ServedRole, str]] = []
    if kind != "general":
        reasons += [(role, f"{role.role} is made for {kind}") for role in made_for]
    if mode == "chat" and depth is not Depth.PLAIN:
        asked = "several important stages ask" if depth is Depth.STAGES else "one deep request asks"
        reasons += [(role, f"{asked} for the heaviest model") for role in _heaviest(plan, candidates)]
    if mode == "chat" and agents > 1:
        reasons += [
            (role, f"{_slots(plan, role)} of {agents} agents run there at the same time")
            for role in sorted(candidates, key=lambda role: -min(_slots(plan, role), agents))
        ]
    reasons += [(role, f"{role.role} takes what no other role is made for") for role in made_for]
    reasons += [(role, f"{role.role} has the endpoint") for role in candidates]
    return _first_of_each(reasons)


def _heaviest(plan: Plan, roles: list[ServedRole]) -> list[ServedRole]:
    """By weights that answer: the larger file is the heavier model where quality scales differ by role."""
    return sorted(roles, key=lambda role: -plan.artifact(plan.instance(role.instance).artifact).file_bytes)


def _slots(plan: Plan, role: ServedRole) -> int:
    return plan.instance(role.instance).slots


def _first_of_each(reasons: list[tuple[ServedRole, str]]) -> list[tuple[ServedRole, str]]:
    """One role per instance: another role of the same server is down when it is."""
    seen: set[str] = set()
    kept = []
    for role, because in reasons:
        if role.instance not in seen:
            seen.add(role.instance)
            kept.append((role, because))
    return kept
