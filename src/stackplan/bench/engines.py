"""Who knows how to ask which engine: the literal registry of the modules of this package."""

from typing import Protocol

from stackplan.bench import llama_server, ollama, reading, streaming
from stackplan.bench.sample import Means, Sample, Size, Target
from stackplan.render.servers import INFINITY, LLAMA_CPP, OLLAMA, TEI, VLLM
from stackplan.verify.exchange import entry, get

MODES = ("chat", "embedding", "rerank")
# Where engines without a module of their own tell their version: path and field.
_VERSIONS = {VLLM: ("/version", "version"), TEI: ("/info", "version"), INFINITY: ("/openapi.json", "info", "version")}


class TakeSample(Protocol):
    """Times one request; ``number`` makes its text differ from all others. Raises `UserError`."""

    def __call__(self, target: Target, size: Size, number: int, means: Means, /) -> Sample:
        """What the request took."""


def sampler(engine: str, mode: str) -> TakeSample:
    """How to time one request of the mode; engines that nobody knows are taken to speak OpenAI's words."""
    if engine == OLLAMA:
        return ollama.sample
    if mode != "chat":
        return reading.sample
    return llama_server.sample if engine == LLAMA_CPP else streaming.sample


def engine_version(target: Target, means: Means) -> str:
    """The version that runs, as the engine itself tells it; "unknown" where it does not."""
    if target.engine == LLAMA_CPP:
        told = llama_server.version(target, means)
    elif target.engine == OLLAMA:
        told = ollama.version(target, means)
    else:
        path, *names = _VERSIONS.get(target.engine, ("/version", "version"))
        found = entry(get(means.ask, target.base, path), *names)
        told = found if isinstance(found, str) else ""
    clean = "".join(letter for letter in told if letter.isprintable()).strip()[:80]
    return clean or "unknown"


def unload(target: Target, means: Means) -> bool:
    """Make the engine drop the model, so that loading can be timed; False where it cannot be asked to."""
    if target.engine == OLLAMA:
        return ollama.unload(target, means)
    return target.engine == LLAMA_CPP and llama_server.unload(target, means)
