"""Target ``compose``: a base file that any Docker accepts, and one overlay per kind of device that the plan uses."""

from typing import Any

from stackplan.errors import UserError
from stackplan.plan import Plan
from stackplan.render.compose_services import bind, hardening, service, volumes_of
from stackplan.render.devices import device_identity, device_index
from stackplan.render.documents import to_yaml
from stackplan.render.images import program_image, server_image
from stackplan.render.overlays import BASE, overlay_name, overlay_names
from stackplan.render.servers import (
    HOT,
    WARM,
    Server,
    has_unified_gpu,
    is_macos,
    servers,
    slug,
    starts_with_tier,
)

_DRI = "/dev/dri:/dev/dri"
_KFD = "/dev/kfd:/dev/kfd"


def render(plan: Plan) -> dict[str, str]:
    """``compose.yaml`` and its overlays; start with ``docker compose -f compose.yaml -f compose.KIND.yaml up -d``."""
    planned = servers(plan)
    if is_macos(plan) and any(server.devices for server in planned):
        raise UserError(
            "Docker has no GPU on macOS, so a compose stack could not hold this plan",
            hint="render the native targets: --target llama.cpp,ollama,launchd,litellm",
            slug="no-gpu-in-docker",
        )
    files = {BASE: to_yaml(_base(plan, planned))}
    for name in overlay_names(plan):
        files[f"compose.{name}.yaml"] = to_yaml({"services": _overlay(plan, planned, name)})
    return files


def _base(plan: Plan, planned: tuple[Server, ...]) -> dict[str, Any]:
    services = {server.id: service(plan, server) | _profiles(planned, server) for server in planned}
    volumes = sorted({name for server in planned for name in volumes_of(services[server.id])})
    services["gateway"] = _gateway(plan)
    document: dict[str, Any] = {"name": f"stackplan-{slug(plan.profile or plan.host.id)}", "services": services}
    if volumes:
        document["volumes"] = {name: {} for name in volumes}
    return document


def _profiles(planned: tuple[Server, ...], server: Server) -> dict[str, Any]:
    """HOT starts always, a tier's profile starts what may run together, and the rest has a profile of its own."""
    if server.tier == HOT:
        return {}
    alone = server.tier == WARM and not starts_with_tier(planned, server)
    return {"profiles": [f"warm-{server.id}" if alone else server.tier]}


def _gateway(plan: Plan) -> dict[str, Any]:
    keys = ["LITELLM_MASTER_KEY", *sorted({fallback.key_variable for fallback in plan.fallbacks})]
    # /health would call every model, which costs money and loads COLD ones.
    address = "http://127.0.0.1:4000/health/liveliness"
    probe = f"import urllib.request as request; request.urlopen('{address}', timeout=4)"
    return {
        "image": program_image(plan, "litellm"),
        "command": ["--config", "/etc/litellm/config.yaml", "--port", "4000"],
        "environment": {
            **{key: f"${{{key}:?set it in .env, see .env.example}}" for key in keys},
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
        "ports": [f"127.0.0.1:{plan.gateway_port}:4000"],
        "volumes": [bind("./litellm/config.compose.yaml", "/etc/litellm/config.yaml")],
        "healthcheck": {
            "test": ["CMD", "python3", "-c", probe],
            "interval": "30s",
            "timeout": "6s",
            "retries": 3,
            "start_period": "60s",
        },
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108  (a mount inside the container)
        **hardening(),
    }


def _overlay(plan: Plan, planned: tuple[Server, ...], name: str) -> dict[str, Any]:
    chosen = [server for server in planned if overlay_name(server) == name]
    return {server.id: {"image": server_image(plan, server), **_devices(plan, server, name)} for server in chosen}


def _devices(plan: Plan, server: Server, overlay: str) -> dict[str, Any]:
    if overlay == "nvidia":
        ids = [device_identity(plan, device) for device in server.devices]
        reservation = {"driver": "nvidia", "device_ids": ids, "capabilities": ["gpu"]}
        # Without this CUDA counts the fastest card first, and shares of a split would land elsewhere.
        order = {"environment": {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}} if len(ids) > 1 else {}
        return {"deploy": {"resources": {"reservations": {"devices": [reservation]}}}, **order}
    if overlay == "jetson":
        # Tegra's driver libraries are mounted by the runtime; a reservation alone gives no CUDA there.
        return {"runtime": "nvidia", "environment": {"JETSON_JETPACK": "6", "NVIDIA_VISIBLE_DEVICES": "all"}}
    if overlay == "amd":
        indices = ",".join(str(device_index(plan, device)) for device in server.devices)
        return {"devices": [_KFD, _DRI], "environment": {"ROCR_VISIBLE_DEVICES": indices}}
    if overlay in ("vulkan", "intel"):
        return {"devices": [_DRI]} | _visible(plan, server, overlay)
    return {"cpus": float(plan.host.machine.cpu.usable_threads)}


def _visible(plan: Plan, server: Server, overlay: str) -> dict[str, Any]:
    if overlay == "intel" or has_unified_gpu(plan):
        return {}
    indices = ",".join(str(device_index(plan, device)) for device in server.devices)
    return {"environment": {"GGML_VK_VISIBLE_DEVICES": indices}}
