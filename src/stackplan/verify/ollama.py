"""What Ollama tells (0.32): ``/api/ps`` what is loaded, ``/api/show`` which file a model is made of.

Pinned models expire 292 years from now, the longest time that Go can hold.
"""

import re
from typing import Any

from stackplan.plan import Instance, Plan
from stackplan.render.endpoints import ollama_name
from stackplan.render.servers import Server
from stackplan.verify.exchange import Ask, Question, complaint, entry, post, rows, whole, words
from stackplan.verify.observation import Heard, ModelSeen, ServerSeen

_FOREVER_FROM_YEAR = 2100
_FILE = re.compile(r"^FROM (/\S+)$", re.MULTILINE)


def observe(plan: Plan, server: Server, base: str, ask: Ask) -> ServerSeen:
    """The server and each of its instances."""
    reply = ask(Question(base, "/api/ps"))
    if reply.heard is not Heard.ANSWERED:
        return ServerSeen(server.id, reply.heard, reply.problem)
    said = reply.json()
    if not reply.is_ok or not isinstance(said, dict) or not isinstance(said.get("models") or [], list):
        return ServerSeen(server.id, Heard.STRANGE, f"/api/ps is not Ollama's: {complaint(reply)}")
    loaded = {words(row.get("name")).removesuffix(":latest"): row for row in rows(said.get("models"))}
    models = tuple(_model(plan, member, loaded, base, ask) for member in server.members)
    return ServerSeen(server.id, Heard.ANSWERED, models=models)


def _model(plan: Plan, member: Instance, loaded: dict[str, dict[str, Any]], base: str, ask: Ask) -> ModelSeen:
    names = [ollama_name(role.role) for role in plan.roles_of(member.id)]
    shown = post(ask, base, "/api/show", {"model": names[0]}) if names else None
    row = next((loaded[name] for name in names if name in loaded), None)
    if row is None:
        missing = "" if shown is not None or not names else f"its server has no model {names[0]}"
        return ModelSeen(member.id, loaded=False, state="unloaded", problem=missing)
    return ModelSeen(
        member.id,
        loaded=True,
        state="loaded",
        context_tokens=whole(row.get("context_length")),
        total_bytes=whole(row.get("size")),
        device_bytes=whole(row.get("size_vram")),
        vector_dimensions=_dimensions(shown) if member.mode == "embedding" else None,
        pinned=_expires(row.get("expires_at")),
        marker=_file(shown),
    )


def _expires(value: Any) -> bool | None:
    year = words(value)[:4]
    return int(year) >= _FOREVER_FROM_YEAR if year.isascii() and year.isdigit() else None


def _dimensions(shown: Any) -> int | None:
    facts = entry(shown, "model_info")
    name = words(entry(facts, "general.architecture"))
    return whole(entry(facts, f"{name}.embedding_length"))


def _file(shown: Any) -> str:
    text = entry(shown, "modelfile")
    found = _FILE.search(text[:100_000]) if isinstance(text, str) else None
    return found[1] if found else ""
