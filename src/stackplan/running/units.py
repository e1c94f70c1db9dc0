"""The processes of a plan on this machine without containers: one unit per server, and the gateway.

A unit is what a supervisor is told; it names no machine, so that the same plan in the same folder gives the same units.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stackplan.plan import Plan
from stackplan.render.native import LOOPBACK, command
from stackplan.render.servers import HOT, INFINITY, LLAMA_CPP, OLLAMA, SPEACHES, TEI, VLLM, Server, servers

GATEWAY = "gateway"
GATEWAY_ENGINE = "litellm"
GATEWAY_CONFIG = "litellm/config.yaml"
MASTER_KEY = "LITELLM_MASTER_KEY"

_HEALTH_PATHS = {
    LLAMA_CPP: "/health",
    OLLAMA: "/api/version",
    VLLM: "/health",
    TEI: "/health",
    INFINITY: "/health",
    SPEACHES: "/health",
    GATEWAY_ENGINE: "/health/liveliness",  # /health would call every model
}
_LEAST_START_SECONDS = 120
_UNKNOWN_START_SECONDS = 600
_GATEWAY_START_SECONDS = 300  # 7 s on idle cores, 56 s beside a compiler on two (LiteLLM 1.106.2)
_LOAD_FACTOR = 3  # a cold disk cache, other servers that load at the same time


@dataclass(frozen=True, slots=True)
class Unit:
    """One process to keep running.

    ``id`` is the server's, or ``gateway``. ``arguments`` hold no secret. ``keys`` are the variables that only this
    unit may see. ``start_seconds`` is how long it may take until it answers.
    """

    id: str
    tier: str
    engine: str
    program: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    port: int
    instances: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    start_seconds: int = _LEAST_START_SECONDS

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def health_address(self) -> str:
        """What answers 200 as soon as requests are served; asks no model anything."""
        return self.address + _HEALTH_PATHS[self.engine]

    @property
    def is_gateway(self) -> bool:
        """Whether this is the one door to every role."""
        return self.id == GATEWAY


def units(plan: Plan, folder: Path) -> tuple[Unit, ...]:
    """The units of the plan that was rendered into ``folder``: HOT first, then WARM and COLD, the gateway last."""
    return (*(_server_unit(plan, server, folder) for server in servers(plan)), gateway_unit(plan, folder))


def digest(planned: Sequence[Unit]) -> str:
    """SHA-256 of everything that decides how these units run, the files that they read included."""
    told = hashlib.sha256()
    for unit in planned:
        told.update(json.dumps([unit.id, unit.program, unit.arguments, unit.environment, unit.port]).encode())
        for path in unit.needs:
            told.update(Path(path).read_bytes() if Path(path).is_file() else b"absent")
    return told.hexdigest()


def gateway_unit(plan: Plan, folder: Path) -> Unit:
    """LiteLLM in front of every role; the only unit that is given keys."""
    config = str(folder / GATEWAY_CONFIG)
    return Unit(
        id=GATEWAY,
        tier=HOT,
        engine=GATEWAY_ENGINE,
        program="litellm",
        arguments=("--config", config, "--host", LOOPBACK, "--port", str(plan.gateway_port)),
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        port=plan.gateway_port,
        roles=tuple(role.role for role in plan.roles),
        needs=(config,),
        keys=(MASTER_KEY, *sorted({fallback.key_variable for fallback in plan.fallbacks})),
        start_seconds=_GATEWAY_START_SECONDS,
    )


def _server_unit(plan: Plan, server: Server, folder: Path) -> Unit:
    run = command(plan, server)
    preset = str(folder / run.preset) if run.preset else ""
    members = tuple(member.id for member in server.members)
    return Unit(
        id=server.id,
        tier=server.tier,
        engine=server.engine,
        program=run.program,
        arguments=(*run.arguments, *(("--models-preset", preset) if preset else ())),
        environment=run.environment,
        port=server.port,
        instances=members,
        roles=tuple(role.role for member in members for role in plan.roles_of(member)),
        needs=(preset,) if preset else (),
        start_seconds=_start_seconds(server),
    )


def _start_seconds(server: Server) -> int:
    """Three times the planned load, since everything loads at once; a router loads nothing at its start."""
    if server.is_router:
        return _LEAST_START_SECONDS
    known = [member.speed.load_seconds for member in server.members if member.speed and member.speed.load_seconds]
    return max(_LEAST_START_SECONDS, math.ceil(_LOAD_FACTOR * sum(known))) if known else _UNKNOWN_START_SECONDS
