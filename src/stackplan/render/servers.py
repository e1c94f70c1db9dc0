"""Which processes serve a plan: instances grouped as the engines' own rules demand.

* llama.cpp: each HOT or COLD instance is its own server, because the router evicts by least recent use, HOT included;
  the WARM members of a swap group share one router that keeps one model loaded, which is what the plan budgeted.
* Ollama: the settings that cost memory (parallel requests, KV type) belong to the whole server, and it evicts pinned
  models when another needs room: HOT models with equal settings share a server sized for all of them, a swap
  group has a server that keeps one model, and whatever differs gets its own.
* Every other engine serves one model per process.
"""

import re
from dataclasses import dataclass

from stackplan.errors import UserError
from stackplan.hardware import Backend, Device, PoolKind
from stackplan.plan import Instance, Plan

LLAMA_CPP = "llama.cpp"
OLLAMA = "ollama"
VLLM = "vllm"
TEI = "tei"
INFINITY = "infinity"
SPEACHES = "speaches"
HOT, WARM, COLD = TIERS = ("hot", "warm", "cold")
ENGINES = (LLAMA_CPP, OLLAMA, VLLM, TEI, INFINITY, SPEACHES)

# Compute capabilities that exist only in Tegra modules (Nano, TX2, Xavier, Orin, Thor), where Docker needs the nvidia
# runtime instead of a device reservation. Source: developer.nvidia.com/cuda-gpus, 2026-11.
TEGRA_CAPABILITIES = ("5.3", "6.2", "7.2", "8.7", "10.1", "11.0")
RESERVED_IDS = ("gateway", "tensorzero", "open-webui", "prometheus", "nginx")
WARM_IDLE_SECONDS = 900
COLD_IDLE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Server:
    """One process to run. ``id`` is safe as service, unit, file and host name.

    ``resident`` is how many members are in memory at once. ``port`` is where it listens on the host; ``ports`` are all
    ports that the plan gave its members (a container publishes each, a native process has only ``port``).
    ``devices`` are in the host's order, which is how a driver counts them wherever the process runs.
    """

    id: str
    engine: str
    tier: str
    members: tuple[Instance, ...]
    resident: int
    container_port: int
    backend: Backend
    devices: tuple[Device, ...]

    @property
    def port(self) -> int:
        """Where the server listens on the host."""
        return self.ports[0]

    @property
    def ports(self) -> tuple[int, ...]:
        """The members' ports, lowest first."""
        return tuple(sorted(member.port for member in self.members))

    @property
    def is_router(self) -> bool:
        """Whether several models take turns in this process."""
        return self.engine == LLAMA_CPP and len(self.members) > 1


def servers(plan: Plan) -> tuple[Server, ...]:
    """The plan's servers: HOT first, then WARM and COLD, each in the order of the plan."""
    groups: dict[tuple[object, ...], list[Instance]] = {}
    for instance in plan.instances:
        groups.setdefault(_group_key(instance), []).append(instance)
    ordered = sorted(groups.values(), key=lambda members: TIERS.index(tier_of(members[0])))
    taken = set(RESERVED_IDS)
    return tuple(_server(plan, tuple(members), taken) for members in ordered)


def server_of(plan: Plan, instance_id: str) -> Server:
    """The server that runs the instance; KeyError when the plan has no such instance."""
    return {member.id: server for server in servers(plan) for member in server.members}[instance_id]


def starts_with_tier(planned: tuple[Server, ...], server: Server) -> bool:
    """Whether starting the server's whole tier may start it too.

    COLD servers start one by one. Of a swap group, WARM starts the one server that holds most of it: nothing would
    make two servers take turns in memory that was planned for one.
    """
    group = server.members[0].swap_group
    if server.tier != WARM or not group:
        return server.tier != COLD
    rivals = [other for other in planned if other.tier == WARM and other.members[0].swap_group == group]
    return server is max(rivals, key=lambda rival: len(rival.members))


def tier_of(instance: Instance) -> str:
    """One of `TIERS`; plans may spell it in capitals, as people do."""
    return instance.tier.lower()


def is_tegra(device: Device) -> bool:
    """Whether the device is an NVIDIA module with unified memory that needs the Tegra container runtime."""
    return device.backend is Backend.CUDA and device.compute_capability in TEGRA_CAPABILITIES


def has_unified_gpu(plan: Plan) -> bool:
    """Whether a GPU of the host shares its memory with the CPU."""
    machine = plan.host.machine
    return any(machine.pool(device.pool).kind is PoolKind.UNIFIED for device in machine.gpus)


def is_macos(plan: Plan) -> bool:
    """Whether the host runs macOS, where containers see no GPU."""
    return plan.host.machine.operating_system.lower() in ("darwin", "macos") or any(
        device.backend is Backend.METAL for device in plan.host.machine.devices
    )


def slug(text: str) -> str:
    """``text`` as a lower-case name that service managers, file systems and DNS accept."""
    return re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-") or "server"


def _group_key(instance: Instance) -> tuple[object, ...]:
    shares_router = tier_of(instance) == WARM and instance.swap_group
    if instance.engine == LLAMA_CPP and shares_router:
        return (LLAMA_CPP, instance.swap_group, instance.placement.devices)
    if instance.engine == OLLAMA and (shares_router or tier_of(instance) == HOT):
        settings = (instance.kv_type, instance.slots, instance.flash_attention)
        return (OLLAMA, tier_of(instance), instance.swap_group, instance.placement.devices, settings)
    return (instance.engine, instance.id)


def _server(plan: Plan, members: tuple[Instance, ...], taken: set[str]) -> Server:
    first = members[0]
    if first.engine not in ENGINES:
        raise UserError(
            f"no target knows how to run engine {first.engine!r}",
            hint=f"choose one of {', '.join(ENGINES)}, or forbid it in the policy",
            slug="engine-unknown",
        )
    machine = plan.host.machine
    used = set() if first.placement.is_cpu else set(first.placement.devices)
    devices = tuple(device for device in machine.devices if device.id in used)
    return Server(
        id=_unique(_wanted_id(members), taken),
        engine=first.engine,
        tier=tier_of(first),
        members=members,
        resident=1 if tier_of(first) == WARM else len(members),
        container_port=plan.engine(first.engine).container_port,
        backend=devices[0].backend if devices else Backend.CPU,
        devices=devices,
    )


def _wanted_id(members: tuple[Instance, ...]) -> str:
    first = members[0]
    if len(members) == 1:
        return slug(first.id)
    return slug(first.swap_group or f"{first.engine}-{tier_of(first)}")


def _unique(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    taken.add(name)
    return name
