"""NVIDIA devices: the management library first, ``nvidia-smi`` when it does not answer.

"Not Supported", "N/A" and "Insufficient Permissions" are states: the device stays, its memory is unknown, never 0.
"""

from typing import Any

from stackplan.detect.gpu import GpuReading, Holder, MemoryModel
from stackplan.detect.world import World
from stackplan.hardware import Backend

# Usable bytes per second and lane, after encoding, by PCIe generation.
_PCIE_LANE = {1: 250, 2: 500, 3: 985, 4: 1969, 5: 3938, 6: 7563}

# FP32 units per multiprocessor by major compute capability (CUDA C++ Programming Guide, table of capabilities).
_CORES_PER_MULTIPROCESSOR = {
    "5": 128,
    "6.0": 64,
    "6": 128,
    "7": 64,
    "8.0": 64,
    "8": 128,
    "9": 128,
    "10": 128,
    "11": 128,
    "12": 128,
}


def nvidia_devices(world: World) -> list[GpuReading]:
    """Every NVIDIA device or MIG slice that this process may see."""
    answers = world.nvml()
    readings: list[GpuReading] = []
    if answers is not None:
        for row in answers.get("devices", []):
            readings += _from_nvml(row, str(answers.get("driver_version", "")))
    return readings


def _from_nvml(row: dict[str, Any], driver: str) -> list[GpuReading]:
    if "error" in row:
        return [
            GpuReading(
                "nvidia", "NVIDIA GPU", Backend.CUDA, MemoryModel.UNKNOWN, notes=(f"the driver says {row['error']}",)
            )
        ]
    memory = row.get("memory", {})
    total = memory.get("total") or None
    notes = () if total else (f"the driver does not tell the memory: {memory.get('state', 'no answer')}",)
    reading = GpuReading(
        vendor="nvidia",
        name=row.get("name", "NVIDIA GPU"),
        backend=Backend.CUDA,
        memory_model=MemoryModel.DEDICATED if total else MemoryModel.UNKNOWN,
        total_bytes=total,
        free_bytes=memory.get("free") if total else None,
        reserved_bytes=memory.get("reserved") if total else None,
        uuid=row.get("uuid", ""),
        pci_address=row.get("pci_address", ""),
        pci_id=row.get("pci_id", ""),
        compute_capability=row.get("compute_capability"),
        multiprocessors=_multiprocessors(row.get("cores"), row.get("compute_capability")),
        bandwidth_bytes_per_second=_bandwidth(row.get("memory_bus_bits"), row.get("memory_clock_mhz")),
        pcie_bytes_per_second=_pcie(row.get("pcie_generation"), row.get("pcie_width")),
        display_attached=row.get("display_active"),
        driver=driver,
        holders=_holders(row.get("processes", [])),
        notes=notes,
    )
    return [reading]


def _multiprocessors(cores: int | None, capability: str | None) -> int | None:
    if not cores or not capability:
        return None
    per = _CORES_PER_MULTIPROCESSOR.get(capability) or _CORES_PER_MULTIPROCESSOR.get(capability.split(".")[0])
    return cores // per if per else None


def _bandwidth(bus_bits: int | None, clock_mhz: int | None) -> int | None:
    """Two transfers a clock over the bus: 384 bit at 9751 MHz is 936 GB/s on an RTX 3090."""
    return bus_bits // 8 * clock_mhz * 2 * 10**6 if bus_bits and clock_mhz else None


def _pcie(generation: int | None, width: int | None) -> int | None:
    lane = _PCIE_LANE.get(generation or 0)
    return lane * width * 10**6 if lane and width else None


def _holders(rows: list[dict[str, Any]]) -> tuple[Holder, ...]:
    return tuple(Holder(row["name"], row["bytes"], row["kind"] == "graphics") for row in rows)
