"""The fitted constants of the speed estimate as plain values, and the reading of them from ``catalog/speed.yaml``.

``scripts/fit_speed.py`` writes that file from published measurements; docs/speed.md explains every term.
The caller loads the YAML once and passes the mapping to `speed_model`; nothing here reads a file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackplan.errors import UserError


@dataclass(frozen=True, slots=True)
class BackendConstants:
    """How one backend spends time on one token.

    ``efficiency`` and ``kv_efficiency`` are shares of the nominal bandwidth that reading weights and cache
    reaches; the ``..._seconds`` are launches and waits per layer, per layer with experts, per recurrent layer and
    per token. ``compute_share`` is the part of 2 operations per weight at the nominal FP16 rate that a token waits
    for; it matters on cards without fast FP16. ``known_range`` and ``unseen_range`` are factors (low, high) that hold
    80 % of measured rows which the fit had not seen: models left out, on devices with a factor of their own, and
    devices left out.
    """

    efficiency: float
    kv_efficiency: float
    layer_seconds: float
    expert_layer_seconds: float
    recurrent_layer_seconds: float
    token_seconds: float
    compute_share: float
    prompt_efficiency: float
    known_range: tuple[float, float]
    unseen_range: tuple[float, float]


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """A kind of device that behaves alike; the first class that matches a device wins.

    An empty matcher matches everything. ``architectures`` are prefixes. The factors multiply the backend's
    efficiency and its overheads; ``assumed_bandwidth_bytes_per_second`` stands in for an unknown bandwidth.
    """

    id: str
    backends: tuple[str, ...]
    vendors: tuple[str, ...]
    architectures: tuple[str, ...]
    compute_capabilities: tuple[str, ...]
    unified: bool | None
    efficiency_factor: float
    overhead_factor: float
    prompt_factor: float
    assumed_bandwidth_bytes_per_second: int


@dataclass(frozen=True, slots=True)
class SpeedModel:
    """Everything the speed estimate knows; see `BackendConstants` and `DeviceClass`.

    ``families``, ``quantisations`` and ``devices`` multiply the time of a token; names that are not in them count 1.
    ``unknown_range`` widens the range per unknown thing (bandwidth assumed, shape guessed), ``split_range`` when
    several places share the work. ``bits_per_weight`` turns bytes into parameters for the prompt estimate.
    """

    backends: Mapping[str, BackendConstants]
    classes: tuple[DeviceClass, ...]
    families: Mapping[str, float]
    quantisations: Mapping[str, float]
    devices: Mapping[str, float]
    bits_per_weight: Mapping[str, float]
    disk_bytes_per_second: Mapping[str, int]
    cpu_thread_bytes_per_second: int
    cpu_thread_flops_per_second: int
    host_share_factor: float
    crossing_seconds: float
    pcie_bytes_per_second: int
    unknown_range: float
    split_range: float
    prompt_range: float
    prompt_expert_factor: float
    date: str


def speed_model(mapping: Mapping[str, Any]) -> SpeedModel:
    """The model in ``mapping``, as ``catalog/speed.yaml`` holds it.

    Raises UserError when a part is missing or not a number, so that a hand-edited file is named, not traced.
    """
    try:
        return _speed_model(mapping)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"the speed constants are not usable: {type(error).__name__} {error}",
            hint="restore catalog/speed.yaml, or write it again with scripts/fit_speed.py",
            slug="speed-constants",
        ) from error


def _speed_model(mapping: Mapping[str, Any]) -> SpeedModel:
    fixed, spread = mapping["fixed"], mapping["range"]
    return SpeedModel(
        backends={name: _backend(values) for name, values in mapping["backends"].items()},
        classes=tuple(_device_class(values) for values in mapping["classes"]),
        families=_factors(mapping["families"]),
        quantisations=_factors(mapping["quantisations"]),
        devices=_factors(mapping["devices"]),
        bits_per_weight=_factors(mapping["bits_per_weight"]),
        disk_bytes_per_second={name: int(rate) for name, rate in fixed["disk_bytes_per_second"].items()},
        cpu_thread_bytes_per_second=int(fixed["cpu_thread_bytes_per_second"]),
        cpu_thread_flops_per_second=int(fixed["cpu_thread_flops_per_second"]),
        host_share_factor=_positive(fixed["host_share_factor"]),
        crossing_seconds=float(fixed["crossing_seconds"]),
        pcie_bytes_per_second=int(fixed["pcie_bytes_per_second"]),
        unknown_range=_positive(spread["unknown"]),
        split_range=_positive(spread["split"]),
        prompt_range=_positive(spread["prompt"]),
        prompt_expert_factor=_positive(fixed["prompt_expert_factor"]),
        date=str(mapping["date"]),
    )


def _backend(values: Mapping[str, Any]) -> BackendConstants:
    return BackendConstants(
        efficiency=_positive(values["efficiency"]),
        kv_efficiency=_positive(values["kv_efficiency"]),
        layer_seconds=float(values["layer_microseconds"]) / 1e6,
        expert_layer_seconds=float(values["expert_layer_microseconds"]) / 1e6,
        recurrent_layer_seconds=float(values["recurrent_layer_microseconds"]) / 1e6,
        token_seconds=float(values["token_microseconds"]) / 1e6,
        compute_share=float(values["compute_share"]),
        prompt_efficiency=_positive(values["prompt_efficiency"]),
        known_range=_range(values["known_range"]),
        unseen_range=_range(values["unseen_range"]),
    )


def _device_class(values: Mapping[str, Any]) -> DeviceClass:
    return DeviceClass(
        id=str(values["id"]),
        backends=tuple(values.get("backends", ())),
        vendors=tuple(values.get("vendors", ())),
        architectures=tuple(values.get("architectures", ())),
        compute_capabilities=tuple(values.get("compute_capabilities", ())),
        unified=values.get("unified"),
        efficiency_factor=_positive(values["efficiency_factor"]),
        overhead_factor=_positive(values["overhead_factor"]),
        prompt_factor=_positive(values["prompt_factor"]),
        assumed_bandwidth_bytes_per_second=int(values["assumed_bandwidth_gbps"] * 1e9),
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = values
    return _positive(low), _positive(high)


def _factors(values: Mapping[str, float]) -> dict[str, float]:
    return {name: _positive(value) for name, value in values.items()}


def _positive(value: float) -> float:
    if not float(value) > 0:
        raise ValueError(f"{value!r} is not above 0")
    return float(value)
