"""What was measured of one running instance: speeds, load time, peak memory, and of what exactly.

A measurement says which devices, engine, file and settings it holds for, so that a plan made elsewhere or later can
tell whether it applies. Rates are tokens per second, times seconds, sizes bytes.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from stackplan.hardware import Device, Host
from stackplan.serving import HOST, Placement

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure over several repeats: the median and the whole spread."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """One instance measured once. ``machine`` is the host by its parts (`machine_of`), ``measured_at`` UTC in ISO 8601.

    ``devices`` are what computed (`device_class`), in split order; the CPU is named where part of the model is in host
    memory. ``draft`` is what else changes decoding: the file that drafts, "mtp", fewer experts. ``decode`` holds for
    one stream with ``depth_tokens`` in its cache. Peaks are of the process and all that it started; None where nobody
    could tell.
    """

    machine: str
    devices: tuple[str, ...]
    engine: str
    engine_version: str
    artifact: str
    mode: str
    context_tokens: int
    slots: int
    kv_type: str
    measured_at: str
    repeats: int
    gpu_layers: int | None = None
    split: tuple[float, ...] = ()
    cpu_expert_layers: int = 0
    draft: str = ""
    depth_tokens: int = 0
    decode: Figure | None = None
    prompt: Figure | None = None
    load_seconds: float | None = None
    host_peak_bytes: int | None = None
    device_peak_bytes: int | None = None

    @property
    def headline(self) -> Figure | None:
        """The speed that the mode is judged by: writing for chat, reading for what writes nothing."""
        return self.decode if self.mode == "chat" else self.prompt

    @property
    def digest(self) -> str:
        """The name of the measurement: equal exactly when everything in it is."""
        return hashlib.sha256(measurement_line(self).encode()).hexdigest()[:16]


class _Way(Protocol):
    """What a configuration and a planned instance have in common."""

    @property
    def engine(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def kv_type(self) -> str: ...
    @property
    def placement(self) -> Placement: ...


Settings = tuple[str, str, str, str, tuple[str, ...], int | None, tuple[float, ...], int, str]


def settings_of(way: _Way, artifact: str, host: Host, draft: str = "") -> Settings:
    """Everything that must agree for a measured speed to hold; context and slots hardly touch one stream's speed."""
    placement = way.placement
    layers = 0 if placement.is_cpu else placement.gpu_layers
    experts = 0 if placement.is_cpu else placement.cpu_expert_layers
    split = placement.split if len(placement.devices) > 1 and not placement.is_cpu else ()
    classes = placement_classes(placement, host)
    return (way.engine, artifact, way.mode, way.kv_type, classes, layers, split, experts, draft)


def settings_measured(one: Measurement) -> Settings:
    """The settings that a measurement was made with."""
    placed = (one.devices, one.gpu_layers, one.split, one.cpu_expert_layers, one.draft)
    return (one.engine, one.artifact, one.mode, one.kv_type, *placed)


def placement_classes(placement: Placement, host: Host) -> tuple[str, ...]:
    """The classes of the devices that a placement computes on."""
    partly = placement.is_cut
    ids = () if placement.is_cpu else placement.devices
    cards = [device_class(host.device(device), host) for device in ids]
    return (*cards, *([device_class(host.cpu_device, host)] if partly or placement.is_cpu else []))


def device_class(device: Device, host: Host) -> str:
    """What devices of the same speed have in common: interface and name; of a CPU also the threads that may be used."""
    if device.is_cpu:
        return f"{HOST}:{host.cpu.model or device.name}:{host.cpu.usable_threads}"
    return f"{device.backend}:{device.catalog_id or device.name}"


def machine_of(host: Host) -> str:
    """A short digest of what a host computes with and under which system; not of what memory is left or asked for."""
    parts = sorted(f"{device_class(device, host)} {device.name}" for device in host.devices)
    return hashlib.sha256("\n".join([host.operating_system, *parts]).encode()).hexdigest()[:16]


def measurement_data(one: Measurement) -> dict[str, Any]:
    """The measurement as plain data, without what is not known."""
    known = {name: value for name, value in dataclasses.asdict(one).items() if value not in (None, "", ())}
    return {"schema": SCHEMA, **known}


def measurement_line(one: Measurement) -> str:
    """The measurement as one line of JSON, the same bytes for the same measurement."""
    return json.dumps(measurement_data(one), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest_of(measurements: Iterable[Measurement]) -> str:
    """One digest of a set of measurements, in whatever order they come."""
    return hashlib.sha256(" ".join(sorted({one.digest for one in measurements})).encode()).hexdigest()[:16]
