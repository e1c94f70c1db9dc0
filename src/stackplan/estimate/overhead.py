"""What an engine takes beside weights, cache and buffers: each a named line with its basis.

None of this is in llama.cpp's own breakdown: the driver's context, memory pools of the kernels, the process itself,
saved prompts. Figures are from logs of real runs, collected November 2026; docs/estimate.md lists them.
"""

from dataclasses import dataclass

from stackplan.hardware import Backend, Basis, Device
from stackplan.serving import HOST, Demand, OverheadLine
from stackplan.units import MIB

# CUDA: (total - free) before the first model byte, over 9 cards from 28 to 188 multiprocessors: 3.2 to 3.9 MiB each.
CUDA_CONTEXT_BYTES_PER_MULTIPROCESSOR = int(3.4 * MIB)
# What the context takes when only the class of the card is known: by bandwidth in bytes per second, upper bounds.
_CUDA_CONTEXT_BY_BANDWIDTH = ((300_000_000_000, 130 * MIB), (600_000_000_000, 220 * MIB), (950_000_000_000, 300 * MIB))
_CUDA_CONTEXT_LARGE = 500 * MIB
# Kernel pools, cuBLAS workspace and CUDA graphs: 397 to 405 MiB unaccounted on 82-multiprocessor cards, less context.
CUDA_POOL_BYTES = 150 * MIB
# Other backends, context and pools in one: Strix Halo on Linux 318 MiB (ROCm); Metal and Vulkan on Linux are assumed.
_OTHER_BACKENDS = {
    Backend.ROCM: ("ROCm context and pools", 400 * MIB, Basis.MEASURED),
    Backend.VULKAN: ("Vulkan context and pools", 200 * MIB, Basis.ASSUMED),
    Backend.METAL: ("Metal context and pools", 100 * MIB, Basis.ASSUMED),
    Backend.SYCL: ("SYCL context and pools", 500 * MIB, Basis.ASSUMED),
}
# A draft in the same process shares the context and has its own workspace: 50 to 100 MiB planned.
DRAFT_POOL_BYTES = 75 * MIB


def device_lines(device: Device) -> tuple[OverheadLine, ...]:
    """What the driver and the kernels take on ``device``; nothing for the CPU."""
    if device.is_cpu:
        return ()
    if device.backend is not Backend.CUDA:
        name, size, basis = _OTHER_BACKENDS[device.backend]
        return (OverheadLine(device.id, name, size, basis),)
    if device.multiprocessors:
        context = CUDA_CONTEXT_BYTES_PER_MULTIPROCESSOR * device.multiprocessors
        line = OverheadLine(device.id, "CUDA context", context, Basis.DERIVED)
    else:
        line = OverheadLine(device.id, "CUDA context", _context_by_class(device), Basis.ASSUMED)
    return (line, OverheadLine(device.id, "CUDA pools and graphs", CUDA_POOL_BYTES, Basis.MEASURED))


def _context_by_class(device: Device) -> int:
    bandwidth = device.bandwidth_bytes_per_second
    if bandwidth is None:
        return _CUDA_CONTEXT_LARGE
    return next((size for limit, size in _CUDA_CONTEXT_BY_BANDWIDTH if bandwidth <= limit), _CUDA_CONTEXT_LARGE)


def saved_lines(cache_ram_bytes: int, checkpoint_bytes: int) -> tuple[OverheadLine, ...]:
    """What the server may save of prompts: limits that the engine is told, so they are exact."""
    lines = []
    if cache_ram_bytes:
        lines.append(OverheadLine(HOST, "prompt cache limit", cache_ram_bytes, Basis.DERIVED))
    if checkpoint_bytes:
        lines.append(OverheadLine(HOST, "context checkpoints", checkpoint_bytes, Basis.DERIVED))
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class Residency:
    """Host memory by kind: ``anonymous_bytes`` must stay, ``mapped_bytes`` are file pages that may be evicted.

    A process may show the sum of both. What must be free to serve at full speed is the demand's own total.
    """

    anonymous_bytes: int
    mapped_bytes: int


def residency(demand: Demand, *, mapped: bool = True, repacked: bool = True) -> Residency:
    """How llama.cpp holds a host demand: at most these bytes of each kind.

    With ``mapped`` weights (the default) and ``repacked`` ones (the default without a GPU), matrices exist a second
    time in an anonymous buffer, CPU_REPACK; which ones depends on the CPU, so that all of them are assumed.
    """
    other = demand.total_bytes - demand.weights_bytes
    copied = demand.weights_bytes if repacked or not mapped else 0
    return Residency(other + copied, demand.weights_bytes if mapped else 0)
