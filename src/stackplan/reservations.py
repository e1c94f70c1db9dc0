"""What of a pool is lost before any engine starts: named lines of the budget, each with its basis.

Driver contexts and engine pools are not here: they belong to each instance (``estimate/``). Everything below is
the same rule for detected and declared hosts; a measured value always replaces the rule.
"""

from collections.abc import Iterable

from stackplan.hardware import Backend, BackendCapacity, Basis, Reservation
from stackplan.units import GIB, MIB, format_bytes

DRIVER_RESERVE = "driver reserve"
HELD_BY_OTHERS = "held by others"
DESKTOP = "desktop"
HEADROOM = "headroom"
SYSTEM_RESERVE = "system reserve"
OUT_OF_REACH = "out of reach"

# nvidia-smi total less CUDA total, MiB, from logs of llama.cpp and ollama (2024-2026): RTX 3060 377, 4070 409,
# 5060 Ti 454, 3090 422-452, 3090 Ti 452, 4090 484, PRO 6000 635; Pascal: GTX 1060 81, P40 138.
_CUDA_RESERVE_BASE_MIB = 410
_CUDA_RESERVE_MIB_PER_GIB = 3
_CUDA_RESERVE_BEFORE_VOLTA_MIB = 150

# A log shows the instantiation of a CUDA graph failing with 10 MiB free, so planning to the last byte is wrong.
_VRAM_HEADROOM_FRACTION = 0.01
_VRAM_HEADROOM_MINIMUM = 128 * MIB

# The operating system, page cache and the user's own programs: no more than 85 % of physical memory is planned.
SYSTEM_SHARE = 0.15

# macOS needs this much outside of what the GPU may wire, whatever iogpu.wired_limit_mb says.
_MACOS_MINIMUM = 4 * GIB


def cuda_reserve(capacity_bytes: int, compute_capability: str | None) -> Reservation:
    """What CUDA never hands out of the total that nvidia-smi shows; a fit to seven published pairs."""
    if compute_capability and int(compute_capability.split(".")[0]) < 7:
        size = _CUDA_RESERVE_BEFORE_VOLTA_MIB * MIB
    else:
        size = _CUDA_RESERVE_BASE_MIB * MIB + capacity_bytes * _CUDA_RESERVE_MIB_PER_GIB // 1024
    note = "total of the driver less total of CUDA, fitted to published logs"
    return Reservation(DRIVER_RESERVE, min(size, capacity_bytes), Basis.DERIVED, note)


def usable_reserve(capacity_bytes: int, fraction: float, source: str) -> Reservation:
    """What a driver keeps of its own total where somebody measured the usable fraction."""
    size = capacity_bytes - int(capacity_bytes * fraction)
    return Reservation(DRIVER_RESERVE, size, Basis.PUBLISHED, source)


def vram_headroom(capacity_bytes: int) -> Reservation:
    """Video memory that is left empty on purpose."""
    size = max(_VRAM_HEADROOM_MINIMUM, int(capacity_bytes * _VRAM_HEADROOM_FRACTION))
    return Reservation(HEADROOM, size, Basis.ASSUMED, "1 %, at least 128 MiB: allocations fail before the last byte")


def system_reserve(capacity_bytes: int, physical_bytes: int, held_bytes: int = 0) -> Reservation | None:
    """What must stay free for the operating system so that at most 85 % of physical memory is planned.

    ``held_bytes`` is what others were measured to hold in the pool: it counts towards the reserve. A pool that is
    smaller than physical memory (a GPU's working set) already leaves the rest.
    """
    needed = int(physical_bytes * SYSTEM_SHARE) - (physical_bytes - capacity_bytes) - held_bytes
    if needed <= 0:
        return None
    return Reservation(SYSTEM_RESERVE, needed, Basis.ASSUMED, "at most 85 % of physical memory is planned")


def out_of_reach(capacity_bytes: int, capacities: Iterable[BackendCapacity], backend: Backend) -> list[Reservation]:
    """The part of a pool that the interface which engines use does not address; empty where it addresses all."""
    return [
        Reservation(
            OUT_OF_REACH,
            capacity_bytes - one.bytes,
            one.basis,
            f"{backend} addresses {format_bytes(one.bytes)}: {one.note}",
        )
        for one in capacities
        if one.backend is backend and one.bytes < capacity_bytes
    ]


def macos_reserve(capacity_bytes: int, physical_bytes: int) -> Reservation | None:
    """What macOS needs when the wired limit was raised too far."""
    needed = _MACOS_MINIMUM - (physical_bytes - capacity_bytes)
    if needed <= 0:
        return None
    return Reservation(SYSTEM_RESERVE, needed, Basis.ASSUMED, "macOS needs 4 GiB outside of the GPU's working set")


# Default share of physical memory that Metal recommends as working set, by upper bound of memory in GiB:
# (bound, macOS 26 and later, before). Logs of llama.cpp and ollama, 2024-2026; memory-size steps between the
# published machines take the value of the next smaller one, which errs on the safe side.
_WORKING_SET_SHARES = ((31, 0.74, 2 / 3), (35, 0.78, 2 / 3), (63, 0.78, 0.75), (127, 0.81, 0.75))
_WORKING_SET_SHARE_ABOVE = (0.84, 0.75)


def metal_working_set(physical_bytes: int, macos_major: int | None, wired_limit_bytes: int = 0) -> int:
    """Bytes that Metal lets the GPU use: ``iogpu.wired_limit_mb`` if set, else the default share.

    An unknown macOS release takes the smaller share.
    """
    if wired_limit_bytes > 0:
        return min(wired_limit_bytes, physical_bytes)
    size_gib = physical_bytes / GIB
    recent = macos_major is not None and macos_major >= 26
    for bound, now, before in _WORKING_SET_SHARES:
        if size_gib <= bound:
            return int(physical_bytes * (now if recent else before))
    return int(physical_bytes * _WORKING_SET_SHARE_ABOVE[0 if recent else 1])
