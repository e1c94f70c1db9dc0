"""Recorded answers as a server: whoever asks gets what the real program said to the same question."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stackplan.verify.exchange import Ask, Question, Reply
from stackplan.verify.observation import Heard

RECORDED = Path(__file__).parent / "recorded"
SILENT = Reply(Heard.SILENT, problem="nobody listens there")


def recorded(program: str) -> dict[str, Reply]:
    """Each answer by the name that `record` gave it."""
    answers = json.loads((RECORDED / f"{program}.json").read_text(encoding="utf-8"))["answers"]
    return {name: _reply(**answer) for name, answer in answers.items()}


def answering(by_path: Mapping[str, Reply]) -> Ask:
    """Replies by path; nobody listens for others."""
    return lambda question: by_path.get(_name(question), SILENT)


def ok(body: Any, status: int = 200) -> Reply:
    """A reply with ``body``, JSON unless it is text or bytes already."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Reply(Heard.ANSWERED, status, raw)


def _reply(status: int, headers: dict[str, str], body: Any) -> Reply:
    raw = body if isinstance(body, str) else json.dumps(body)
    return Reply(Heard.ANSWERED, status, raw.encode(), headers)


def _name(question: Question) -> str:
    if question.path == "/api/show":  # one path, told apart by what is asked
        return f"/api/show {json.loads(question.body or b'')['model'].removeprefix('stackplan-')}"
    return question.path
