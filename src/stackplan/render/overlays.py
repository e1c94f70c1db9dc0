"""Which compose files belong together on a host: the base, and one overlay per kind of device in use."""

from stackplan.hardware import Backend
from stackplan.plan import Plan
from stackplan.render.servers import Server, is_tegra, servers

BASE = "compose.yaml"
OVERLAYS = {Backend.CUDA: "nvidia", Backend.ROCM: "amd", Backend.VULKAN: "vulkan", Backend.SYCL: "intel"}


def compose_files(plan: Plan) -> list[str]:
    """The files that belong together on this host, in the order that ``docker compose -f`` needs."""
    return [BASE, *(f"compose.{name}.yaml" for name in overlay_names(plan))]


def overlay_names(plan: Plan) -> list[str]:
    """The overlays that the plan's servers need, sorted; ``cpu`` where no server uses a device."""
    names = {overlay_name(server) for server in servers(plan) if server.devices}
    return sorted(names) or ["cpu"]


def overlay_name(server: Server) -> str:
    """The overlay that gives the server its devices."""
    if server.devices and is_tegra(server.devices[0]):
        return "jetson"
    return OVERLAYS.get(server.backend, "cpu")
