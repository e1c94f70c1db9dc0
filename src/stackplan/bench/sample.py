"""One timed request to a running engine: what is asked, and what came of it. Seconds and tokens."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stackplan.errors import UserError
from stackplan.verify.exchange import Ask, Question, Reply

_WORDS = """
    river stone window paper garden letter winter market bridge silver kitchen morning doctor engine forest island
    music number orange person question road school table under value water yellow answer bottle castle dinner
    """.split()  # noqa: SIM905  (a list of a line each would hide the rest)


@dataclass(frozen=True, slots=True)
class Target:
    """A model behind an address. ``name`` is how it is told; ``context_tokens`` is what one request may use."""

    name: str
    engine: str
    mode: str
    base: str
    model: str
    context_tokens: int
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is asked: words to read (a word is a token or several), tokens to write."""

    words: int
    predicted_tokens: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What one request took. ``predicted_steps`` are the tokens that ``predicted_seconds`` were spent on."""

    prompt_tokens: int
    prompt_seconds: float
    predicted_steps: int = 0
    predicted_seconds: float = 0.0
    load_seconds: float | None = None

    @property
    def depth_tokens(self) -> int:
        """What stood in the cache while writing, on average."""
        return self.prompt_tokens + self.predicted_steps // 2


@dataclass(frozen=True, slots=True)
class Means:
    """How to ask: ``ask`` for a whole answer, ``stream`` for one piece by piece, ``now`` for the time in seconds."""

    ask: Ask
    stream: Callable[[Target, Question], Iterator[tuple[float, Any]]]
    now: Callable[[], float]


def passage(number: int, words: int) -> str:
    """Text of so many words, another from the first word on for each ``number``, so that no cache of prompts helps."""
    step = 2 * (number % 13) + 5
    return " ".join(_WORDS[(number * 7 + step * place + place // 32) % len(_WORDS)] for place in range(words))


def answered(target: Target, reply: Reply) -> Any:
    """The JSON of a good answer. Raises `UserError` with the engine's own words for any other."""
    told = reply.json()
    if reply.is_ok and isinstance(told, Mapping) and not told.get("error"):
        return told
    reason = reply.problem or _words_of(told) or f"status {reply.status}"
    raise UserError(
        f"{target.name} did not answer: {' '.join(reason.split())[:200]}",
        hint="see what runs: stackplan status, stackplan verify",
        slug="bench-failed",
    )


def unusable(target: Target, what: str) -> UserError:
    """The error for an answer that measures nothing."""
    hint = "is it the engine that was named? see --engine"
    return UserError(f"{target.name} answered without {what}", hint=hint, slug="bench-failed")


def _words_of(told: Any) -> str:
    error = told.get("error") if isinstance(told, Mapping) else None
    found = error.get("message") if isinstance(error, Mapping) else error
    return "".join(letter if letter.isprintable() else " " for letter in str(found or ""))
