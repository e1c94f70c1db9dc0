"""Any server that speaks OpenAI's completions: the time to the first piece is the prompt, the rest is writing.

The clock is ours, so that the network is part of it; vLLM and most others tell no times of their own.
"""

import json
from typing import Any

from stackplan.bench.sample import Means, Sample, Size, Target, passage, unusable
from stackplan.verify.exchange import Question, entry, whole


def sample(target: Target, size: Size, number: int, means: Means) -> Sample:
    """One streamed completion. Raises `UserError`."""
    body: dict[str, Any] = {
        "model": target.model,
        "prompt": passage(number, size.words),
        "max_tokens": size.predicted_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if target.engine == "vllm":  # its own extension; others refuse what they do not know
        body["ignore_eos"] = True
    started, moments, read, wrote = means.now(), [], None, None
    question = Question(target.base, "/v1/completions", json.dumps(body).encode(), key=target.key)
    for moment, piece in means.stream(target, question):
        if any(choice.get("text") for choice in piece.get("choices") or ()):
            moments.append(moment)
        read = whole(entry(piece, "usage", "prompt_tokens")) or read
        wrote = whole(entry(piece, "usage", "completion_tokens")) or wrote
    if not moments or not read or not wrote:
        raise unusable(target, "pieces and usage")
    return Sample(read, moments[0] - started, wrote - 1, moments[-1] - moments[0])
