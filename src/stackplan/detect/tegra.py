"""NVIDIA boards whose GPU shares the system's memory, told by what the board's files say.

Containers often lack the device tree and ``nvidia-smi`` says "Orin (nvgpu)" or nothing, so three files are asked.
"""

from dataclasses import dataclass

from stackplan.detect.world import World

# soc_id of NVIDIA parts that are no Tegra (LocalAI#PR9545): the part's name as its driver would write it.
_SOC_IDS = {"jep106:0426:8901": "NVIDIA GB10"}


@dataclass(frozen=True, slots=True)
class Board:
    """``model`` as the device tree has it, ``part`` as the driver calls the GPU; either may be empty."""

    model: str
    part: str


def tegra_board(world: World) -> Board | None:
    """The board, or None when this is no NVIDIA board with shared memory."""
    model = (world.read_text("/proc/device-tree/model") or "").strip("\0 \n")
    part = _SOC_IDS.get((world.read_text("/sys/devices/soc0/soc_id") or "").strip(), "")
    family = (world.read_text("/sys/devices/soc0/family") or "").strip()
    is_tegra = family == "Tegra" or world.read_text("/etc/nv_tegra_release") is not None
    if "NVIDIA Jetson" in model or part:
        return Board(model, part)
    return Board(model, "NVIDIA Jetson") if is_tegra else None
