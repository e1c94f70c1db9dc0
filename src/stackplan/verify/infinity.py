"""What Infinity tells (0.0.77): ``/models`` names what it serves; it has no word for contexts or bytes."""

from stackplan.plan import Plan
from stackplan.render.servers import Server
from stackplan.verify.exchange import Ask, Question, complaint, entry, rows, words
from stackplan.verify.observation import Heard, ModelSeen, ServerSeen


def observe(plan: Plan, server: Server, base: str, ask: Ask) -> ServerSeen:  # noqa: ARG001  (as every engine)
    """The server and its one model, which is loaded before it listens."""
    member = server.members[0]
    reply = ask(Question(base, "/models"))
    if reply.heard is not Heard.ANSWERED:
        return ServerSeen(server.id, reply.heard, reply.problem)
    names = [words(row.get("id")) for row in rows(entry(reply.json(), "data"))]
    if not reply.is_ok or not names:
        return ServerSeen(server.id, Heard.STRANGE, f"/models is not Infinity's: {complaint(reply)}")
    if member.id in names:
        model = ModelSeen(member.id, loaded=True, state="loaded", pinned=True, marker=member.id)
    else:
        model = ModelSeen(member.id, loaded=False, problem=f"its server serves {', '.join(sorted(names))[:80]}")
    return ServerSeen(server.id, Heard.ANSWERED, models=(model,))
