"""What each place of one host costs per byte and per layer: `SpeedModel` and `Host` become a few numbers per place.

Done once per host; a decode estimate is then plain arithmetic.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stackplan.estimate.speed_model import BackendConstants, DeviceClass, SpeedModel
from stackplan.hardware import Basis, Device, Host, PoolKind
from stackplan.serving import HOST
from stackplan.values import replace


@dataclass(frozen=True, slots=True)
class PlaceRates:
    """What one place costs. ``factor`` multiplies the whole token; ``flops_per_second`` is effective, for prompts."""

    weight_seconds_per_byte: float
    kv_seconds_per_byte: float
    layer_seconds: float
    expert_layer_seconds: float
    recurrent_layer_seconds: float
    token_seconds: float
    range_low: float
    range_high: float
    basis: Basis
    seconds_per_weight: float = 0.0
    flops_per_second: float | None = None
    upload_bytes_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class HostRates:
    """Rates of every place of a host; ``cpu`` is what runs layers kept in host memory."""

    places: Mapping[str, PlaceRates]
    cpu: PlaceRates
    disk_bytes_per_second: float | None


def host_rates(model: SpeedModel, host: Host, runtime: str | None = None) -> HostRates:
    """Rates of ``host`` under ``model``; never fails: what is unknown is assumed, and says so.

    ``runtime`` names constants to use in place of those of a GPU's backend, for an engine with kernels of its own
    ("mlx").
    """
    cpu = _cpu_rates(model, host)
    places = {device.id: _device_rates(model, host, device, runtime or device.backend.value) for device in host.gpus}
    return HostRates(places | {HOST: cpu, host.cpu_device.id: cpu}, cpu, _disk_rate(model, host))


def device_class(model: SpeedModel, device: Device, *, unified: bool) -> DeviceClass:
    """The first class of ``model`` that ``device`` belongs to; the last one matches everything."""
    return next((kind for kind in model.classes if _matches(kind, device, unified)), model.classes[-1])


def _matches(kind: DeviceClass, device: Device, unified: bool) -> bool:
    named = device.architecture or ""
    by_name = kind.architectures and named.startswith(kind.architectures)
    by_capability = device.compute_capability in kind.compute_capabilities
    if (kind.architectures or kind.compute_capabilities) and not (by_name or by_capability):
        return False
    return (
        (not kind.backends or device.backend.value in kind.backends)
        and (not kind.vendors or device.vendor in kind.vendors)
        and (kind.unified is None or kind.unified is unified)
    )


def _device_rates(model: SpeedModel, host: Host, device: Device, runtime: str) -> PlaceRates:
    unified = any(pool.id == device.pool and pool.kind is PoolKind.UNIFIED for pool in host.pools)
    kind = device_class(model, device, unified=unified)
    constants = model.backends.get(runtime) or model.backends["vulkan"]
    known = device.bandwidth_bytes_per_second
    flops = device.compute_flops_per_second
    rates = _rates(
        constants,
        kind,
        bandwidth=known or kind.assumed_bandwidth_bytes_per_second,
        factor=model.devices.get(device.catalog_id or "", 1.0),
        spread=_spread(model, constants, device.catalog_id, known is not None),
        basis=Basis.DERIVED if known else Basis.ASSUMED,
    )
    factor = model.devices.get(device.catalog_id or "", 1.0)
    return replace(
        rates,
        seconds_per_weight=2 * constants.compute_share * factor / flops if flops else 0.0,
        flops_per_second=flops * constants.prompt_efficiency * kind.prompt_factor if flops else None,
        upload_bytes_per_second=None if unified else float(device.pcie_bytes_per_second or model.pcie_bytes_per_second),
    )


def _cpu_rates(model: SpeedModel, host: Host) -> PlaceRates:
    cpu, device = host.cpu, host.cpu_device
    kind = device_class(model, device, unified=False)
    nominal = cpu.bandwidth_bytes_per_second or device.bandwidth_bytes_per_second
    threads = max(1, min(cpu.usable_threads, cpu.physical_cores or cpu.usable_threads))
    bandwidth = min(nominal or kind.assumed_bandwidth_bytes_per_second, threads * model.cpu_thread_bytes_per_second)
    constants = model.backends["cpu"]
    rates = _rates(
        constants,
        kind,
        bandwidth=bandwidth,
        factor=model.devices.get(device.catalog_id or "", 1.0),
        spread=_spread(model, constants, device.catalog_id, nominal is not None),
        basis=Basis.DERIVED if nominal else Basis.ASSUMED,
    )
    return replace(rates, flops_per_second=threads * model.cpu_thread_flops_per_second * constants.prompt_efficiency)


def _rates(
    constants: BackendConstants,
    kind: DeviceClass,
    *,
    bandwidth: int,
    factor: float,
    spread: tuple[float, float],
    basis: Basis,
) -> PlaceRates:
    speed, overhead = bandwidth * kind.efficiency_factor / factor, kind.overhead_factor * factor
    return PlaceRates(
        weight_seconds_per_byte=1 / (constants.efficiency * speed),
        kv_seconds_per_byte=1 / (constants.kv_efficiency * speed),
        layer_seconds=constants.layer_seconds * overhead,
        expert_layer_seconds=constants.expert_layer_seconds * overhead,
        recurrent_layer_seconds=constants.recurrent_layer_seconds * overhead,
        token_seconds=constants.token_seconds * overhead,
        range_low=spread[0],
        range_high=spread[1],
        basis=basis,
    )


def _spread(
    model: SpeedModel, constants: BackendConstants, catalog_id: str | None, bandwidth_known: bool
) -> tuple[float, float]:
    """The 80 % range: narrow for devices that were measured, wide where the bandwidth is a guess."""
    low, high = constants.known_range if catalog_id in model.devices else constants.unseen_range
    widen = 1.0 if bandwidth_known else model.unknown_range
    return low / widen, high * widen


def _disk_rate(model: SpeedModel, host: Host) -> float | None:
    if host.disk is None:
        return None
    return host.disk.read_bytes_per_second or model.disk_bytes_per_second.get(host.disk.kind)
