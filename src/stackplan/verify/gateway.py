"""What the gateway tells (LiteLLM 1.106): whether it is ready, and with a key which roles it offers."""

from stackplan.verify.exchange import Ask, Question, complaint, entry, rows, words
from stackplan.verify.observation import GatewaySeen, Heard

KEY_VARIABLE = "LITELLM_MASTER_KEY"
LOCAL_SUFFIX = "-local"  # how rendered configurations name the local deployment of a role


def observe(base: str, key: str, ask: Ask) -> GatewaySeen:
    """The gateway at ``base``; without a key only that it is there."""
    reply = ask(Question(base, "/health/readiness"))
    if reply.heard is not Heard.ANSWERED:
        return GatewaySeen(reply.heard, reply.problem)
    if not reply.is_ok or not words(entry(reply.json(), "status")):
        return GatewaySeen(Heard.STRANGE, f"/health/readiness is not LiteLLM's: {complaint(reply)}")
    if not key:
        return GatewaySeen(Heard.ANSWERED)
    listed = ask(Question(base, "/v1/models", key=key))
    if not listed.is_ok:
        heard = Heard.STRANGE if listed.heard is Heard.ANSWERED else listed.heard
        return GatewaySeen(heard, f"/v1/models: {complaint(listed)}")
    names = tuple(sorted(words(row.get("id")) for row in rows(entry(listed.json(), "data"))))
    return GatewaySeen(Heard.ANSWERED, roles=names)


def is_sendable(key: str) -> bool:
    """Whether the text can stand in an HTTP header."""
    return key.isascii() and key.isprintable() and " " not in key
