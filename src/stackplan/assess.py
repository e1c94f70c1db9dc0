"""What a configuration takes of a host and how fast it is: estimates by place turned into bytes by pool.

Remembers what many configurations share: buffers and caches depend on the shape and not on the quantisation, speed
not on the context. Everything asked twice is answered once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from stackplan.architecture import WeightTable
from stackplan.catalog import Artifact, Model
from stackplan.configuration import WHOLE_TEXT_MODES, Configuration
from stackplan.estimate.engines import Beside, estimate_serving
from stackplan.estimate.overhead import device_lines
from stackplan.estimate.process_memory import vocabulary_bytes
from stackplan.estimate.question import DraftWeights
from stackplan.estimate.side_by_side import SideBySide
from stackplan.estimate.speed import decode
from stackplan.estimate.speed_model import SpeedModel
from stackplan.estimate.speed_rates import HostRates, host_rates
from stackplan.estimate.speed_traffic import Workload
from stackplan.estimate.weight_places import weights_by_place
from stackplan.hardware import Device, Host
from stackplan.serving import HOST, Demand, Estimate, Placement, SpeedEstimate, Unestimable
from stackplan.taken import PoolTaken, Taken
from stackplan.values import replace

# Speeds are compared with this much text already read: a short working session, far from the limits of a cache.
KV_DEPTH_TOKENS = 4096


MeasuredSpeed = Callable[[Configuration, SpeedEstimate | None, Callable[[int], SpeedEstimate]], SpeedEstimate | None]
"""What is known better than by deriving: a configuration, its derived speed, and the derived speed at any depth."""


class Assess(Protocol):
    """What options need to know of a configuration."""

    at_once: SideBySide

    def takes(self, configuration: Configuration, slots: int = 1) -> Taken | Unestimable:
        """Bytes per pool as an affine function of slots, exact for so many ``slots``."""

    def weights(self, configuration: Configuration) -> tuple[int, ...]:
        """Bytes of its file's weights by pool, in the order of `takes`."""

    def vocabulary(self, configuration: Configuration) -> tuple[int, ...]:
        """Bytes of the vocabulary that its file's header decides, by pool, in the order of `takes`."""

    def twin(self, placement: Placement) -> tuple[Placement, Mapping[str, str]] | None:
        """A placement on another device with the same bytes, and what its pools are called here; None without one."""

    def slot_excess(self, configuration: Configuration, slots: int) -> dict[str, int]:
        """Bytes by pool that each further slot adds beyond that line, where up to so many are asked."""

    def speed(self, configuration: Configuration) -> SpeedEstimate | None:
        """Tokens per second of one stream, nothing ahead of it; None where that means nothing or nobody knows."""

    def work(self, configuration: Configuration) -> Workload:
        """What a token of the configuration touches, where `speed` has an answer."""


@dataclass(slots=True, repr=False)
class HostAssessor:
    """`Assess` for one host, by the estimators."""

    host: Host
    model: SpeedModel
    rates: HostRates
    at_once: SideBySide
    measured: "MeasuredSpeed | None" = None
    _pools: dict[str, str] = field(default_factory=dict)
    _workloads: dict[tuple[int, int, str], Workload] = field(default_factory=dict)
    _speeds: dict[tuple[int, int, str, Placement], SpeedEstimate | None] = field(default_factory=dict)

    @classmethod
    def of(cls, host: Host, model: SpeedModel, measured: "MeasuredSpeed | None" = None) -> "HostAssessor":
        """An assessor of ``host`` that has not been asked anything yet; ``measured`` has the last word on speeds."""
        pools = {device.id: device.pool for device in host.devices} | {HOST: host.host_pool.id}
        rates = host_rates(model, host)
        at_once = SideBySide(host, model, rates, KV_DEPTH_TOKENS, may_be_measured=measured is not None)
        return cls(host, model, rates, at_once, measured, pools)

    def takes(self, configuration: Configuration, slots: int = 1) -> Taken | Unestimable:
        """Bytes per pool; what all ``slots`` take of cache, state and output is told as one slot's.

        Cache, state and output are one per slot; buffers hardly know slots. The plan itself is made of exact estimates
        for the slots that it has.
        """
        estimate = self.estimate(configuration, slots)
        return estimate if isinstance(estimate, Unestimable) else self.taken(estimate)

    def taken(self, estimate: Estimate) -> Taken:
        """An estimate's bytes by pool; what it says of slots is as if it had one."""
        return Taken(tuple(_pool_taken(pool, demands) for pool, demands in sorted(self.by_pool(estimate).items())))

    def slot_excess(self, configuration: Configuration, slots: int) -> dict[str, int]:
        """Bytes by pool that each slot beyond the first adds to buffers, on top of what `takes` says of a slot.

        Buffers are convex in slots, so what the most slots exceed the line by, spread over them, covers every number.
        """
        one, most = self.takes(configuration), self.takes(configuration, slots)
        if slots < 2 or isinstance(one, Unestimable) or isinstance(most, Unestimable):
            return {}
        exact = {pool.pool: pool.fixed_bytes + pool.per_slot_bytes for pool in most.pools}
        line = {pool.pool: pool.fixed_bytes + pool.per_slot_bytes * slots for pool in one.pools}
        return {pool: max(0, -(-(exact[pool] - line[pool]) // (slots - 1))) for pool in line}

    def weights(self, configuration: Configuration) -> tuple[int, ...]:
        """Bytes of weights by pool, in the order of `takes`, as llama.cpp holds them; empty where nobody knows."""
        shape, file = configuration.model.architecture, configuration.artifact
        if shape is None or file.weights is None:
            return ()
        eyes = file.projector_bytes if configuration.vision else 0
        head = configuration.ahead is not None and configuration.ahead.draft is None
        held = weights_by_place(shape, file.weights, configuration.placement, eyes, prediction=head)
        return tuple([size for _, size in self._pooled(held)])

    def _pooled(self, places: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        held: dict[str, int] = {}
        for place, size in places:
            pool = self._pools[place]
            held[pool] = held.get(pool, 0) + size
        return sorted(held.items())

    def vocabulary(self, configuration: Configuration) -> tuple[int, ...]:
        """The file's vocabulary in host memory; empty where it takes nothing, or nobody knows."""
        shape, table, host = configuration.model.architecture, configuration.artifact.weights, self._pools[HOST]
        if shape is None or table is None or not (size := vocabulary_bytes(shape, table)):
            return ()
        pools = {host, *(self._pools[device] for device in configuration.placement.devices)}
        return tuple(size if pool == host else 0 for pool in sorted(pools))

    def twin(self, placement: Placement) -> tuple[Placement, Mapping[str, str]] | None:
        """The same on the first device that takes as much beside the model and has a pool of its own as well."""
        if len(placement.devices) != 1:
            return None
        own = self.host.device(placement.devices[0])
        first = next((gpu for gpu in self.host.gpus if _alike(gpu, own) and gpu.pool != self.host.host_pool.id), own)
        if own.pool in (first.pool, self.host.host_pool.id):
            return None
        return replace(placement, devices=(first.id,)), {first.pool: own.pool}

    def estimate(self, configuration: Configuration, slots: int) -> Estimate | Unestimable:
        """What the engine takes, place by place, with so many slots."""
        return estimate_serving(
            configuration.engine,
            configuration.model,
            configuration.artifact,
            configuration.serving(slots),
            configuration.placement,
            self.host.devices,
            _beside(configuration),
        )

    def speed(self, configuration: Configuration) -> SpeedEstimate | None:
        """Decode speed of one stream at `KV_DEPTH_TOKENS`; for what only reads (embeddings), reading speed."""
        speed = self._derived(configuration)
        if self.measured is not None:
            speed = self.measured(
                configuration, speed, lambda depth: self._decode(self.work(configuration), configuration, depth)
            )
        return _reading(speed) if speed and configuration.mode in WHOLE_TEXT_MODES else speed

    def _derived(self, configuration: Configuration) -> SpeedEstimate | None:
        work = self._work(configuration.model, configuration.artifact)
        if work is None:
            return None
        batch = configuration.context_tokens if configuration.mode in WHOLE_TEXT_MODES else 0
        key = (id(work), batch, configuration.kv_type, configuration.placement)
        if key not in self._speeds:
            self._speeds[key] = self._decode(work, configuration, KV_DEPTH_TOKENS)
        return self._speeds[key]

    def _decode(self, work: Workload, configuration: Configuration, depth_tokens: int) -> SpeedEstimate:
        return decode(
            self.model,
            self.rates,
            work,
            configuration.serving(1),
            configuration.placement,
            depth_tokens,
        )

    def pool_of(self, place: str) -> str:
        """The pool that a place of an estimate draws on."""
        return self._pools[place]

    def by_pool(self, estimate: Estimate) -> dict[str, list[Demand]]:
        """The estimate's demands by pool; a unified pool has those of both sides."""
        pools: dict[str, list[Demand]] = {}
        for demand in estimate.demands:
            pools.setdefault(self._pools[demand.place], []).append(demand)
        return pools

    def work(self, configuration: Configuration) -> Workload:
        """What a token touches. KeyError where nobody knows the shape or the weights: `speed` then gives None."""
        work = self._work(configuration.model, configuration.artifact)
        if work is None:
            raise KeyError(configuration.artifact.id)
        return work

    def _work(self, model: Model, artifact: Artifact) -> Workload | None:
        shape, weights = model.architecture, _nearest_weights(model, artifact)
        if shape is None or weights is None:
            return None
        key = (id(shape), id(weights), artifact.quantisation)
        found = self._workloads.get(key)
        if found is None:
            found = self._workloads[key] = self.at_once.workloads.of(shape, weights, artifact.quantisation)
        return found


def _alike(one: Device, other: Device) -> bool:
    """Whether engines take as much for themselves on both."""
    ours, theirs = device_lines(one), device_lines(other)
    return [(line.name, line.bytes) for line in ours] == [(line.name, line.bytes) for line in theirs]


def _beside(configuration: Configuration) -> Beside:
    """What the engine loads and keeps beside the weights."""
    ahead, draft = configuration.ahead, None
    if ahead and ahead.draft_model and ahead.draft_model.architecture and ahead.draft and ahead.draft.weights:
        draft = DraftWeights(ahead.draft_model.architecture, ahead.draft.weights)
    saved = configuration.saved
    return Beside(configuration.vision, draft, saved.cache_ram_bytes, saved.checkpoints)


def _nearest_weights(model: Model, own: Artifact) -> WeightTable | None:
    """The file's own table of weights, else that of the model's file nearest in size: a token touches as much."""
    if own.weights is not None:
        return own.weights
    known = [artifact for artifact in model.artifacts if artifact.weights is not None]
    nearest = min(known, key=lambda artifact: (abs(artifact.file_bytes - own.file_bytes), artifact.id), default=None)
    return nearest.weights if nearest else None


def _reading(speed: SpeedEstimate) -> SpeedEstimate | None:
    """The speed of a model that writes nothing: tokens per second that it reads."""
    if speed.prompt_tokens_per_second is None:
        return None
    return replace(
        speed,
        decode_tokens_per_second=speed.prompt_tokens_per_second,
        decode_low=speed.prompt_low or speed.prompt_tokens_per_second,
        decode_high=speed.prompt_high or speed.prompt_tokens_per_second,
    )


def _pool_taken(pool: str, demands: list[Demand]) -> PoolTaken:
    per_slot = sum(demand.kv_bytes + demand.state_bytes + demand.output_bytes for demand in demands)
    total = sum(demand.total_bytes for demand in demands)
    return PoolTaken(pool, total - per_slot, per_slot, sum(demand.weights_bytes for demand in demands))
