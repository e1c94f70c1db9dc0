"""What Speaches tells (0.8): ``/api/ps`` lists the models in memory, by repository."""

from stackplan.plan import Plan
from stackplan.render.servers import Server
from stackplan.verify.exchange import Ask, Question, complaint, entry
from stackplan.verify.observation import Heard, ModelSeen, ServerSeen

_APPLICATION = "speaches.main:create_app"  # what its image and its documentation start


def observe(plan: Plan, server: Server, base: str, ask: Ask) -> ServerSeen:
    """The server and each of its instances."""
    reply = ask(Question(base, "/api/ps"))
    if reply.heard is not Heard.ANSWERED:
        return ServerSeen(server.id, reply.heard, reply.problem)
    names = entry(reply.json(), "models")
    if not reply.is_ok or not isinstance(names, list):
        return ServerSeen(server.id, Heard.STRANGE, f"/api/ps is not that of Speaches: {complaint(reply)}")
    loaded = {name for name in names if isinstance(name, str)}
    there = [plan.artifact(member.artifact).repository in loaded for member in server.members]
    models = (
        ModelSeen(member.id, loaded=True, state="loaded", marker=_APPLICATION)
        if here
        else ModelSeen(member.id, loaded=False, state="unloaded")
        for member, here in zip(server.members, there, strict=True)
    )
    return ServerSeen(server.id, Heard.ANSWERED, models=tuple(models))
