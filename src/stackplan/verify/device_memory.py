"""What each process holds on each GPU, as its driver tells: NVIDIA's library, or the kernel's (amdkfd).

Devices are told apart by UUID where the plan has one, else by their order among those of one driver.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stackplan.hardware import Backend, Device
from stackplan.plan import Plan

_KFD = Path("/sys/class/kfd/kfd")

# Device of the plan -> process -> bytes; None where the driver knows the process and not its bytes.
Held = dict[str, dict[int, int | None]]


def device_memory(plan: Plan) -> Held | None:
    """Bytes by device and process; None where no driver of this machine tells them for the plan's devices."""
    cards = plan.host.machine.gpus
    nvidia = [card for card in cards if card.backend is Backend.CUDA]
    amd = [card for card in cards if card.backend is Backend.ROCM]
    if not cards:
        return {}
    found = (_nvidia(nvidia) if nvidia else {}) | (amd_held(amd, _KFD) if amd else {})
    return found or None


def _nvidia(cards: Sequence[Device]) -> Held:
    from stackplan.detect.nvml import driver_is_plausible, process_bytes  # noqa: PLC0415  (most hosts have no such card)

    if not driver_is_plausible("windows" if sys.platform == "win32" else sys.platform):
        return {}
    return by_card(cards, process_bytes())


def by_card(cards: Sequence[Device], told: Mapping[str, Mapping[int, int | None]]) -> Held:
    """What the driver tells by UUID, in its own order, as devices of the plan."""
    order = list(told.values())
    found: Held = {}
    for number, card in enumerate(cards):
        held = told.get(card.uuid) if card.uuid else order[number] if number < len(order) else None
        if held is not None:
            found[card.id] = dict(held)
    return found


def amd_held(cards: Sequence[Device], kfd: Path) -> Held:
    """``proc/PID/vram_GPUID`` of amdkfd; a GPU's number is in its node, nodes are in the order of ROCm's devices."""
    nodes = sorted((kfd / "topology" / "nodes").glob("*"), key=lambda path: (len(path.name), path.name))
    numbers = [number for number in (_text(node / "gpu_id") for node in nodes) if number not in ("", "0")]
    found: Held = {card.id: {} for card, _ in zip(cards, numbers, strict=False)}
    for process in sorted((kfd / "proc").glob("[0-9]*")):
        for card, number in zip(cards, numbers, strict=False):
            text = _text(process / f"vram_{number}")
            if text:
                found[card.id][int(process.name)] = int(text) if text.isascii() and text.isdigit() else None
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()[:32]
    except OSError:
        return ""
