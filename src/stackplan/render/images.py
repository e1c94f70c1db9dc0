"""Container images by engine and backend, and what their health checks may call inside them."""

from stackplan.errors import UserError
from stackplan.hardware import Backend
from stackplan.plan import Plan
from stackplan.render.servers import INFINITY, LLAMA_CPP, OLLAMA, SPEACHES, TEI, VLLM, Server, is_tegra

# Programs that no role is served by, and that a plan therefore does not carry. Tags as their projects published them,
# 2026-11-21 (ghcr.io/berriai/litellm is signed; hub.docker.com/r/tensorzero/gateway; ghcr.io/open-webui/open-webui).
PROGRAM_IMAGES = {
    "litellm": "ghcr.io/berriai/litellm:v1.108.0",
    "tensorzero": "tensorzero/gateway:2026.6.0",
    "open-webui": "ghcr.io/open-webui/open-webui:v0.12.4",
}
# The Ollama image has neither curl nor wget (its Dockerfile, 2026-08); the others ship curl.
_HEALTH_PATHS = {LLAMA_CPP: "/health", VLLM: "/health", TEI: "/health", INFINITY: "/health", SPEACHES: "/health"}


def program_image(plan: Plan, program: str) -> str:
    """The image of a gateway or front end: the catalog's if the plan carries it, else the pinned one."""
    for engine in plan.engines:
        if engine.id == program and engine.images:
            return engine.images.get("cpu") or engine.images[min(engine.images)]
    return PROGRAM_IMAGES[program]


def base_image(plan: Plan, server: Server) -> str:
    """The image that runs without any device passed in, or the device's own where the engine has no other."""
    return _cpu_image(plan, server) or server_image(plan, server)


def server_image(plan: Plan, server: Server) -> str:
    """The image for the server's backend, the most specific first. Raises `UserError` when there is none."""
    images = plan.engine(server.engine).images
    if server.backend is Backend.CPU and (image := _cpu_image(plan, server)):
        return image
    for key in _image_keys(server):
        if key in images:
            return images[key]
    raise UserError(
        f"engine {server.engine} has no container image for {server.backend.value}",
        hint="render native targets instead: --target llama.cpp,systemd, or add the image to engines.yaml",
        slug="no-image",
    )


def health_command(server: Server) -> list[str]:
    """A health check that runs inside the image."""
    if server.engine == OLLAMA:
        return ["CMD", "ollama", "ls"]
    return ["CMD", "curl", "-fsS", f"http://127.0.0.1:{server.container_port}{_HEALTH_PATHS[server.engine]}"]


def _image_keys(server: Server) -> list[str]:
    if server.backend is Backend.CPU:
        return ["cpu"]
    first = server.devices[0]
    keys = [server.backend.value, *(["intel"] if server.backend is Backend.SYCL else [])]
    if first.compute_capability:
        keys.insert(0, f"cuda-{first.compute_capability.replace('.', '')}")
    if is_tegra(first):
        keys.insert(0, "jetson")
    return keys


def _cpu_image(plan: Plan, server: Server) -> str | None:
    """The CPU image: one for the host's instruction set where the engine publishes several."""
    images = plan.engine(server.engine).images
    arm = plan.host.machine.machine.lower() in ("aarch64", "arm64")
    return images.get("cpu-arm64" if arm else "cpu") or images.get("cpu")
