"""Which compute interface engines use on a device; the same rule for detected and declared ones."""

from stackplan.hardware import Backend

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
