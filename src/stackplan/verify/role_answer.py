"""Whether a reply is an answer of the role's kind. Garbage is told as such; doubts about sense are told apart.

What cannot be right whatever the model (no vector, a score that is no number, a text ranked twice) is a failure. What a
poor model may do too (an unrelated text ranked first) is a doubt.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stackplan.verify.exchange import Reply, complaint, entry, real, rows, whole
from stackplan.verify.observation import AnswerSeen, Heard
from stackplan.verify.role_question import CHAT, EMBEDDED, EMBEDDING, RANKED, RERANK, TRANSCRIPTION

_LONGEST_VECTOR = 1 << 17


@dataclass(frozen=True, slots=True)
class Judged:
    """``problem`` is why it is no answer, ``doubt`` what looks wrong, ``dimensions`` the length of vectors."""

    problem: str = ""
    doubt: str = ""
    dimensions: int | None = None


def answer_seen(role: str, mode: str, reply: Reply, *, gateway: bool, again: bool = False) -> AnswerSeen:
    """What the reply to a role's request means."""
    by = reply.headers.get("x-litellm-model-id", "")[:200] if gateway else ""
    heard = reply.heard
    if not reply.is_ok:
        heard = Heard.STRANGE if heard is Heard.ANSWERED else heard
        return AnswerSeen(role, gateway, heard, complaint(reply), answered_by=by, again=again)
    judged = _JUDGES[mode](reply.json())
    heard = Heard.STRANGE if judged.problem else Heard.ANSWERED
    return AnswerSeen(role, gateway, heard, judged.problem, judged.doubt, judged.dimensions, by, again)


def _chat(said: Any) -> Judged:
    choices = rows(entry(said, "choices"))
    message = entry(choices[0], "message") if choices else None
    if not isinstance(message, dict):
        return Judged("its answer holds no message")
    written = whole(entry(said, "usage", "completion_tokens"))
    text = [message.get(name) for name in ("content", "reasoning_content", "reasoning")]
    if written == 0 or (written is None and not any(isinstance(one, str) and one for one in text)):
        return Judged("it wrote nothing")
    return Judged()


def _embedding(said: Any) -> Judged:
    found = rows(entry(said, "data"))
    vectors = [_vector(row.get("embedding")) for row in sorted(found, key=lambda row: whole(row.get("index")) or 0)]
    if len(vectors) != len(EMBEDDED):
        return Judged(f"{len(EMBEDDED)} texts gave {len(vectors)} vectors")
    lengths = {len(vector) if vector else 0 for vector in vectors}
    if len(lengths) != 1 or 0 in lengths:
        return Judged("a vector is missing, of another length, or holds what is no number")
    first, same, other = (vector or [] for vector in vectors)
    if not any(first) or not any(other):
        return Judged("a vector is zero")
    doubt = ""
    if _cosine(first, same) < 0.99:
        doubt = "the same text twice gives two vectors"
    elif _cosine(first, other) > _cosine(first, same) - 1e-6:
        doubt = "two different texts give one vector"
    return Judged(doubt=doubt, dimensions=lengths.pop())


def _vector(value: Any) -> list[float] | None:
    if not isinstance(value, list) or not 0 < len(value) <= _LONGEST_VECTOR:
        return None
    numbers = [real(one) for one in value]
    return None if None in numbers else [number for number in numbers if number is not None]


def _cosine(first: list[float], second: list[float]) -> float:
    # Scaled first, so that no square overflows.
    sizes = [max(map(abs, vector)) for vector in (first, second)]
    left, right = ([one / size for one in vector] for vector, size in zip((first, second), sizes, strict=True))
    product = sum(a * b for a, b in zip(left, right, strict=True))
    norms = sum(a * a for a in left) * sum(b * b for b in right)
    return float(product / norms**0.5)


def _rerank(said: Any) -> Judged:
    found = rows(entry(said, "results") if isinstance(said, dict) else said)  # TEI answers with a bare list
    score_name = "relevance_score" if found and "relevance_score" in found[0] else "score"
    scores = {whole(row.get("index")): real(row.get(score_name)) for row in found}
    if len(found) != len(RANKED) or scores.keys() != set(range(len(RANKED))):
        return Judged(f"{len(RANKED)} texts were not ranked once each")
    unrelated, fitting = scores[0], scores[1]
    if unrelated is None or fitting is None:
        return Judged("a score is no number")
    if fitting > unrelated:
        return Judged()
    what = "gives every text one score" if fitting == unrelated else "ranks an unrelated text above the answer"
    return Judged(doubt=f"it {what}")


def _transcription(said: Any) -> Judged:
    # A tone holds no words: any text, none included, is an answer.
    return Judged() if isinstance(entry(said, "text"), str) else Judged("its answer holds no text")


_JUDGES: dict[str, Callable[[Any], Judged]] = {
    CHAT: _chat,
    EMBEDDING: _embedding,
    RERANK: _rerank,
    TRANSCRIPTION: _transcription,
}
