"""What llama-server tells, alone or as a router of several (b11434, tools/server/README.md, 2026-10).

``/models`` names every model with its state (a router) and what is loaded (``meta``); ``/props`` and ``/slots`` have
context and slots. ``autoload=false`` keeps a router from loading what is only asked about.
"""

from typing import Any
from urllib.parse import quote

from stackplan.plan import Instance, Plan
from stackplan.render.servers import Server
from stackplan.verify.exchange import Ask, Question, complaint, entry, get, rows, whole, words
from stackplan.verify.observation import Heard, ModelSeen, ServerSeen


def observe(plan: Plan, server: Server, base: str, ask: Ask) -> ServerSeen:  # noqa: ARG001  (as every engine)
    """The server and each of its instances."""
    reply = ask(Question(base, "/models"))
    if reply.heard is not Heard.ANSWERED:
        return ServerSeen(server.id, reply.heard, reply.problem)
    if reply.status == 503:  # "Loading model"
        models = tuple(ModelSeen(member.id, loaded=False, state="loading") for member in server.members)
        return ServerSeen(server.id, Heard.ANSWERED, models=models)
    listed = {words(row.get("id")): row for row in rows(entry(reply.json(), "data"))}
    if not reply.is_ok or not listed:
        return ServerSeen(server.id, Heard.STRANGE, f"/models is not llama-server's: {complaint(reply)}")
    return ServerSeen(
        server.id, Heard.ANSWERED, models=tuple(_model(member, listed, base, ask) for member in server.members)
    )


def _model(member: Instance, listed: dict[str, dict[str, Any]], base: str, ask: Ask) -> ModelSeen:
    row = listed.get(member.id)
    if row is None:
        return ModelSeen(member.id, loaded=False, problem=f"its server serves {', '.join(sorted(listed))[:80]}")
    status = row.get("status")  # only a router has one
    state = words(entry(status, "value")) if status is not None else "loaded"
    if state != "loaded":
        failed = "it failed to load; its log says why" if entry(status, "failed") is True else ""
        return ModelSeen(member.id, loaded=False, state=state, problem=failed)
    name = quote(member.id, safe="")
    props = get(ask, base, f"/props?model={name}&autoload=false")
    slots = rows(get(ask, base, f"/slots?model={name}&autoload=false"))
    asleep = entry(props, "is_sleeping") is True
    contexts = {whole(slot.get("n_ctx")) for slot in slots} or {
        whole(entry(props, "default_generation_settings", "n_ctx"))
    }
    return ModelSeen(
        member.id,
        loaded=not asleep,
        state="sleeping" if asleep else "loaded",
        context_tokens=min((tokens for tokens in contexts if tokens), default=None),
        slots=whole(entry(props, "total_slots")) or len(slots) or None,
        weights_bytes=whole(entry(row, "meta", "size")),
        vector_dimensions=whole(entry(row, "meta", "n_embd")) if member.mode == "embedding" else None,
        pinned=_stays(status),
        marker=member.id,
    )


def _stays(status: Any) -> bool | None:
    """Whether idle time leaves the model in memory: a router shows the words of the command line."""
    given = entry(status, "args")
    if not isinstance(given, list):
        return None
    if "--sleep-idle-seconds" not in given[:-1]:
        return True
    return bool(given[given.index("--sleep-idle-seconds") + 1] == "-1")
