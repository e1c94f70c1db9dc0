"""Which compute interface engines use on a device, and what each addresses; one rule for detected and declared."""

from collections.abc import Iterable

from stackplan.hardware import Backend, BackendCapacity, Basis

# Integrated targets that ROCm supports (ROCm 7 compatibility matrix, 2026); others run on Vulkan.
_ROCM_INTEGRATED = frozenset({"gfx942", "gfx1150", "gfx1151"})


def backend_of(vendor: str, *, integrated: bool, compute_capability: str | None) -> Backend:
    """The backend of a vendor's device. An integrated GPU never gets a discrete card's backend by its vendor alone."""
    if vendor == "nvidia":
        return Backend.CUDA
    if vendor == "apple":
        return Backend.METAL
    if vendor == "amd":
        return Backend.ROCM if not integrated or compute_capability in _ROCM_INTEGRATED else Backend.VULKAN
    if vendor == "intel" and not integrated:
        return Backend.SYCL
    return Backend.VULKAN


def radv_capacity(carve_out_bytes: int, shared_bytes: int) -> BackendCapacity:
    """What Vulkan calls the device's own on an AMD APU: two thirds of carve-out and GTT together.

    Mesa's radv_physical_device.c does so since 2021 unless ``radv_enable_unified_heap_on_apu`` is set. Of 120 GiB of
    GTT Vulkan has 80 (lmstudio-bug-tracker#935). An engine may ask for more; that it gets it, nobody promises.
    """
    size = (carve_out_bytes + shared_bytes) * 2 // 3
    return BackendCapacity(Backend.VULKAN, size, Basis.DERIVED, "Mesa's two thirds of carve-out and GTT")


def within(capacities: Iterable[BackendCapacity], capacity_bytes: int) -> tuple[BackendCapacity, ...]:
    """``capacities``, none of them above the pool's; empty when none is below it, because then nothing differs."""
    cut = tuple(BackendCapacity(one.backend, min(one.bytes, capacity_bytes), one.basis, one.note) for one in capacities)
    return cut if any(one.bytes < capacity_bytes for one in cut) else ()


def reach_bytes(capacities: Iterable[BackendCapacity], backend: Backend, capacity_bytes: int) -> int:
    """Bytes of a pool that engines address through ``backend``; all of it where nothing else is known."""
    return min((one.bytes for one in capacities if one.backend is backend), default=capacity_bytes)
