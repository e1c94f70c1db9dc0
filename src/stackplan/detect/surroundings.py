"""What stands between this process and the machine: WSL, containers, Kubernetes, LXC."""

from stackplan.detect.world import World


def surroundings(world: World) -> tuple[str, ...]:
    """Names of what encloses this process, the outermost first; empty on a plain machine."""
    found = []
    if _is_wsl(world):
        found.append("WSL2")
    container = _container(world)
    if container:
        found.append(container)
    if world.environment("KUBERNETES_SERVICE_HOST"):
        found.append("Kubernetes")
    return tuple(found)


def _is_wsl(world: World) -> bool:
    kernel = (world.read_text("/proc/sys/kernel/osrelease") or "").lower()
    return "microsoft" in kernel or bool(world.environment("WSL_DISTRO_NAME"))


def _container(world: World) -> str:
    told = world.environment("container") or (world.read_text("/run/systemd/container") or "").strip()
    if told:
        return {"lxc": "LXC", "docker": "Docker", "podman": "Podman"}.get(told, told[:20])
    if world.read_text("/.dockerenv") is not None:
        return "Docker"
    if world.read_text("/run/.containerenv") is not None:
        return "Podman"
    mounts = (world.read_text("/proc/self/mountinfo") or "").splitlines()
    return "LXC" if any(" /proc/" in line and "fuse.lxcfs" in line for line in mounts) else ""
