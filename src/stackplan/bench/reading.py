"""Embedders and rerankers that speak OpenAI's or Cohere's words: tokens that were read over the time of the answer."""

import json
from typing import Any

from stackplan.bench.sample import Means, Sample, Size, Target, answered, passage, unusable
from stackplan.verify.exchange import Question, entry, whole


def sample(target: Target, size: Size, number: int, means: Means) -> Sample:
    """One text embedded, or one compared with a question. Raises `UserError`."""
    text = passage(number, size.words)
    body: dict[str, Any] = {"model": target.model}
    path = "/v1/embeddings"
    if target.mode == "rerank":
        path = "/rerank" if target.engine == "infinity" else "/v1/rerank"
        body |= {"query": "river", "documents": [text]}
    else:
        body |= {"input": text}
    started = means.now()
    told = answered(target, means.ask(Question(target.base, path, json.dumps(body).encode(), key=target.key)))
    spent = means.now() - started
    read = whole(entry(told, "usage", "prompt_tokens")) or whole(entry(told, "usage", "total_tokens"))
    if not read or spent <= 0:
        raise unusable(target, "usage")
    return Sample(read, spent)
