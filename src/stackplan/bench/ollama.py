"""Ollama: durations in nanoseconds with every answer (ollama docs/api.md, ``/api/generate`` and ``/api/embed``)."""

import json
from typing import Any

from stackplan.bench.sample import Means, Sample, Size, Target, answered, passage, unusable
from stackplan.verify.exchange import Question, entry, get, real, whole

_NANO = 1e-9


def version(target: Target, means: Means) -> str:
    """What ``/api/version`` says."""
    told = entry(get(means.ask, target.base, "/api/version"), "version")
    return told if isinstance(told, str) else ""


def sample(target: Target, size: Size, number: int, means: Means) -> Sample:
    """One raw generation, or one embedding. Raises `UserError`."""
    text = passage(number, size.words)
    if target.mode != "chat":
        return _reading(target, means, text)
    options = {"num_predict": size.predicted_tokens, "temperature": 0, "seed": number}
    told = _asked(target, means, "/api/generate", {"prompt": text, "raw": True, "stream": False, "options": options})
    read, read_for = whole(entry(told, "prompt_eval_count")), real(entry(told, "prompt_eval_duration"))
    wrote, wrote_for = whole(entry(told, "eval_count")), real(entry(told, "eval_duration"))
    if not read or read_for is None or not wrote or wrote_for is None:
        raise unusable(target, "eval_count and eval_duration")
    return Sample(read, read_for * _NANO, wrote, wrote_for * _NANO, load_seconds=_load(told))


def unload(target: Target, means: Means) -> bool:
    """Ask the server to drop the model; the next request loads it with the server's own keep-alive."""
    body = json.dumps({"model": target.model, "keep_alive": 0}).encode()
    path = "/api/generate" if target.mode == "chat" else "/api/embed"
    return means.ask(Question(target.base, path, body, key=target.key)).is_ok


def _reading(target: Target, means: Means, text: str) -> Sample:
    told = _asked(target, means, "/api/embed", {"input": text, "truncate": True})
    read, total = whole(entry(told, "prompt_eval_count")), real(entry(told, "total_duration"))
    load = _load(told) or 0.0
    if not read or total is None or total * _NANO <= load:
        raise unusable(target, "prompt_eval_count and total_duration")
    return Sample(read, total * _NANO - load, load_seconds=load)


def _asked(target: Target, means: Means, path: str, body: dict[str, Any]) -> Any:
    words = json.dumps({"model": target.model, **body}).encode()
    return answered(target, means.ask(Question(target.base, path, words, key=target.key)))


def _load(told: Any) -> float | None:
    nanoseconds = real(entry(told, "load_duration"))
    return None if nanoseconds is None else nanoseconds * _NANO
