"""Target ``quadlet``: Podman units for a rootless user, one ``.container`` per server (podman-systemd.unit(5)).

The same containers as the compose target, so both say the same of images, flags and volumes. GPUs come by CDI
names, which `nvidia-ctk cdi generate` makes.
"""

import re
from typing import Any

from stackplan.errors import UserError
from stackplan.hardware import Backend
from stackplan.plan import Plan
from stackplan.render.compose_services import MODELS_SOURCE, service
from stackplan.render.devices import device_index
from stackplan.render.images import program_image, server_image
from stackplan.render.servers import HOT, Server, is_macos, servers
from stackplan.render.units import assignment, to_unit, word

NETWORK = "stackplan.network"
_MODELS = "%h/.local/share/stackplan/models"
_DEPLOY = "%h/.local/share/stackplan/deploy"
_PULL_SECONDS = 900  # the first start pulls the image


def render(plan: Plan) -> dict[str, str]:
    """Units for ``~/.config/containers/systemd``; presets are in ~/.local/share/stackplan/deploy."""
    planned = servers(plan)
    if is_macos(plan) and any(server.devices for server in planned):
        raise UserError(
            "Podman has no GPU on macOS, so containers could not hold this plan",
            hint="render the native targets: --target llama.cpp,ollama,launchd,litellm",
            slug="no-gpu-in-docker",
        )
    files = {f"quadlet/stackplan-{server.id}.container": _container(plan, server) for server in planned}
    files["quadlet/stackplan-gateway.container"] = _gateway(plan)
    files[f"quadlet/{NETWORK}"] = to_unit(("Network", [("NetworkName", "stackplan")]))
    return files


def _container(plan: Plan, server: Server) -> str:
    body = service(plan, server)
    entries = [("Image", server_image(plan, server)), ("ContainerName", server.id)]
    if body.get("working_dir"):
        entries.append(("WorkingDir", body["working_dir"]))
    if body.get("command"):
        entries.append(("Exec", " ".join(word(part) for part in body["command"])))
    entries += [("Environment", assignment(name, value)) for name, value in body.get("environment", {}).items()]
    entries += [("PublishPort", port) for port in body["ports"]]
    entries += [("Volume", _volume(mount)) for mount in body.get("volumes", [])]
    entries += [("HealthCmd", " ".join(word(part) for part in body["healthcheck"]["test"][1:]))]
    entries += [*_devices(plan, server), *_CONFINED]
    if body.get("shm_size"):
        entries.append(("ShmSize", body["shm_size"].removesuffix("b")))
    if "ulimits" in body:
        entries.append(("Ulimit", "memlock=-1:-1"))
    return _unit(f"stackplan {server.tier} {server.engine}: {server.id}", entries, hot=server.tier == HOT)


_CONFINED = [("NoNewPrivileges", "true"), ("DropCapability", "all"), ("Network", NETWORK)]


def _gateway(plan: Plan) -> str:
    entries = [
        ("Image", program_image(plan, "litellm")),
        ("ContainerName", "gateway"),
        ("Exec", "--config /etc/litellm/config.yaml --port 4000"),
        ("Environment", "LITELLM_LOCAL_MODEL_COST_MAP=True"),
        ("EnvironmentFile", "%h/.config/stackplan/gateway.env"),
        ("PublishPort", f"127.0.0.1:{plan.gateway_port}:4000"),
        ("Volume", f"{_DEPLOY}/litellm/config.compose.yaml:/etc/litellm/config.yaml:ro"),
        ("ReadOnly", "true"),
        ("Tmpfs", "/tmp"),  # noqa: S108  (a mount inside the container)
        *_CONFINED,
    ]
    return _unit("stackplan gateway (LiteLLM)", entries, hot=True)


def _unit(description: str, entries: list[tuple[str, str]], *, hot: bool) -> str:
    sections = [
        ("Unit", [("Description", description), ("StartLimitIntervalSec", "300"), ("StartLimitBurst", "5")]),
        ("Container", entries),
        ("Service", [("Restart", "on-failure"), ("RestartSec", "5"), ("TimeoutStartSec", str(_PULL_SECONDS))]),
    ]
    return to_unit(*sections, *([("Install", [("WantedBy", "default.target")])] if hot else []))


def _volume(mount: dict[str, Any]) -> str:
    if mount["type"] == "volume":
        return f"{mount['source']}:{mount['target']}"
    place = re.sub(r"^\.", _DEPLOY, mount["source"].replace(MODELS_SOURCE, _MODELS))
    return f"{place}:{mount['target']}:ro"


def _devices(plan: Plan, server: Server) -> list[tuple[str, str]]:
    if not server.devices:
        return []
    if server.backend is Backend.CUDA:
        names = [device.uuid or str(device_index(plan, device)) for device in server.devices]
        return [("AddDevice", f"nvidia.com/gpu={name}") for name in names]
    if server.backend is Backend.ROCM:
        return [("AddDevice", "/dev/kfd"), ("AddDevice", "/dev/dri")]
    return [("AddDevice", "/dev/dri")]
