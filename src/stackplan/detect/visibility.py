"""Which devices this process may use: CUDA's own rule, the container toolkit's, and ROCm's."""

from dataclasses import replace

from stackplan.detect.gpu import GpuReading
from stackplan.detect.world import World


def visible(world: World, readings: list[GpuReading]) -> list[GpuReading]:
    """``readings`` that ``NVIDIA_VISIBLE_DEVICES`` and ``CUDA_VISIBLE_DEVICES`` leave, in CUDA's order."""
    toolkit = world.environment("NVIDIA_VISIBLE_DEVICES")
    if toolkit is not None and toolkit.strip() in ("none", "void"):
        return []
    if toolkit is not None and toolkit.strip().startswith(("GPU-", "MIG-")):
        readings = _chosen(readings, toolkit, stop_at_invalid=False) or readings
    cuda = world.environment("CUDA_VISIBLE_DEVICES")
    if cuda is None:
        return readings
    chosen = _chosen(readings, cuda, stop_at_invalid=True)
    note = f"CUDA_VISIBLE_DEVICES leaves {len(chosen)} of {len(readings)} devices"
    return (
        [replace(reading, notes=(*reading.notes, note)) for reading in chosen]
        if len(chosen) < len(readings)
        else chosen
    )


def visible_to_rocm(world: World, readings: list[GpuReading]) -> list[GpuReading]:
    """``readings`` that ``ROCR_VISIBLE_DEVICES`` and then ``HIP_VISIBLE_DEVICES`` leave, by number."""
    for name in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        wanted = world.environment(name)
        if wanted is not None and all(entry.strip().isdecimal() for entry in wanted.split(",") if entry):
            readings = _chosen(readings, wanted, stop_at_invalid=True)
    return readings


def _chosen(readings: list[GpuReading], wanted: str, *, stop_at_invalid: bool) -> list[GpuReading]:
    """CUDA reads the list up to the first entry that names no device; a UUID may be cut short."""
    chosen: list[GpuReading] = []
    for entry in wanted.split(","):
        found = _find(readings, entry.strip())
        if found is None and stop_at_invalid:
            break
        if found is not None and found not in chosen:
            chosen.append(found)
    return chosen


def _find(readings: list[GpuReading], entry: str) -> GpuReading | None:
    if entry.isdecimal():
        number = int(entry[:6])
        return readings[number] if number < len(readings) else None
    if not entry.startswith(("GPU-", "MIG-")):
        return None
    matching = [reading for reading in readings if reading.uuid.startswith(entry)]
    return matching[0] if len(matching) == 1 else None
