"""One process per server without containers: its words, its environment, and how its paths are meant.

Processes start in the folder that holds ``models/``; presets are relative to the folder that was rendered, which the
supervisor gives as ``STACKPLAN_DEPLOY``.
"""

from dataclasses import dataclass, field

from stackplan.plan import Plan
from stackplan.render.devices import visible_devices
from stackplan.render.llama_options import as_arguments, llama_options
from stackplan.render.ollama_environment import ollama_environment
from stackplan.render.servers import HOT, LLAMA_CPP, OLLAMA, SPEACHES, TEI, VLLM, Server
from stackplan.render.service_arguments import (
    infinity_arguments,
    offline,
    speaches_environment,
    tei_arguments,
    vllm_arguments,
)

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. ``preset`` is a rendered file that follows ``--models-preset``, relative to the rendered folder."""

    program: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    preset: str = ""


def command(plan: Plan, server: Server) -> Command:
    """How to run the server on this host, listening on loopback only."""
    devices = visible_devices(plan, server)
    if server.engine == LLAMA_CPP:
        return _llama_server(plan, server, devices)
    if server.engine == OLLAMA:
        host = {"OLLAMA_HOST": f"{LOOPBACK}:{server.port}"}
        return Command("ollama", ("serve",), host | ollama_environment(server) | devices)
    return _service(plan, server, devices)


def _llama_server(plan: Plan, server: Server, devices: dict[str, str]) -> Command:
    listen = ["--host", LOOPBACK, "--port", str(server.port), "--no-ui", "--cors-origins", "localhost"]
    if server.is_router:
        words = [*listen, "--models-max", str(server.resident)]
        return Command("llama-server", tuple(words), devices, f"llama.cpp/{server.id}.ini")
    metrics = ["--metrics"] if server.tier == HOT else []
    words = [*listen, *as_arguments(llama_options(plan, server.members[0])), *metrics]
    return Command("llama-server", tuple(words), devices)


def _service(plan: Plan, server: Server, devices: dict[str, str]) -> Command:
    instance = server.members[0]
    port, environment = str(server.port), {**devices, "DO_NOT_TRACK": "1"}
    if server.engine == SPEACHES:
        words = ["--factory", "--host", LOOPBACK, "--port", port, "speaches.main:create_app"]
        return Command("uvicorn", tuple(words), environment | speaches_environment(plan, server))
    environment |= offline(plan.artifact(instance.artifact))
    if server.engine == VLLM:
        words = [*vllm_arguments(plan, instance, ""), "--host", LOOPBACK, "--port", port]
        return Command("vllm", ("serve", *words), environment | {"VLLM_NO_USAGE_STATS": "1"})
    if server.engine == TEI:
        words = [*tei_arguments(plan, instance, ""), "--hostname", LOOPBACK, "--port", port]
        return Command("text-embeddings-router", tuple(words), environment)
    words = [*infinity_arguments(plan, instance, ""), "--host", LOOPBACK, "--port", port]
    return Command("infinity_emb", ("v2", *words), environment | {"INFINITY_ANONYMOUS_USAGE_STATS": "0"})
