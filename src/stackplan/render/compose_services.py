"""One compose service per server: what the engine is told, and what the container may do."""

import math
from typing import Any

from stackplan.plan import Plan, PlannedArtifact
from stackplan.render.images import base_image, health_command
from stackplan.render.llama_options import as_arguments, llama_options
from stackplan.render.ollama_environment import ollama_environment
from stackplan.render.servers import HOT, INFINITY, LLAMA_CPP, OLLAMA, SPEACHES, TEI, VLLM, Server
from stackplan.render.service_arguments import (
    infinity_arguments,
    is_downloaded,
    offline,
    reference_file,
    speaches_environment,
    tei_arguments,
    vllm_arguments,
)

# Compose fills in the user's own folder; weights are mounted read-only.
MODELS_SOURCE = "${STACKPLAN_MODELS:-${HOME}/.local/share/stackplan/models}"
LOG_ROTATION = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
SPEACHES_CACHE = "/home/ubuntu/.cache/huggingface/hub"
_LEAST_START_SECONDS = 60
_SLOW_START_SECONDS = 600

Service = dict[str, Any]


def service(plan: Plan, server: Server) -> Service:
    """The server as a compose service, without any device: an overlay adds those."""
    body: Service = {"image": base_image(plan, server), **_engine(plan, server)}
    body["ports"] = [f"127.0.0.1:{port}:{server.container_port}" for port in server.ports]
    body["healthcheck"] = _health(server)
    return body | hardening()


def hardening() -> Service:
    """What every container of a stack is held to."""
    return {
        "restart": "unless-stopped",
        "security_opt": ["no-new-privileges:true"],
        "cap_drop": ["ALL"],
        "logging": LOG_ROTATION,
    }


def volumes_of(body: Service) -> list[str]:
    """Named volumes that the service mounts."""
    return [mount["source"] for mount in body.get("volumes", []) if mount["type"] == "volume"]


def bind(source: str, target: str) -> dict[str, Any]:
    """A read-only mount of a folder or file that must exist."""
    return {
        "type": "bind",
        "source": source,
        "target": target,
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def _volume(server: Server, target: str) -> dict[str, Any]:
    return {"type": "volume", "source": f"{server.id}-data", "target": target}


def _health(server: Server) -> dict[str, Any]:
    speeds = [member.speed.load_seconds for member in server.members if member.speed and member.speed.load_seconds]
    start = math.ceil(3 * max(speeds)) if speeds else _SLOW_START_SECONDS
    return {
        "test": health_command(server),
        "interval": "15s",
        "timeout": "5s",
        "retries": 5,
        "start_period": f"{max(_LEAST_START_SECONDS, start)}s",
    }


def _engine(plan: Plan, server: Server) -> Service:
    return {
        LLAMA_CPP: _llama_cpp,
        OLLAMA: _ollama,
        VLLM: _vllm,
        TEI: _tei,
        INFINITY: _infinity,
        SPEACHES: _speaches,
    }[server.engine](plan, server)


def _llama_cpp(plan: Plan, server: Server) -> Service:
    address = ["--host", "0.0.0.0", "--port", str(server.container_port)]  # noqa: S104  (inside the container)
    listen = [*address, "--no-ui", "--cors-origins", "localhost"]
    volumes = [bind(MODELS_SOURCE, "/models")]
    if server.is_router:
        preset = f"/etc/stackplan/{server.id}.ini"
        command = ["--models-preset", preset, "--models-max", str(server.resident)]
        volumes.append(bind(f"./llama.cpp/{server.id}.ini", preset))
    else:
        command = as_arguments(llama_options(plan, server.members[0]))
        if server.tier == HOT:
            command.append("--metrics")
    if any(not plan.artifact(member.artifact).files for member in server.members):
        volumes.append(_volume(server, "/cache"))
    # Paths in options are relative to the folder above models/.
    return {
        **_locked_memory(plan),
        "working_dir": "/",
        "command": [*listen, *command],
        "environment": {"LLAMA_CACHE": "/cache"},
        "volumes": volumes,
    }


def _locked_memory(plan: Plan) -> Service:
    """Leave to lock weights into memory: without it the engine warns and goes on unlocked."""
    return {"ulimits": {"memlock": -1}} if plan.runtime.lock_memory else {}


def _ollama(_plan: Plan, server: Server) -> Service:
    environment = ollama_environment(server) | {"OLLAMA_HOST": f"0.0.0.0:{server.container_port}"}
    return {"environment": environment, "volumes": [_volume(server, "/root/.ollama")]}


def _vllm(plan: Plan, server: Server) -> Service:
    artifact = plan.artifact(server.members[0].artifact)
    return {
        "command": [*vllm_arguments(plan, server.members[0], "/"), "--port", str(server.container_port)],
        "environment": {**offline(artifact), "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"},
        "shm_size": "2gb",
        "volumes": _weights(server, artifact, "/root/.cache/huggingface"),
    }


def _tei(plan: Plan, server: Server) -> Service:
    artifact = plan.artifact(server.members[0].artifact)
    return {
        "command": [*tei_arguments(plan, server.members[0], "/"), "--port", str(server.container_port)],
        "environment": offline(artifact),
        "volumes": _weights(server, artifact, "/data"),
    }


def _infinity(plan: Plan, server: Server) -> Service:
    artifact = plan.artifact(server.members[0].artifact)
    return {
        "command": ["v2", *infinity_arguments(plan, server.members[0], "/"), "--port", str(server.container_port)],
        "environment": {**offline(artifact), "INFINITY_ANONYMOUS_USAGE_STATS": "0", "DO_NOT_TRACK": "1"},
        "volumes": _weights(server, artifact, "/app/.cache"),
    }


def _speaches(plan: Plan, server: Server) -> Service:
    """It knows models by the layout of the hub's cache, so a downloaded one is mounted as a snapshot of its commit."""
    artifact = plan.artifact(server.members[0].artifact)
    environment = speaches_environment(plan, server)
    if not is_downloaded(artifact):
        return {"environment": environment, "volumes": [_volume(server, SPEACHES_CACHE)]}
    folder = f"{SPEACHES_CACHE}/models--{artifact.repository.replace('/', '--')}"
    snapshot = bind(f"{MODELS_SOURCE}/{artifact.repository}", f"{folder}/snapshots/{artifact.revision}")
    return {
        "environment": environment,
        "volumes": [snapshot, bind(f"./{reference_file(server)}", f"{folder}/refs/main")],
    }


def _weights(server: Server, artifact: PlannedArtifact, cache: str) -> list[dict[str, Any]]:
    return [bind(MODELS_SOURCE, "/models")] if artifact.files else [_volume(server, cache)]
