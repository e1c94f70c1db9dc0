"""The plan beside what was seen: pure, and every comparison is a value whether it agrees or not."""

from collections.abc import Iterator, Set

from stackplan.plan import Instance, Plan
from stackplan.render.servers import HOT, LLAMA_CPP, OLLAMA, VLLM, Server, servers
from stackplan.verify.compare_answers import answer_findings
from stackplan.verify.compare_memory import memory_findings
from stackplan.verify.finding import Check, Finding, agrees, breach, unknown
from stackplan.verify.observation import Heard, ModelSeen, Observations, ServerSeen

# These hold exactly the context that they were told; the others may offer what the model can.
_EXACT_CONTEXT = (LLAMA_CPP, OLLAMA, VLLM)


def compare(plan: Plan, seen: Observations, started: Set[str]) -> tuple[Finding, ...]:
    """Every comparison, servers first and then roles. ``started`` are the ids of servers that must be running."""
    found: list[Finding] = []
    for server in servers(plan):
        for instance in server.members:
            found += _instance(plan, server, instance, seen, started)
    return (*found, *answer_findings(plan, seen))


def _instance(
    plan: Plan, server: Server, instance: Instance, seen: Observations, started: Set[str]
) -> Iterator[Finding]:
    heard = seen.server(server.id)
    if heard is None or heard.heard is not Heard.ANSWERED:
        yield _unheard(plan, server, instance, heard, must=server.id in started)
        return
    model = heard.model(instance.id)
    yield _resident(server, instance, model)
    if model is not None and model.loaded:
        yield from _context(instance, model)
        yield from memory_findings(plan, server, instance, model, seen.held(instance.id))
        yield from _kept(server, instance, model, seen)


def _unheard(plan: Plan, server: Server, instance: Instance, heard: ServerSeen | None, *, must: bool) -> Finding:
    where = f"{server.id} at port {server.port}"
    if heard is None or heard.heard is Heard.NOT_ASKED:
        return unknown(
            Check.RESIDENT, instance.id, f"{where} was not asked: {heard.problem if heard else ''}".rstrip(": ")
        )
    if heard.heard is Heard.STRANGE:
        hint = f"see what listens there, and start {server.id} anew"
        return breach(Check.RESIDENT, instance.id, f"{where}: {heard.problem}", hint)
    role = next((one.role for one in plan.roles_of(instance.id)), "ROLE")
    start = "start it: stackplan up" + ("" if server.tier == HOT else f" --tier {server.tier} {role}")
    if must:
        return breach(Check.RESIDENT, instance.id, f"{where} does not answer: {heard.problem}", start)
    return unknown(Check.RESIDENT, instance.id, f"{where} is not started", start)


def _resident(server: Server, instance: Instance, model: ModelSeen | None) -> Finding:
    if model is None or model.loaded is None:
        return unknown(Check.RESIDENT, instance.id, f"{server.id} does not tell whether it is loaded")
    if model.loaded:
        return agrees(Check.RESIDENT, instance.id, "in memory")
    if model.problem:
        return breach(Check.RESIDENT, instance.id, model.problem, f"start {server.id} from what this plan renders")
    if server.tier == HOT:
        message = f"HOT, but not in memory ({model.state or 'state unknown'})"
        hint = "something took its place or ended it: see the log, start it anew, and keep others off its server"
        if model.state == "loading":
            hint = "wait until it is loaded, and ask again"
        return breach(Check.RESIDENT, instance.id, message, hint)
    return unknown(Check.RESIDENT, instance.id, "not loaded now, as others take turns", "--exercise loads it")


def _context(instance: Instance, model: ModelSeen) -> Iterator[Finding]:
    planned, seen = instance.context_tokens, model.context_tokens
    again = "start its server from what this plan renders"
    if seen is None:
        yield unknown(Check.CONTEXT, instance.id, "its server does not tell the context")
    elif not _is_planned(instance, seen):
        message = f"{seen} tokens of context, {planned} were planned"
        yield breach(Check.CONTEXT, instance.id, message, again, planned, seen)
    elif model.slots is not None and model.slots != instance.slots:
        message = f"{model.slots} requests at once, {instance.slots} were planned"
        yield breach(Check.CONTEXT, instance.id, message, again, instance.slots, model.slots)
    elif model.cache_tokens is not None and model.cache_tokens < planned * instance.slots:
        needed = planned * instance.slots
        message = f"its cache takes {model.cache_tokens} tokens, {instance.slots} x {planned} were planned"
        yield breach(
            Check.CONTEXT, instance.id, message, "give it the planned share of its card", needed, model.cache_tokens
        )
    else:
        slots = f", {model.slots} at once" if model.slots is not None else ""
        yield agrees(Check.CONTEXT, instance.id, f"{seen} tokens{slots}", planned, seen)


def _is_planned(instance: Instance, tokens: int) -> bool:
    if instance.engine in _EXACT_CONTEXT:
        return tokens in (instance.context_tokens, instance.total_context_tokens // max(1, instance.slots))
    return tokens >= instance.context_tokens


def _kept(server: Server, instance: Instance, model: ModelSeen, seen: Observations) -> Iterator[Finding]:
    """Whether a HOT instance stays: nothing ends it when idle, and it is still there after others were loaded."""
    if server.tier != HOT:
        return
    held = seen.held(instance.id)
    stays = model.pinned
    if stays is None and held is not None and held.sleeps is not None:
        stays = not held.sleeps
    if stays is False:
        hint = "pin it (the rendered scripts do), or start its server from what this plan renders"
        yield breach(Check.KEPT, instance.id, "HOT, but it will be unloaded when nobody asks for a while", hint)
        return
    after = next((one.model(instance.id) for one in seen.again if one.server == server.id), None)
    if seen.again and (after is None or not after.loaded):
        hint = "give it a server of its own, as the plan does"
        yield breach(Check.KEPT, instance.id, "evicted when others were loaded", hint)
    elif seen.again:
        yield agrees(Check.KEPT, instance.id, "still in memory after all others had their turn")
    elif stays:
        yield agrees(Check.KEPT, instance.id, "no idle time ends it")
    else:
        yield unknown(Check.KEPT, instance.id, "its server does not tell how long it stays", "--exercise tries it")
