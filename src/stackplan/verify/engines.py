"""The engines that can be asked, by name: the literal registry of the modules of this package."""

from typing import Protocol

from stackplan.plan import Plan
from stackplan.render.servers import INFINITY, LLAMA_CPP, OLLAMA, SPEACHES, TEI, VLLM, Server
from stackplan.verify import infinity, llama_cpp, ollama, speaches, text_embeddings, vllm
from stackplan.verify.exchange import Ask
from stackplan.verify.observation import ServerSeen


class Observe(Protocol):
    """Asks one server and tells what it says; whatever that answers, the result is a value."""

    def __call__(self, plan: Plan, server: Server, base: str, ask: Ask, /) -> ServerSeen:
        """What the server at ``base`` says of its instances."""


ENGINES: dict[str, Observe] = {
    LLAMA_CPP: llama_cpp.observe,
    OLLAMA: ollama.observe,
    VLLM: vllm.observe,
    TEI: text_embeddings.observe,
    INFINITY: infinity.observe,
    SPEACHES: speaches.observe,
}
