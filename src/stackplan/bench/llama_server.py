"""llama-server: its own ``timings`` of a ``/completion`` (llama.cpp b11434, tools/server; checked against the program).

``predicted_ms`` runs from the first token on, which comes with the prompt: it is the time of one step less than tokens.
"""

import json
import re

from stackplan.bench.sample import Means, Sample, Size, Target, answered, passage, unusable
from stackplan.verify.exchange import Question, entry, get, real, whole

_BUILD = re.compile(r"b\d+")


def version(target: Target, means: Means) -> str:
    """The build, like ``b11434``."""
    told = entry(get(means.ask, target.base, f"/props?model={target.model}"), "build_info")
    found = _BUILD.match(told) if isinstance(told, str) else None
    return found[0] if found else ""


def sample(target: Target, size: Size, number: int, means: Means) -> Sample:
    """One completion without cache and without end. Raises `UserError`."""
    body = {
        "model": target.model,
        "prompt": passage(number, size.words),
        "n_predict": size.predicted_tokens,
        "cache_prompt": False,
        "ignore_eos": True,
        "temperature": 0,
    }
    started = means.now()
    told = answered(target, means.ask(Question(target.base, "/completion", json.dumps(body).encode(), key=target.key)))
    spent = means.now() - started
    timings = entry(told, "timings")
    read, read_ms = whole(entry(timings, "prompt_n")), real(entry(timings, "prompt_ms"))
    wrote, wrote_ms = whole(entry(timings, "predicted_n")), real(entry(timings, "predicted_ms"))
    if not read or read_ms is None or not wrote or wrote_ms is None:
        raise unusable(target, "timings")
    loading = max(0.0, spent - (read_ms + wrote_ms) / 1000)
    return Sample(read, read_ms / 1000, wrote - 1, wrote_ms / 1000, load_seconds=loading)


def unload(target: Target, means: Means) -> bool:
    """Ask a router to drop the model; False where this is no router."""
    body = json.dumps({"model": target.model}).encode()
    return means.ask(Question(target.base, "/models/unload", body, key=target.key)).is_ok
