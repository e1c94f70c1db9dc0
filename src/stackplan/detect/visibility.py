"""Which devices this process may use: CUDA's own rule, the container toolkit's, and ROCm's."""

from stackplan.detect.gpu import GpuReading
from stackplan.detect.surroundings import surroundings
from stackplan.detect.world import World
from stackplan.values import replace


def visible(world: World, readings: list[GpuReading]) -> list[GpuReading]:
    """``readings`` that ``NVIDIA_VISIBLE_DEVICES`` and ``CUDA_VISIBLE_DEVICES`` leave, in CUDA's order."""
    left = _toolkit(world, readings)
    cuda = world.environment("CUDA_VISIBLE_DEVICES")
    if cuda is None:
        return left
    chosen = _chosen(left, cuda, stop_at_invalid=True)
    note = f"CUDA_VISIBLE_DEVICES leaves {len(chosen)} of {len(left)} devices"
    if len(chosen) == len(left):
        return chosen
    return [replace(reading, notes=(*reading.notes, note)) for reading in chosen]


def _toolkit(world: World, readings: list[GpuReading]) -> list[GpuReading]:
    """What the container toolkit injected. Numbers are the host's, so in a container they choose nothing.

    A container whose devices come from a CDI specification is told "void" and has them all the same.
    """
    told = (world.environment("NVIDIA_VISIBLE_DEVICES") or "").strip()
    if told == "none" or (told == "void" and not surroundings(world)):
        return []
    if told.startswith(("GPU-", "MIG-")):
        return _chosen(readings, told, stop_at_invalid=False) or readings
    return readings


def visible_to_rocm(world: World, readings: list[GpuReading]) -> list[GpuReading]:
    """``readings`` that ``ROCR_VISIBLE_DEVICES`` and then HIP's variable leave, by number.

    HIP reads ``CUDA_VISIBLE_DEVICES`` where ``HIP_VISIBLE_DEVICES`` is empty or not set (ROCm documentation, GPU
    isolation). UUIDs name nothing here: the driver's files do not tell them.
    """
    hip = world.environment("HIP_VISIBLE_DEVICES") or world.environment("CUDA_VISIBLE_DEVICES")
    for wanted in (world.environment("ROCR_VISIBLE_DEVICES"), hip or None):
        if wanted is not None and not _names_devices(wanted):
            readings = _chosen(readings, wanted, stop_at_invalid=True)
    return readings


def _names_devices(wanted: str) -> bool:
    return any(entry.strip().startswith(("GPU-", "MIG-")) for entry in wanted.split(","))


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
    if entry.isascii() and entry.isdecimal():
        number = int(entry[:6])
        return readings[number] if number < len(readings) else None
    if not entry.startswith(("GPU-", "MIG-")):
        return None
    exact = [reading for reading in readings if reading.uuid == entry]
    matching = exact or [reading for reading in readings if reading.uuid.startswith(entry)]
    if matching:
        return matching[0] if len(matching) == 1 else None
    # A card that is divided stands for the first of its slices.
    return next(
        (reading for reading in readings if reading.parent_uuid and reading.parent_uuid.startswith(entry)), None
    )
