"""What Text Embeddings Inference tells (1.9): ``/info`` has the model and the limits of an input."""

from stackplan.plan import Plan
from stackplan.render.servers import Server
from stackplan.verify.exchange import Ask, Question, complaint, entry, whole, words
from stackplan.verify.observation import Heard, ModelSeen, ServerSeen


def observe(plan: Plan, server: Server, base: str, ask: Ask) -> ServerSeen:
    """The server and its one model, which is loaded before it listens."""
    member = server.members[0]
    reply = ask(Question(base, "/info"))
    if reply.heard is not Heard.ANSWERED:
        return ServerSeen(server.id, reply.heard, reply.problem)
    said = reply.json()
    name = words(entry(said, "model_id"))
    if not reply.is_ok or not name:
        return ServerSeen(server.id, Heard.STRANGE, f"/info is not that of TEI: {complaint(reply)}")
    repository = plan.artifact(member.artifact).repository
    if not name.endswith(repository):  # a downloaded model is named by its folder
        other = ModelSeen(member.id, loaded=False, problem=f"its server serves {name}")
        return ServerSeen(server.id, Heard.ANSWERED, models=(other,))
    tokens = whole(entry(said, "max_input_length"))
    model = ModelSeen(member.id, loaded=True, state="loaded", context_tokens=tokens, pinned=True, marker=name)
    return ServerSeen(server.id, Heard.ANSWERED, models=(model,))
