"""What a machine is: a `Host` of devices that draw on memory pools; detected or declared, never both.

All sizes are bytes, all rates per second. A value that nobody knows is ``None``, never 0.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Basis(StrEnum):
    """Where a number comes from; shown to the user, never hidden."""

    MEASURED = "measured"
    PUBLISHED = "published"
    DERIVED = "derived"
    ASSUMED = "assumed"


class PoolKind(StrEnum):
    """What a memory pool is."""

    VRAM = "vram"
    RAM = "ram"
    UNIFIED = "unified"


class Backend(StrEnum):
    """The compute interface through which engines use a device."""

    CPU = "cpu"
    CUDA = "cuda"
    ROCM = "rocm"
    METAL = "metal"
    VULKAN = "vulkan"
    SYCL = "sycl"


@dataclass(frozen=True, slots=True)
class Reservation:
    """Memory of a pool that models may not use: a named line of the budget."""

    name: str
    bytes: int
    basis: Basis
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """Memory that devices draw on: VRAM of one card, host RAM, or one unified pool.

    ``unknown`` says why a driver does not tell the capacity ("Insufficient Permissions"); ``capacity_bytes`` is then 0,
    so that nothing is placed there, and is shown as unknown.
    """

    id: str
    kind: PoolKind
    capacity_bytes: int
    reserved: tuple[Reservation, ...] = ()
    unknown: str = ""

    @property
    def reserved_bytes(self) -> int:
        """Bytes of all reservations."""
        return sum(line.bytes for line in self.reserved)

    @property
    def budget_bytes(self) -> int:
        """Bytes that models may take: capacity less what is reserved, never below 0."""
        return max(0, self.capacity_bytes - self.reserved_bytes)


@dataclass(frozen=True, slots=True)
class BackendCapacity:
    """What one compute interface may address of a device's memory, where interfaces differ."""

    backend: Backend
    bytes: int
    basis: Basis
    note: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """What computes: a GPU, a slice of one, or the CPU.

    ``capacities`` is empty where every interface addresses all of the pool. Else engines get what `backend` addresses;
    the pool's line "out of reach" is the rest.
    """

    id: str
    name: str
    backend: Backend
    pool: str
    vendor: str = ""
    uuid: str = ""
    catalog_id: str | None = None
    bandwidth_bytes_per_second: int | None = None
    compute_flops_per_second: int | None = None
    compute_capability: str | None = None
    architecture: str | None = None
    multiprocessors: int | None = None
    pcie_bytes_per_second: int | None = None
    display_attached: bool | None = None
    capacities: tuple[BackendCapacity, ...] = ()

    @property
    def is_cpu(self) -> bool:
        """Whether this device is the CPU."""
        return self.backend is Backend.CPU


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor as engines see it: what this process may use, not what the board carries."""

    model: str
    physical_cores: int | None
    usable_threads: int
    instruction_sets: tuple[str, ...] = ()
    numa_nodes: int = 1
    bandwidth_bytes_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """Where weights would be stored."""

    path: str
    capacity_bytes: int
    free_bytes: int
    kind: str = "unknown"
    read_bytes_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """A machine: devices, memory pools, disk. ``origin`` tells detected, declared or replayed."""

    id: str
    name: str
    operating_system: str
    machine: str
    cpu: Cpu
    devices: tuple[Device, ...]
    pools: tuple[Pool, ...]
    disk: Disk | None = None
    disks: tuple[Disk, ...] = ()
    origin: str = "declared"
    driver: str = ""
    notes: tuple[str, ...] = field(default=())

    def pool(self, pool_id: str) -> Pool:
        """The pool called ``pool_id``; KeyError when the host has none of that name."""
        return {pool.id: pool for pool in self.pools}[pool_id]

    def device(self, device_id: str) -> Device:
        """The device called ``device_id``; KeyError when the host has none of that name."""
        return {device.id: device for device in self.devices}[device_id]

    @property
    def gpus(self) -> tuple[Device, ...]:
        """Every device that is not the CPU, in the host's order."""
        return tuple(device for device in self.devices if not device.is_cpu)

    @property
    def cpu_device(self) -> Device:
        """The CPU as a device."""
        return next(device for device in self.devices if device.is_cpu)

    @property
    def host_pool(self) -> Pool:
        """The pool that the CPU draws on: host RAM, or the unified pool."""
        return self.pool(self.cpu_device.pool)
