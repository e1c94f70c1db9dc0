"""NVIDIA devices: the management library first, ``nvidia-smi`` when it does not answer.

"Not Supported", "N/A" and "Insufficient Permissions" are states: the device stays, its memory is unknown, never 0.
"""

import re
from typing import Any

from stackplan.detect.gpu import GpuReading, Holder, MemoryModel
from stackplan.detect.nvidia_smi import smi_rows
from stackplan.detect.pcie import link_bytes_per_second
from stackplan.detect.tegra import Board, tegra_board
from stackplan.detect.visibility import visible
from stackplan.detect.world import World
from stackplan.hardware import Backend
from stackplan.values import replace

# FP32 units per multiprocessor by compute capability, major or exact (CUDA C++ Programming Guide).
_CORES_PER_MULTIPROCESSOR = {
    "6.0": 64,
    "8.0": 64,
    "5": 128,
    "6": 128,
    "7": 64,
    "8": 128,
    "9": 128,
    "10": 128,
    "12": 128,
}

# Parts whose memory is the system's: by compute capability, which no card has (CUDA GPUs: Xavier, Orin, Thor, GB10,
# N1X), or by a whole word of the driver's name where the capability is not told ("NVIDIA GB10", "Thor",
# "Orin (nvgpu)", "NVIDIA RTX Spark N1X"). Only these: a lost card or a MIG parent also says "Not Supported" and is not
# unified (gpustat#PR179). GB10 and Jetson do not report, N1X reports its carve-out only (unsloth#11208).
_UNIFIED_CAPABILITIES = frozenset({"5.3", "6.2", "7.2", "8.7", "10.1", "11.0", "12.1"})
_UNIFIED_WORDS = frozenset({"GB10", "N1X", "N1", "Thor", "Orin", "Xavier", "nvgpu"})
# Cards whose memory is part of the system's (NUMA nodes of Grace) and that may not report it (aprender#PR2034).
_COHERENT_WORDS = frozenset({"GH200", "GB200", "GB300"})

_WORD = re.compile(r"[A-Za-z0-9]+")
_INSTANCE = re.compile(r"^MIG-GPU-[^/]+/(\d{1,4})/\d+$")
_PROFILE = re.compile(r"\bMIG (\S+)$")


def nvidia_devices(world: World) -> list[GpuReading]:
    """Every NVIDIA device or MIG slice that this process may see."""
    board = tegra_board(world)
    answers = world.nvml() or {}
    # A library that answers with an empty list while nvidia-smi shows cards is the wrong library (WSL2).
    rows = answers.get("devices") or smi_rows(world)
    driver = answers.get("driver_version") or ""
    readings = [reading for row in rows for reading in _readings(row, driver, board)]
    if not readings and board is not None:
        readings = [_board_reading(board)]
    return visible(world, readings)


def _readings(row: dict[str, Any], driver: str, board: Board | None) -> list[GpuReading]:
    if row.get("error"):
        note = f"the driver says {row['error']}"
        return [GpuReading("nvidia", "NVIDIA GPU", Backend.CUDA, MemoryModel.UNKNOWN, notes=(note,))]
    card = _card(row, driver or row.get("driver_version", ""))
    if row.get("mig"):
        return [_slice(card, part) for part in _instances(row.get("slices", []))] or [
            replace(card, notes=("MIG is on without a slice",))
        ]
    if _is_unified(row, board):
        return [_unified(card, board)]
    return [card]


def _card(row: dict[str, Any], driver: str) -> GpuReading:
    memory = row.get("memory") or {}
    total = memory.get("total") or None
    notes = () if total else (f"the driver does not tell the memory: {memory.get('state') or 'no answer'}",)
    if row.get("ecc"):
        notes = (*notes, "ECC is on")
    return GpuReading(
        vendor="nvidia",
        name=row.get("name") or "NVIDIA GPU",
        backend=Backend.CUDA,
        memory_model=MemoryModel.DEDICATED if total else MemoryModel.UNKNOWN,
        total_bytes=total,
        free_bytes=memory.get("free") if total else None,
        reserved_bytes=memory.get("reserved") if total else None,
        uuid=row.get("uuid") or "",
        pci_address=row.get("pci_address") or "",
        pci_id=row.get("pci_id") or "",
        compute_capability=row.get("compute_capability"),
        multiprocessors=_multiprocessors(row.get("cores"), row.get("compute_capability")),
        bandwidth_bytes_per_second=_bandwidth(row.get("memory_bus_bits"), row.get("memory_clock_mhz")),
        pcie_bytes_per_second=link_bytes_per_second(row.get("pcie_generation"), row.get("pcie_width")),
        display_attached=row.get("display_active"),
        driver=driver,
        holders=_holders(row.get("processes", [])),
        notes=notes,
    )


def _instances(slices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One of each GPU instance: compute instances within one ("1c.3g.20gb") share its memory, which counts once."""
    kept: dict[Any, dict[str, Any]] = {}
    for number, part in enumerate(slices):
        old_style = _INSTANCE.search(part.get("uuid") or "")
        instance = part.get("gpu_instance")
        if instance is None and old_style:
            instance = int(old_style[1])
        kept.setdefault(("unknown", number) if instance is None else instance, part)
    return list(kept.values())


def _slice(card: GpuReading, part: dict[str, Any]) -> GpuReading:
    """A MIG slice as a device of its own; what its parent says about memory (nothing) does not matter."""
    memory = part.get("memory") or {}
    total = memory.get("total") or None
    name = part.get("name") or f"{card.name} MIG"
    profile = _PROFILE.search(name)
    return replace(
        card,
        name=name,
        uuid=part.get("uuid") or "",
        parent_uuid=card.uuid,
        memory_model=MemoryModel.DEDICATED if total else MemoryModel.UNKNOWN,
        total_bytes=total,
        free_bytes=memory.get("free") if total else None,
        reserved_bytes=0,
        multiprocessors=part.get("multiprocessors"),
        bandwidth_bytes_per_second=None,
        slice_of=card.name,
        slice_profile=profile[1] if profile else "",
        holders=_holders(part.get("processes", [])),
        notes=() if total else (f"the driver does not tell the slice's memory: {memory.get('state') or 'no answer'}",),
    )


def _is_unified(row: dict[str, Any], board: Board | None) -> bool:
    words = set(_WORD.findall(row.get("name") or ""))
    told = bool((row.get("memory") or {}).get("total"))
    if row.get("integrated") or row.get("compute_capability") in _UNIFIED_CAPABILITIES or words & _UNIFIED_WORDS:
        return True
    return not told and (board is not None or bool(words & _COHERENT_WORDS))


def _unified(card: GpuReading, board: Board | None) -> GpuReading:
    """The system's memory is the device's; the driver's own number is missing or too small."""
    names = tuple(filter(None, (card.name, board.model if board else "", board.part if board else "")))
    return replace(
        card,
        memory_model=MemoryModel.SHARED,
        total_bytes=None,
        free_bytes=None,
        reserved_bytes=None,
        integrated=True,
        pcie_bytes_per_second=None,
        catalog_names=names,
        notes=(),
    )


def _board_reading(board: Board) -> GpuReading:
    """A Jetson in whose container neither library nor program is to be found."""
    return GpuReading(
        vendor="nvidia",
        name=board.model or board.part,
        backend=Backend.CUDA,
        memory_model=MemoryModel.SHARED,
        integrated=True,
        catalog_names=tuple(filter(None, (board.model, board.part))),
    )


def _multiprocessors(cores: int | None, capability: str | None) -> int | None:
    if not cores or not capability:
        return None
    per = _CORES_PER_MULTIPROCESSOR.get(capability) or _CORES_PER_MULTIPROCESSOR.get(capability.split(".")[0])
    return cores // per if per else None


def _bandwidth(bus_bits: int | None, clock_mhz: int | None) -> int | None:
    """Two transfers a clock over the bus: 384 bit at 9751 MHz is 936 GB/s on an RTX 3090."""
    return bus_bits // 8 * clock_mhz * 2 * 10**6 if bus_bits and clock_mhz else None


def _holders(rows: list[dict[str, Any]]) -> tuple[Holder, ...]:
    return tuple(Holder(row["name"], row["bytes"], row["kind"] == "graphics") for row in rows)
