"""Asks a whole running stack, in the order that disturbs it least.

States first, because a request may load what was evicted; then roles whose models are in memory; then, only when asked
for, what is loaded on demand, and the HOT ones once more.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from stackplan.plan import Plan, ServedRole
from stackplan.render.servers import HOT, Server, server_of, servers
from stackplan.values import replace
from stackplan.verify import gateway as gateways
from stackplan.verify.engines import ENGINES
from stackplan.verify.exchange import Ask
from stackplan.verify.observation import AnswerSeen, GatewaySeen, Heard, MemorySeen, Observations, ServerSeen
from stackplan.verify.role_answer import answer_seen
from stackplan.verify.role_question import direct, through_gateway

Measure = Callable[[Server, ServerSeen], tuple[MemorySeen, ...]]


@dataclass(frozen=True, slots=True)
class Door:
    """The gateway's address, and its key where there is one."""

    base: str
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Means:
    """How the stack is asked: by HTTP, by looking at processes, and whom to tell what happens."""

    ask: Ask
    measure: Measure
    tell: Callable[[str], None]


def observe(plan: Plan, means: Means, door: Door | None, *, exercise: bool = False) -> Observations:
    """Everything that can be seen of the plan's servers, roles and gateway."""
    planned = servers(plan)
    seen = {server.id: _state(plan, server, means) for server in planned}
    gateway = gateways.observe(door.base, door.key, means.ask) if door else None
    answers = list(_answers(plan, seen, means, door, gateway))
    memory = [one for server in planned for one in means.measure(server, seen[server.id])]
    again: list[ServerSeen] = []
    if exercise:
        for turn in _turns(plan, seen, means, door, gateway):
            answers += turn.answers
            memory += turn.memory
        again = [_state(plan, server, means) for server in planned if server.tier == HOT]
        answers += _again(plan, seen, means)
    return Observations(tuple(seen.values()), tuple(memory), tuple(answers), gateway, tuple(again))


def _state(plan: Plan, server: Server, means: Means) -> ServerSeen:
    means.tell(f"looking at {server.id}")
    return ENGINES[server.engine](plan, server, _base(server), means.ask)


def _base(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def _is_loaded(plan: Plan, role: ServedRole, seen: dict[str, ServerSeen]) -> bool:
    model = seen[server_of(plan, role.instance).id].model(role.instance)
    return model is not None and bool(model.loaded)


def _answers(
    plan: Plan, seen: dict[str, ServerSeen], means: Means, door: Door | None, gateway: GatewaySeen | None
) -> Iterator[AnswerSeen]:
    for role in plan.roles:
        if _is_loaded(plan, role, seen):
            means.tell(f"asking {role.role}")
            yield from _both_ways(plan, role, means, door, gateway)


def _both_ways(
    plan: Plan, role: ServedRole, means: Means, door: Door | None, gateway: GatewaySeen | None
) -> Iterator[AnswerSeen]:
    own = answer_seen(role.role, role.mode, means.ask(direct(plan, role)), gateway=False)
    yield own
    # Where the local model is dead the gateway would ask a remote one, for money.
    if door and gateway and gateway.roles and role.role in gateway.roles and own.heard is Heard.ANSWERED:
        reply = means.ask(through_gateway(plan, role, door.base, door.key))
        yield answer_seen(role.role, role.mode, reply, gateway=True)


@dataclass(frozen=True, slots=True)
class _Turn:
    answers: tuple[AnswerSeen, ...]
    memory: tuple[MemorySeen, ...]


def _turns(
    plan: Plan, seen: dict[str, ServerSeen], means: Means, door: Door | None, gateway: GatewaySeen | None
) -> Iterator[_Turn]:
    """Each role that is loaded on demand and whose server runs: asked, and looked at while it is there."""
    resting = [role for role in plan.roles if not _is_loaded(plan, role, seen)]
    for role in resting:
        server = server_of(plan, role.instance)
        if server.tier == HOT or seen[server.id].heard is not Heard.ANSWERED:
            continue
        means.tell(f"loading {role.instance} for {role.role}")
        answers = tuple(_both_ways(plan, role, means, door, gateway))
        now = _state(plan, server, means)
        model = now.model(role.instance)
        if model is None:
            yield _Turn(answers, ())
            continue
        old = seen[server.id]
        models = tuple(model if one.instance == role.instance else one for one in old.models)
        seen[server.id] = replace(old, models=models)
        yield _Turn(answers, means.measure(server, replace(now, models=(model,))))


def _again(plan: Plan, seen: dict[str, ServerSeen], means: Means) -> Iterator[AnswerSeen]:
    for role in plan.roles:
        if server_of(plan, role.instance).tier == HOT and _is_loaded(plan, role, seen):
            means.tell(f"asking {role.role} again")
            yield answer_seen(role.role, role.mode, means.ask(direct(plan, role)), gateway=False, again=True)


def can_be_asked(seen: Observations) -> bool:
    """Whether anybody answered at all, be it nonsense."""
    everybody = [server.heard for server in seen.servers] + ([seen.gateway.heard] if seen.gateway else [])
    return any(heard in {Heard.ANSWERED, Heard.STRANGE} for heard in everybody)
