"""A bench of one target: warm up, choose a size that the time allows, repeat, and tell median and spread."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stackplan.bench.engines import engine_version, sampler, unload
from stackplan.bench.sample import Means, Sample, Size, Target
from stackplan.errors import UserError
from stackplan.measurement import Figure
from stackplan.values import replace

_WARM_UP = Size(32, 8)
_LONGEST_WORD = 12  # tokens of a word where the vocabulary is bytes
_MOST = Size(1024, 64)  # tokens to read and to write: a short working session
_MOST_TO_EMBED = 512
_LEAST_READ, _LEAST_WRITTEN = 64, 16
_TOO_FEW = 16  # tokens of a prompt that say nothing of a rate
_FILLED = 0.8  # of the context; words of another passage may be more tokens


@dataclass(frozen=True, slots=True)
class Effort:
    """How often a request is repeated, and for how many seconds at most; ``reload`` times loading too."""

    repeats: int = 5
    seconds: float = 60.0
    reload: bool = False


@dataclass(frozen=True, slots=True)
class Benched:
    """What came out for one target. Rates are tokens per second; None where nothing was to be measured."""

    target: Target
    engine_version: str
    repeats: int
    depth_tokens: int
    decode: Figure | None
    prompt: Figure | None
    load_seconds: float | None
    note: str = ""


def bench(
    target: Target, effort: Effort, means: Means, say: Callable[[str], None], *, loaded: bool | None = None
) -> Benched:
    """Measure one target. ``loaded`` False says that the first request has to load the model.

    Raises `UserError` when nothing could be measured; when only the time ran out, what was measured is told.
    """
    take, end = sampler(target.engine, target.mode), means.now() + effort.seconds
    if effort.reload and unload(target, means):
        loaded = False
    say(f"{target.name}: warming up")
    little = replace(_WARM_UP, words=max(1, min(_WARM_UP.words, target.context_tokens // _LONGEST_WORD)))
    first = take(target, little, 0, means)
    second = take(target, little, 1, means)  # the first one also paid for what a new process does once
    per_word = max(1.0, second.prompt_tokens / little.words)
    repeats, size = _plan(target, effort.repeats, second, per_word, end - means.now())
    samples: list[Sample] = []
    note = ""
    for number in range(repeats):
        say(f"{target.name}: {number + 1}/{repeats}")
        try:
            samples.append(take(target, size, number + 2, means))
        except UserError:
            if not samples:
                raise
            note = f"stopped after {len(samples)} of {repeats} repeats"
            break
    load = first.load_seconds if loaded is False else None
    return _told(target, engine_version(target, means), samples, load, note)


def _plan(target: Target, repeats: int, seen: Sample, tokens_per_word: float, seconds_left: float) -> tuple[int, Size]:
    """How often and how much, so that context and time suffice."""
    room = int(target.context_tokens * _FILLED)
    write = min(_MOST.predicted_tokens, room // 4) if target.mode == "chat" else 0
    most = _MOST.words if target.mode == "chat" else _MOST_TO_EMBED
    read = max(1, min(most, room - write))
    read_seconds = seen.prompt_seconds / seen.prompt_tokens
    write_seconds = seen.predicted_seconds / max(1, seen.predicted_steps)
    spare = seconds_left * 0.8

    def takes_too_long() -> bool:
        return repeats * (read * read_seconds + write * write_seconds) > spare

    while takes_too_long() and (read > _LEAST_READ or write > _LEAST_WRITTEN):
        read, write = max(min(read, _LEAST_READ), read // 2), max(min(write, _LEAST_WRITTEN), write // 2)
    while takes_too_long() and repeats > 2:
        repeats -= 1
    return repeats, Size(max(1, int(read / tokens_per_word)), max(2, write))


def _told(target: Target, version: str, samples: list[Sample], load: float | None, note: str) -> Benched:
    wrote = [one for one in samples if one.predicted_steps > 0 and one.predicted_seconds > 0]
    read = [one for one in samples if one.prompt_tokens >= _TOO_FEW and one.prompt_seconds > 0]
    return Benched(
        target=target,
        engine_version=version,
        repeats=len(samples),
        depth_tokens=int(statistics.median(one.depth_tokens for one in samples)),
        decode=_figure(one.predicted_steps / one.predicted_seconds for one in wrote),
        prompt=_figure(one.prompt_tokens / one.prompt_seconds for one in read),
        load_seconds=round(load, 3) if load else None,
        note=note,
    )


def _figure(rates: Iterable[float]) -> Figure | None:
    found = [round(rate, 3) for rate in rates]
    return Figure(statistics.median(found), min(found), max(found)) if found and min(found) > 0 else None
