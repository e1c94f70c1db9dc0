"""What each compute interface addresses of an AMD APU's memory: Vulkan and ROCm see different parts of one pool.

ROCm is told by the kernel (KFD's banks, the limit of the translation table). Vulkan's heaps stand in no file, so
``vulkaninfo`` is asked; without it Mesa's own rule counts.
"""

import re

from stackplan.backends import radv_capacity, within
from stackplan.detect.gpu import GpuReading
from stackplan.detect.numbers import integer
from stackplan.detect.world import World
from stackplan.hardware import Backend, BackendCapacity, Basis
from stackplan.units import KIB

VULKANINFO = ("vulkaninfo",)
ROCMINFO = ("rocminfo",)

_SECTION = re.compile(r"^GPU\d+:", re.MULTILINE)
_HEAP = re.compile(r"^\s*memoryHeaps\[\d+\]:", re.MULTILINE)
# "size = 85899345920 (0x1400000000) (80.00 GiB)"; some releases write "size = 81920MiB (85899345920)".
_HEAP_SIZE = re.compile(r"\bsize\s*=\s*(?:\d+ ?MiB \()?(\d{1,16})\b")
_POOL_SIZE = re.compile(r"FLAGS: COARSE GRAINED\s+Size:\s+(\d{1,13})\(")


def capacities(world: World, reading: GpuReading, capacity_bytes: int) -> tuple[BackendCapacity, ...]:
    """What each interface addresses of a pool of ``capacity_bytes``; empty where all address all of it."""
    if world.system != "linux" or reading.carve_out_bytes is None or reading.shared_bytes is None:
        return ()
    heaps = vulkan_heap_bytes(world.run(VULKANINFO).stdout)
    vulkan = (
        BackendCapacity(Backend.VULKAN, heaps, Basis.MEASURED, "device-local heaps of vulkaninfo")
        if 2 * heaps >= capacity_bytes  # a driver that calls only the carve-out its own tells nothing about the rest
        else radv_capacity(reading.carve_out_bytes, reading.shared_bytes)
    )
    if reading.backend is not Backend.ROCM:
        return within((vulkan,), capacity_bytes)
    return within((_rocm(world, reading, capacity_bytes), vulkan), capacity_bytes)


def _rocm(world: World, reading: GpuReading, capacity_bytes: int) -> BackendCapacity:
    """ROCm's part. A kernel that tells it only the carve-out tells nothing: what ROCm maps comes from GTT too."""
    if reading.runtime_bytes:
        return BackendCapacity(Backend.ROCM, reading.runtime_bytes, Basis.MEASURED, "memory bank of KFD")
    pool = rocm_pool_bytes(world.run(ROCMINFO).stdout, reading.compute_capability or "")
    if pool and pool > (reading.carve_out_bytes or 0):
        return BackendCapacity(Backend.ROCM, pool, Basis.MEASURED, "pool of rocminfo")
    return BackendCapacity(Backend.ROCM, capacity_bytes, Basis.MEASURED, "the larger of carve-out and GTT")


def vulkan_heap_bytes(text: str) -> int:
    """Device-local heaps of AMD's integrated GPU in what ``vulkaninfo`` writes; 0 when it has no section."""
    for section in _SECTION.split(text)[1:]:
        if "INTEGRATED_GPU" in section and "memoryHeaps[" in section and _is_amd(section):
            heaps = section.partition("memoryTypes:")[0]
            sizes = [_HEAP_SIZE.search(heap) for heap in _HEAP.split(heaps)[1:] if "DEVICE_LOCAL" in heap]
            return sum(int(size[1]) for size in sizes if size)
    return 0


def _is_amd(section: str) -> bool:
    vendor = re.search(r"\bvendorID\s*=\s*(\S+)", section)
    return vendor is None or vendor[1].lower() in ("0x1002", "4098")


def rocm_pool_bytes(text: str, target: str) -> int:
    """The coarse-grained pool of the GPU agent called ``target`` in what ``rocminfo`` writes; 0 when there is none."""
    for agent in re.split(r"^Agent \d+", text, flags=re.MULTILINE)[1:]:
        name = re.search(r"^\s*Name:\s+(\S+)", agent, re.MULTILINE)
        pool = _POOL_SIZE.search(agent)
        if name and name[1] == target and pool and re.search(r"Device Type:\s+GPU", agent):
            return (integer(pool[1]) or 0) * KIB
    return 0
