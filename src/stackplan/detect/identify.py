"""A reading and what the hardware catalog adds to it: rates, architecture, an id; never its capacity."""

from stackplan.detect.gpu import GpuReading, MemoryModel
from stackplan.device_catalog import DeviceCatalog, DeviceFacts
from stackplan.hardware import Device

# MIG divides memory and its bandwidth into eighths (NVIDIA MIG user guide).
_MEMORY_SLICES = 8


def catalog_facts(catalog: DeviceCatalog, reading: GpuReading, system_bytes: int) -> DeviceFacts | None:
    """The catalog's device for this reading by exact name or PCI id, or None."""
    if reading.slice_of:
        return _slice_facts(catalog, reading)
    for name in (*reading.catalog_names, reading.name):
        found = catalog.match(
            driver_name=name,
            pci_id=reading.pci_id,
            pci_revision=reading.pci_revision,
            memory_bytes=_comparable_bytes(reading, system_bytes),
            gpu_cores=reading.gpu_cores,
        )
        if found is not None:
            return found
    return None


def _comparable_bytes(reading: GpuReading, system_bytes: int) -> int | None:
    """What tells board variants apart: video memory, or a module's memory; a share of RAM tells nothing."""
    if reading.memory_model is MemoryModel.DEDICATED and not reading.integrated:
        return reading.total_bytes
    return system_bytes if reading.vendor == "nvidia" and reading.integrated else None


def _slice_facts(catalog: DeviceCatalog, reading: GpuReading) -> DeviceFacts | None:
    """The slice's own entry: the parent's id up to a form factor, then the profile (``1g.5gb``)."""
    parent = catalog.match(driver_name=reading.slice_of)
    if parent is None:
        return None
    names = (f"{parent.id.rsplit('-', drop)[0]}-mig-{reading.slice_profile}" for drop in (0, 1, 2))
    return next((facts for name in names if (facts := catalog.get(name))), None)


def slice_bandwidth(catalog: DeviceCatalog, reading: GpuReading) -> int | None:
    """The parent's bandwidth in proportion to the slice's eighths of memory."""
    parent = catalog.match(driver_name=reading.slice_of) if reading.slice_of else None
    if parent is None or not parent.capacity_bytes or not parent.bandwidth_bytes_per_second or not reading.total_bytes:
        return None
    eighths = max(1, round(_MEMORY_SLICES * reading.total_bytes / parent.capacity_bytes))
    return parent.bandwidth_bytes_per_second * min(eighths, _MEMORY_SLICES) // _MEMORY_SLICES


def as_device(
    device_id: str, pool: str, reading: GpuReading, facts: DeviceFacts | None, bandwidth: int | None
) -> Device:
    """The device; ``bandwidth`` is what stands in where neither catalog nor driver tells one."""
    generic = facts is not None and reading.vendor in ("amd", "intel") and reading.name.endswith((")", "GPU"))
    known = facts.bandwidth_bytes_per_second if facts else None
    return Device(
        id=device_id,
        name=facts.name if facts is not None and generic else reading.name,
        backend=reading.backend,
        pool=pool,
        vendor=reading.vendor,
        uuid=reading.uuid,
        catalog_id=facts.id if facts else None,
        bandwidth_bytes_per_second=known or reading.bandwidth_bytes_per_second or bandwidth,
        compute_flops_per_second=facts.compute_flops_per_second if facts else None,
        compute_capability=reading.compute_capability or (facts.compute_capability if facts else None),
        architecture=facts.architecture if facts else None,
        multiprocessors=reading.multiprocessors or (facts.multiprocessors if facts else None),
        pcie_bytes_per_second=reading.pcie_bytes_per_second,
        display_attached=reading.display_attached,
        capacities=reading.capacities,
    )
