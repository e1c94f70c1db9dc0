"""Target ``ollama``: scripts that pull and preload, a Modelfile per role, the environment of each server.

The scripts talk HTTP only, so they work the same against containers and native servers. Names and numbers in
their tables passed the allow-list of `names`.
"""

from dataclasses import dataclass

from stackplan.plan import Instance, Plan, ServedRole
from stackplan.render.devices import visible_devices
from stackplan.render.documents import HEADER
from stackplan.render.endpoints import ollama_name, ollama_source
from stackplan.render.ollama_environment import ollama_environment
from stackplan.render.servers import OLLAMA, TIERS, Server, server_of, servers, tier_of
from stackplan.render.templates import render_template

_EVERY_LAYER = 999


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the scripts' table: a role's model, where it comes from, and where it goes."""

    server: str
    port: int
    tier: str
    mode: str
    source: str
    name: str
    file_bytes: int
    context_tokens: int
    parameters: dict[str, int]


def render(plan: Plan) -> dict[str, str]:
    """Everything that Ollama servers of the plan need; without any, scripts that say that there is nothing to pull."""
    chosen = [server for server in servers(plan) if server.engine == OLLAMA]
    table = rows(plan)
    files = {f"ollama/pull.{kind}": render_template(f"ollama/pull.{kind}.j2", rows=table) for kind in ("sh", "ps1")}
    for role in _roles(plan):
        files[f"ollama/modelfiles/{role.role}.Modelfile"] = modelfile(plan, role)
    for server in chosen:
        files[f"ollama/{server.id}.env"] = _environment(plan, server)
    return files


def rows(plan: Plan) -> list[Row]:
    """The scripts' table: one row per role, HOT first, else in the order of the plan."""
    table = [_row(plan, role) for role in _roles(plan)]
    return sorted(table, key=lambda row: TIERS.index(row.tier))


def modelfile(plan: Plan, role: ServedRole) -> str:
    """The Modelfile of a role. All roles of one instance say the same, else they would reload each other's weights."""
    instance = plan.instance(role.instance)
    lines = [f"# {HEADER}", f"FROM {ollama_source(plan.artifact(instance.artifact))}"]
    lines += [f"PARAMETER {name} {value}" for name, value in parameters(plan, instance).items()]
    return "\n".join(lines) + "\n"


def parameters(plan: Plan, instance: Instance) -> dict[str, int]:
    """What Ollama would otherwise choose by itself and differently on every machine."""
    threads = {"num_thread": plan.runtime.threads} if plan.runtime.threads else {}
    return {
        "num_ctx": instance.context_tokens,
        "num_gpu": _gpu_layers(instance),
        "num_batch": instance.micro_batch_tokens,
        **threads,
    }


def _gpu_layers(instance: Instance) -> int:
    if instance.placement.is_cpu:
        return 0
    return _EVERY_LAYER if instance.placement.gpu_layers is None else instance.placement.gpu_layers


def _roles(plan: Plan) -> list[ServedRole]:
    return [role for role in plan.roles if plan.instance(role.instance).engine == OLLAMA]


def _row(plan: Plan, role: ServedRole) -> Row:
    instance = plan.instance(role.instance)
    artifact = plan.artifact(instance.artifact)
    server = server_of(plan, role.instance)
    return Row(
        server=server.id,
        port=server.port,
        tier=tier_of(instance),
        mode=role.mode,
        source=ollama_source(artifact),
        name=ollama_name(role.role),
        file_bytes=artifact.file_bytes,
        context_tokens=instance.context_tokens,
        parameters=parameters(plan, instance),
    )


def _environment(plan: Plan, server: Server) -> str:
    values = {"OLLAMA_HOST": f"127.0.0.1:{server.port}", **ollama_environment(server), **visible_devices(plan, server)}
    return "\n".join([f"# {HEADER}", *(f"{name}={value}" for name, value in values.items())]) + "\n"
