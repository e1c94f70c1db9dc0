"""Measured beats derived: which measurement holds for a configuration on this host, and what speed it gives.

One rule: engine, file, mode, cache type, devices and their shares must agree. Of those that agree, the same engine
version comes first, then this very machine, then the nearest context, then the newest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from stackplan.configuration import Configuration, place_name
from stackplan.hardware import Basis, Host, PoolKind
from stackplan.measurement import (
    Figure,
    Measurement,
    Settings,
    device_class,
    digest_of,
    machine_of,
    settings_measured,
    settings_of,
)
from stackplan.plan import Instance, Plan, PlannedMeasurements, UsedMeasurement
from stackplan.serving import SpeedEstimate
from stackplan.units import format_bytes
from stackplan.values import replace

# A peak beyond the estimate by more than its own error (docs/estimate.md: worst 2 %) is told.
_PEAK_TOLERANCE = 1.02


@dataclass(frozen=True, slots=True)
class Calibration:
    """The measurements that may hold on one host. ``versions`` are the engines' versions that are planned with."""

    host: Host
    machine: str
    versions: Mapping[str, str]
    found: Mapping[Settings, tuple[Measurement, ...]]
    artifacts: frozenset[str]

    def speed(
        self,
        configuration: Configuration,
        derived: SpeedEstimate | None,
        at_depth: Callable[[int], SpeedEstimate],
    ) -> SpeedEstimate | None:
        """The measured speed of a configuration; ``derived`` where nothing measured holds for it.

        Decode measured at another depth is carried over by what the estimator says of both depths (``at_depth``).
        """
        artifact = configuration.artifact.id
        if artifact not in self.artifacts:
            return derived
        draft = configuration.ahead.name if configuration.ahead else ""
        one = self.best(settings_of(configuration, artifact, self.host, draft), configuration.context_tokens)
        if one is None:
            return derived
        there = at_depth(one.depth_tokens) if derived is not None and one.depth_tokens else None
        return self._measured(one, derived, there)

    def best(self, settings: Settings, context_tokens: int) -> Measurement | None:
        """The measurement that holds best for these settings."""
        return min(self.found.get(settings, ()), key=lambda one: self._rank(one, context_tokens), default=None)

    def of_instance(self, instance: Instance) -> Measurement | None:
        """The measurement that holds best for a planned instance."""
        settings = settings_of(instance, instance.artifact, self.host, draft_of(instance))
        return self.best(settings, instance.context_tokens)

    def same_version(self, one: Measurement) -> bool:
        """Whether it was measured with the engine version that is planned with."""
        return _plain(one.engine_version) == _plain(self.versions.get(one.engine, ""))

    def _rank(self, one: Measurement, context_tokens: int) -> tuple[object, ...]:
        newest_first = tuple(-ord(letter) for letter in one.measured_at)
        away = abs(one.context_tokens - context_tokens)
        return (not self.same_version(one), one.machine != self.machine, away, newest_first, one.digest)

    def _measured(self, one: Measurement, derived: SpeedEstimate | None, there: SpeedEstimate | None) -> SpeedEstimate:
        carried = 1.0
        if derived is not None and there is not None:
            carried = derived.decode_tokens_per_second / there.decode_tokens_per_second
        decode = one.decode or one.headline
        assert decode is not None  # noqa: S101  (kept by `calibration`)
        prompt = one.prompt or _derived_prompt(derived)
        load = derived.load_seconds if derived else None
        if one.load_seconds is not None and one.machine == self.machine:
            load = one.load_seconds
        return SpeedEstimate(
            decode_tokens_per_second=decode.median * carried,
            decode_low=decode.low * carried,
            decode_high=decode.high * carried,
            prompt_tokens_per_second=prompt.median if prompt else None,
            prompt_low=prompt.low if prompt else None,
            prompt_high=prompt.high if prompt else None,
            load_seconds=load,
            basis=Basis.MEASURED,
        )


def calibration(measurements: Iterable[Measurement], host: Host, versions: Mapping[str, str]) -> Calibration | None:
    """What of the measurements may hold on ``host``; None when nothing does."""
    found: dict[Settings, tuple[Measurement, ...]] = {}
    classes = {device_class(device, host) for device in host.devices}
    for _, one in sorted({one.digest: one for one in measurements}.items()):
        if one.headline is not None and set(one.devices) <= classes:
            key = settings_measured(one)
            found[key] = (*found.get(key, ()), one)
    if not found:
        return None
    return Calibration(host, machine_of(host), dict(versions), found, frozenset(key[1] for key in found))


def with_measurements(plan: Plan, known: Calibration) -> Plan:
    """The plan with a record of what it was measured with, and notes where that needs a word."""
    pairs = tuple((i, one) for i in plan.instances if (one := known.of_instance(i)) is not None)
    every = [one for group in known.found.values() for one in group]
    used = tuple(
        UsedMeasurement(
            instance=instance.id,
            digest=one.digest,
            engine_version=one.engine_version,
            same_version=known.same_version(one),
            same_machine=one.machine == known.machine,
            measured_at=one.measured_at,
        )
        for instance, one in pairs
        if instance.speed is not None and instance.speed.basis is Basis.MEASURED
    )
    told = (f"measured speeds: {', '.join(one.instance for one in used)}",) if used else ()
    notes = (*told, *(note for instance, one in pairs for note in _notes(plan, instance, one, known)))
    return replace(
        plan,
        notes=(*plan.notes, *notes),
        measurements=PlannedMeasurements(len(every), digest_of(every), used),
    )


def over_estimate(
    plan: Plan, instance: Instance, host_peak_bytes: int | None, device_peak_bytes: int | None
) -> tuple[int, int] | None:
    """Bytes measured at the peak and bytes planned, where more was measured; None where not or where nobody knows.

    Only memory that the plan counts whole is judged: the devices' own, or host memory of what runs there alone. Pages
    of a mapped file that a GPU already copied are no need.
    """
    kinds = {pool.id: pool.kind for pool in plan.host.machine.pools}
    on_host = instance.placement.is_cpu
    planned = sum(d.total_bytes for d in instance.demand if (kinds.get(d.pool) != PoolKind.VRAM) == on_host)
    peak = host_peak_bytes if on_host else device_peak_bytes
    return (peak, planned) if peak is not None and planned and peak > planned * _PEAK_TOLERANCE else None


def draft_of(instance: Instance) -> str:
    """What makes an instance decode otherwise than its file alone: who drafts (as `Ahead.name` says), fewer experts.

    Looking proposals up in the context is left out: it changes nothing where nothing repeats, as in a bench.
    """
    ahead = instance.draft_artifact or ("mtp" if instance.prediction_head else "")
    experts = f"experts:{instance.active_experts}" if instance.active_experts else ""
    return "+".join(filter(None, (ahead, experts)))


def _notes(plan: Plan, instance: Instance, one: Measurement, known: Calibration) -> Iterator[str]:
    day = one.measured_at[:10]
    where = "" if one.machine == known.machine else " on another machine of the same parts"
    is_used = instance.speed is not None and instance.speed.basis is Basis.MEASURED
    if is_used and not known.same_version(one):
        planned = known.versions.get(one.engine, "")
        yield f"speed of {instance.id} measured {day}{where} with {one.engine} {one.engine_version}, planned: {planned}"
    elif is_used and where:
        yield f"speed of {instance.id} measured {day}{where}"
    if one.machine == known.machine and (
        over := over_estimate(plan, instance, one.host_peak_bytes, one.device_peak_bytes)
    ):
        peak, planned_bytes = map(format_bytes, over)
        place = place_name(instance.placement)
        yield f"{instance.id} took {peak} on {place} when measured {day}, the plan counts {planned_bytes}"


def _derived_prompt(derived: SpeedEstimate | None) -> Figure | None:
    if derived is None or derived.prompt_tokens_per_second is None:
        return None
    middle = derived.prompt_tokens_per_second
    return Figure(middle, derived.prompt_low or middle, derived.prompt_high or middle)


def _plain(version: str) -> str:
    """``v0.26.0`` and ``0.26.0`` are one version."""
    return version.strip().lower().removeprefix("v")
