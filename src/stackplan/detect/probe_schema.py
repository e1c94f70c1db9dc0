"""The shape of ``probe.json``, version 1, checked when a recording is read (docs/detect.md)."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

_Bytes = Annotated[int, Field(ge=0, lt=2**53, strict=True)]
_Count = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
_Text = Annotated[str, StringConstraints(max_length=4096)]
_Name = Annotated[str, StringConstraints(max_length=200)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Memory(_Strict):
    """Sizes, or the state that stands in their place."""

    total: _Bytes | None = None
    free: _Bytes | None = None
    used: _Bytes | None = None
    reserved: _Bytes | None = None
    state: _Name | None = None


class Process(_Strict):
    """A program that holds memory of a device."""

    name: _Name
    bytes: _Bytes | None = None
    kind: Literal["compute", "graphics"] = "compute"


class Slice(_Strict):
    """A MIG slice."""

    name: _Name
    uuid: _Name = ""
    memory: Memory = Memory()
    multiprocessors: _Count | None = None
    gpu_instance: _Count | None = None
    processes: Annotated[list[Process], Field(max_length=4096)] = []


class Card(_Strict):
    """A card as the management library tells it."""

    index: _Count = 0
    error: _Name | None = None
    name: _Name = ""
    uuid: _Name = ""
    pci_address: _Name = ""
    pci_id: _Name = ""
    memory: Memory = Memory()
    compute_capability: Annotated[str, Field(pattern=r"^\d{1,2}\.\d$")] | None = None
    cores: _Count | None = None
    memory_bus_bits: _Count | None = None
    memory_clock_mhz: _Count | None = None
    pcie_generation: _Count | None = None
    pcie_width: _Count | None = None
    display_active: bool | None = None
    ecc: bool | None = None
    mig: bool | None = None
    integrated: bool | None = None
    slices: Annotated[list[Slice], Field(max_length=64)] = []
    processes: Annotated[list[Process], Field(max_length=4096)] = []


class Library(_Strict):
    """The management library's answers."""

    driver_version: _Name = ""
    error: _Name | None = None
    devices: Annotated[list[Card], Field(max_length=256)] = []


class Command(_Strict):
    """A program and how it ended."""

    command: Annotated[list[_Text], Field(min_length=1, max_length=64)]
    status: Literal["done", "absent", "timeout", "failed"] = "done"
    returncode: Annotated[int, Field(ge=-(2**31), lt=2**32)] = 0
    stdout: Annotated[str, StringConstraints(max_length=2**20)] = ""


class Probe(_Strict):
    """Everything that is not a file."""

    format: Literal["stackplan-probe"]
    version: Literal[1]
    system: Literal["linux", "darwin", "windows"] = "linux"
    machine: _Name = "x86_64"
    affinity: Annotated[list[_Count], Field(max_length=8192)] | None = None
    environment: dict[_Name, _Text] = {}
    storage_mount: _Text = "/"
    lists: dict[_Text, Annotated[list[_Name], Field(max_length=10_000)]] = {}
    commands: Annotated[list[Command], Field(max_length=200)] = []
    nvml: Library | None = None
    disks: dict[_Text, tuple[_Bytes, _Bytes]] = {}
    memory: tuple[_Bytes, _Bytes, _Bytes] | None = None
    memory_modules: Annotated[list[tuple[_Name, Annotated[int, Field(gt=0, lt=100_000)]]], Field(max_length=1024)] = []

    def library(self) -> dict[str, Any] | None:
        """The library's answers as `nvml.snapshot` gives them."""
        if self.nvml is None:
            return None
        return self.nvml.model_dump()
