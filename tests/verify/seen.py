"""Observations as a stack would give them that is just as planned; tests change one thing and look what is found."""

from stackplan.plan import Instance, Plan
from stackplan.render.servers import HOT, servers
from stackplan.units import MIB
from stackplan.values import replace
from stackplan.verify.observation import (
    AnswerSeen,
    DeviceBytes,
    GatewaySeen,
    Heard,
    HostBytes,
    MemorySeen,
    ModelSeen,
    Observations,
    ServerSeen,
)


def as_planned(plan: Plan) -> Observations:
    """Every server up, every HOT model in memory with the planned bytes, every role of theirs answering both ways."""
    told = tuple(
        ServerSeen(server.id, Heard.ANSWERED, models=tuple(_model(one, server.tier == HOT) for one in server.members))
        for server in servers(plan)
    )
    hot = [one for server in servers(plan) if server.tier == HOT for one in server.members]
    roles = [role.role for one in hot for role in plan.roles_of(one.id)]
    answers = (AnswerSeen(role, way, Heard.ANSWERED, answered_by=f"{role}-local" if way else "")
               for role in roles for way in (False, True))  # fmt: skip
    memory = tuple(_memory(plan, one) for one in hot)
    gateway = GatewaySeen(Heard.ANSWERED, roles=tuple(role.role for role in plan.roles))
    return Observations(told, memory, tuple(answers), gateway)


def with_model(seen: Observations, instance: str, **changed: object) -> Observations:
    """The same, but for what a server says of one instance."""
    told = tuple(
        replace(server, models=tuple(replace(m, **changed) if m.instance == instance else m for m in server.models))  # type: ignore[arg-type]
        for server in seen.servers
    )
    return replace(seen, servers=told)


def with_server(seen: Observations, server: str, heard: Heard, problem: str) -> Observations:
    """The same, but for one server that gives no answer: no model, no process, no role of it."""
    gone = {one.instance for told in seen.servers if told.server == server for one in told.models}
    told = tuple(ServerSeen(server, heard, problem) if one.server == server else one for one in seen.servers)
    return replace(seen, servers=told, memory=tuple(one for one in seen.memory if one.instance not in gone))


def with_memory(seen: Observations, instance: str, **changed: object) -> Observations:
    """The same, but for what the processes of one instance hold."""
    memory = tuple(replace(one, **changed) if one.instance == instance else one for one in seen.memory)  # type: ignore[arg-type]
    return replace(seen, memory=memory)


def with_answer(seen: Observations, role: str, *, gateway: bool = False, **changed: object) -> Observations:
    """The same, but for what became of asking one role."""
    answers = tuple(
        replace(one, **changed) if (one.role, one.gateway) == (role, gateway) else one  # type: ignore[arg-type]
        for one in seen.answers
    )
    return replace(seen, answers=answers)


def _model(one: Instance, loaded: bool) -> ModelSeen:
    if not loaded:
        return ModelSeen(one.id, loaded=False, state="unloaded")
    return ModelSeen(
        one.id, loaded=True, state="loaded", context_tokens=one.context_tokens, slots=one.slots, pinned=True
    )


def _memory(plan: Plan, one: Instance) -> MemorySeen:
    demand = {part.pool: part for part in one.demand}
    used = set() if one.placement.is_cpu else set(one.placement.devices)
    sizes = {pool: part.total_bytes for pool, part in demand.items()}
    devices = tuple(
        DeviceBytes(card.id, sizes.get(card.pool, MIB) if card.id in used else 0) for card in plan.host.machine.gpus
    )
    host = demand.get(plan.host.machine.host_pool.id)
    held = None
    if host:
        other = host.total_bytes - host.weights_bytes
        held = HostBytes(other, host.weights_bytes, 0, host.total_bytes)
    return MemorySeen(one.id, (4711,), sleeps=False, host=held, devices=devices)
