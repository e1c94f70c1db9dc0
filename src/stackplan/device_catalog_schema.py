"""The shape of ``catalog/hardware/*.yaml``, checked when a file is read."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from stackplan.device_catalog import DeviceFacts
from stackplan.units import GIB, MIB

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
_Count = Annotated[int, Field(gt=0, strict=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Memory(_Strict):
    """Memory of a device; ``driver_mib`` is what its driver reports."""

    type: str = ""
    bus_bits: _Count | None = None
    nominal_gib: _Positive | None = None
    options_gib: list[_Count] = []
    driver_mib: _Count | None = None
    source: str = ""


class Bandwidth(_Strict):
    """Memory bandwidth in 10^9 bytes per second."""

    gb_per_second: _Positive
    source: str


class Compute(_Strict):
    """Dense FP16 rate with FP32 accumulation in 10^12 operations per second."""

    fp16_tflops: _Positive | None = None
    source: str = ""


class Usable(_Strict):
    """The part of the reported memory that a process can take, where somebody measured it."""

    fraction: Annotated[float, Field(gt=0, le=1, strict=True)]
    source: str


class Price(_Strict):
    """Price in US dollars; worthless without its date."""

    usd: _Count
    range_usd: list[_Count] = []
    date: str
    source: str


class HardwareDevice(_Strict):
    """One device."""

    id: Annotated[str, Field(pattern=r"[a-z0-9][a-z0-9.\-]{0,63}")]
    name: Annotated[str, Field(min_length=1)]
    driver_names: list[str] = []
    pci_ids: list[Annotated[str, Field(pattern=r"[0-9a-f]{4}:[0-9a-f]{4}")]] = []
    pci_revisions: list[Annotated[str, Field(pattern=r"[0-9a-f]{2}")]] = []
    architecture: str | None = None
    compute_capability: str | None = None
    multiprocessors: _Count | None = None
    gpu_cores: _Count | None = None
    unified: bool = False
    memory: Memory = Memory()
    bandwidth: Bandwidth | None = None
    compute: Compute = Compute()
    usable: Usable | None = None
    tdp_watts: _Count | None = None
    price: Price | None = None
    note: str = ""


class HardwareFile(_Strict):
    """One file: devices of one vendor and kind."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    vendor: Annotated[str, Field(min_length=1)]
    kind: Annotated[str, Field(min_length=1)]
    devices: list[HardwareDevice]

    def facts(self) -> list[DeviceFacts]:
        """The devices as values, in bytes and per second."""
        return [_facts(self, device) for device in self.devices]


def _facts(file: HardwareFile, device: HardwareDevice) -> DeviceFacts:
    memory, bandwidth, compute, price = device.memory, device.bandwidth, device.compute, device.price
    return DeviceFacts(
        id=device.id,
        vendor=file.vendor,
        kind=file.kind,
        name=device.name,
        driver_names=tuple(device.driver_names),
        pci_ids=tuple(device.pci_ids),
        pci_revisions=tuple(device.pci_revisions),
        architecture=device.architecture,
        compute_capability=device.compute_capability,
        multiprocessors=device.multiprocessors,
        gpu_cores=device.gpu_cores,
        unified=device.unified,
        memory_bytes=_scaled(memory.driver_mib, MIB),
        nominal_memory_bytes=_scaled(memory.nominal_gib, GIB),
        memory_options_bytes=tuple(size * GIB for size in memory.options_gib),
        memory_source=memory.source,
        bandwidth_bytes_per_second=_scaled(bandwidth.gb_per_second, 10**9) if bandwidth else None,
        bandwidth_source=bandwidth.source if bandwidth else "",
        compute_flops_per_second=_scaled(compute.fp16_tflops, 10**12),
        compute_source=compute.source,
        usable_fraction=device.usable.fraction if device.usable else None,
        tdp_watts=device.tdp_watts,
        price_usd=price.usd if price else None,
        price_date=price.date if price else "",
        price_source=price.source if price else "",
        note=device.note,
    )


def _scaled(value: float | None, factor: int) -> int | None:
    return None if value is None else round(value * factor)
