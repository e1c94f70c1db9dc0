"""A question to a server and what came back, and careful reading of it: whatever it holds, nothing here raises."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stackplan.verify.observation import Heard

_LARGEST_NUMBER = 1 << 62


@dataclass(frozen=True, slots=True)
class Question:
    """One HTTP request: POST with a body, else GET. The key is never shown."""

    base: str
    path: str
    body: bytes | None = None
    content_type: str = "application/json"
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``heard`` is ANSWERED for any whole HTTP answer; ``problem`` says why it is not."""

    heard: Heard
    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether it is a whole answer with status 200."""
        return self.heard is Heard.ANSWERED and self.status == 200

    def json(self) -> Any:
        """The body as JSON; None when it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


Ask = Callable[[Question], Reply]


def get(ask: Ask, base: str, path: str) -> Any:
    """The JSON at ``path``, None for whatever else comes."""
    reply = ask(Question(base, path))
    return reply.json() if reply.is_ok else None


def post(ask: Ask, base: str, path: str, body: Mapping[str, Any]) -> Any:
    """The JSON answer to ``body``, None for whatever else comes."""
    reply = ask(Question(base, path, json.dumps(body).encode()))
    return reply.json() if reply.is_ok else None


def entry(value: Any, *names: str) -> Any:
    """``value[name][name]...``, None where it is not there."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def rows(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; nothing for anything else."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def whole(value: Any) -> int | None:
    """A whole number from 0 up to any size that memory could have, else None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_NUMBER else None


def real(value: Any) -> float | None:
    """A finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def words(value: Any, longest: int = 160) -> str:
    """Text on one line, cut; "" for anything else."""
    return " ".join(value[: longest * 4].split())[:longest] if isinstance(value, str) else ""


def complaint(reply: Reply) -> str:
    """Why a reply is no answer, in the server's own words where it has any."""
    if reply.heard is not Heard.ANSWERED:
        return reply.problem
    said = reply.json()
    error = entry(said, "error")
    told = (
        words(entry(error, "message")) or words(error) or words(entry(said, "detail")) or words(entry(said, "message"))
    )
    return f"HTTP {reply.status}" + (f": {told}" if told else "")
