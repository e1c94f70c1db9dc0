"""Where weights could go on a host: one card, the CPU, a split over cards, layers or experts in host memory.

Order is preference: what comes first wins ties. A model goes over several cards or partly into host memory only in
ways that llama.cpp has; experts go to host memory before whole layers do, because a token touches few of them.
"""

from collections.abc import Collection
from itertools import combinations

from stackplan.architecture import Architecture
from stackplan.hardware import Backend, Device, Host, PoolKind
from stackplan.serving import Placement
from stackplan.stack import Policy

# Shares of blocks whose experts, or of layers that, stay in host memory: finer steps hardly change the speed.
_EXPERT_SHARES = tuple(eighth / 8 for eighth in range(1, 8))
_LAYER_SHARES = (0.25, 0.5, 0.75)


def whole_placements(host: Host, policy: Policy) -> tuple[Placement, ...]:
    """Each card alone, each set of like cards together, and the CPU; `runs_at` tells which an engine can use."""
    cards = tuple(Placement((device.id,)) for device in host.gpus)
    return (*cards, *(_splits(host) if policy.allow_split else ()), Placement())


def runs_at(host: Host, placement: Placement, backends: Collection[str]) -> bool:
    """Whether an engine with these ``backends`` (none told: any) computes there.

    Where a GPU shares the CPU's memory, the CPU is only for engines that cannot use that GPU.
    """
    if not placement.is_cpu:
        return all(_serves(host.device(device), backends) for device in placement.devices)
    shared = [gpu for gpu in host.gpus if host.pool(gpu.pool).kind is PoolKind.UNIFIED]
    return _serves(host.cpu_device, backends) and not any(_serves(gpu, backends) for gpu in shared)


def _serves(device: Device, backends: Collection[str]) -> bool:
    # Catalogs call Intel's interface by the name of its images.
    names = {device.backend.value, *(["intel"] if device.backend is Backend.SYCL else [])}
    return not backends or not names.isdisjoint(backends)


def partial_placements(host: Host, architecture: Architecture, policy: Policy) -> tuple[Placement, ...]:
    """Ways to keep part of a model in host memory, the smallest part first; none where memory is shared."""
    if not policy.allow_partial_offload:
        return ()
    cards = [device.id for device in host.gpus if host.pool(device.pool).kind is PoolKind.VRAM]
    if architecture.experts:
        return tuple(
            Placement((card,), cpu_expert_layers=layers) for card in cards for layers in _expert_steps(architecture)
        )
    return tuple(Placement((card,), gpu_layers=layers) for card in cards for layers in _layer_steps(architecture))


def _expert_steps(architecture: Architecture) -> list[int]:
    blocks = architecture.block_count
    return sorted({max(1, round(blocks * share)) for share in _EXPERT_SHARES} | {blocks})


def _layer_steps(architecture: Architecture) -> list[int]:
    total = architecture.block_count + 1
    return sorted({max(1, round(total * share)) for share in _LAYER_SHARES}, reverse=True)


def _splits(host: Host) -> tuple[Placement, ...]:
    by_backend: dict[str, list[Device]] = {}
    for device in host.gpus:
        if host.pool(device.pool).kind is PoolKind.VRAM:
            by_backend.setdefault(device.backend, []).append(device)
    sets = [
        chosen
        for cards in by_backend.values()
        for size in range(2, len(cards) + 1)
        for chosen in (combinations(cards, size) if len(cards) <= 4 else [tuple(cards[:size])])
    ]
    return tuple(Placement(tuple(card.id for card in chosen), split=_shares(host, chosen)) for chosen in sets)


def _shares(host: Host, cards: tuple[Device, ...]) -> tuple[float, ...]:
    """Layers in proportion to each card's budget, as whole GiB so that twins split evenly; empty when all are equal."""
    budgets = [host.pool(card.pool).budget_bytes for card in cards]
    if max(budgets) - min(budgets) <= max(budgets) // 50:
        return ()
    return tuple(float(max(1, round(budget / 1024**3))) for budget in budgets)
