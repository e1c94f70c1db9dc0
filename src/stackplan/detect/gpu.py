"""What vendor modules hand over: one reading per device, with its state, before pools and budgets are drawn."""

from dataclasses import dataclass, field
from enum import StrEnum

from stackplan.hardware import Backend, BackendCapacity


class MemoryModel(StrEnum):
    """Whose memory a device uses."""

    DEDICATED = "dedicated"
    """Its own video memory, or a carve-out that the system cannot use."""
    SHARED = "shared"
    """The system's memory; CPU and GPU draw on one pool."""
    UNKNOWN = "unknown"
    """The driver does not tell how much there is; the device is kept, but nothing can be placed on it."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds memory of a device."""

    name: str
    bytes: int | None
    graphics: bool = False


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One device as its driver tells it. None is unknown, never 0; sizes in bytes.

    ``carve_out_bytes`` and ``shared_bytes`` are the parts of an APU's memory, ``runtime_bytes`` is what the kernel
    tells its compute runtime; ``capacities`` is made of them.
    """

    vendor: str
    name: str
    backend: Backend
    memory_model: MemoryModel
    total_bytes: int | None = None
    free_bytes: int | None = None
    reserved_bytes: int | None = None
    uuid: str = ""
    pci_address: str = ""
    pci_id: str = ""
    pci_revision: str = ""
    compute_capability: str | None = None
    multiprocessors: int | None = None
    bandwidth_bytes_per_second: int | None = None
    pcie_bytes_per_second: int | None = None
    gpu_cores: int | None = None
    display_attached: bool | None = None
    integrated: bool = False
    slice_of: str = ""
    slice_profile: str = ""
    parent_uuid: str = ""
    catalog_names: tuple[str, ...] = ()
    driver: str = ""
    holders: tuple[Holder, ...] = ()
    carve_out_bytes: int | None = None
    shared_bytes: int | None = None
    runtime_bytes: int | None = None
    capacities: tuple[BackendCapacity, ...] = ()
    notes: tuple[str, ...] = field(default=())
