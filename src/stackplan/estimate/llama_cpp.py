"""What llama.cpp takes, place by place: weights, cache, state, buffers, output and overhead.

`prepare` does once what depends on the model alone; `estimate` then answers one question in microseconds, because
the solver asks tens of thousands. Checked against tests/truth (llama.cpp b11434, November 2026).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from stackplan.architecture import Architecture, Attention, Layer, WeightTable
from stackplan.estimate import compute, overhead
from stackplan.estimate import placement as places
from stackplan.estimate.kv_cache import (
    Flash,
    cache_obstacle,
    cache_shape,
    flash_attention,
    layer_cache_bytes,
    state_bytes,
)
from stackplan.hardware import Basis, Device
from stackplan.serving import HOST, Demand, Estimate, OverheadLine, Placement, Serving, Unestimable

ENGINE = "llama.cpp"
# An architecture that nobody read: the cache is derived from its tensors, the graph is taken for an ordinary one.
UNKNOWN_ERROR_FRACTION = 0.15
FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Prepared:
    """One model, ready to be asked about; see `prepare`."""

    architecture: Architecture
    weights: WeightTable
    table: places.LayerTable
    kinds: tuple[Layer, ...]
    before_last: tuple[Layer, ...]
    last: Layer
    sliding_window: int


@dataclass(frozen=True, slots=True)
class Extras:
    """What is loaded beside the model: a draft, an image projector, and limits of saved prompts.

    ``cache_ram_bytes`` is ``--cache-ram`` in bytes, ``checkpoints`` is ``--ctx-checkpoints`` per slot.
    """

    draft: "Prepared | None" = None
    projector_bytes: int = 0
    cache_ram_bytes: int = 0
    checkpoints: int = 0


NOTHING = Extras()


@lru_cache(maxsize=4096)
def prepare(architecture: Architecture, weights: WeightTable) -> Prepared:
    """Everything about a model that no option changes."""
    table = places.layer_table(architecture, weights)
    sliding = any(layer.attention is Attention.SLIDING for layer in architecture.layers)
    trunk = [layer for layer in architecture.layers if not layer.prediction] or list(architecture.layers)
    return Prepared(
        architecture=architecture,
        weights=weights,
        table=table,
        kinds=tuple(kind.layer for kind in table.kinds),
        before_last=tuple(dict.fromkeys(trunk[:-1])),
        last=trunk[-1],
        sliding_window=architecture.sliding_window if sliding else 0,
    )


def estimate_llama_cpp(
    architecture: Architecture,
    weights: WeightTable,
    serving: Serving,
    placement: Placement,
    devices: Sequence[Device] = (),
    *,
    extras: Extras = NOTHING,
) -> Estimate | Unestimable:
    """What llama-server takes for this model served so; a reason when it would refuse.

    ``devices`` are the host's devices; those that ``placement`` names add their overhead lines.
    """
    return estimate(prepare(architecture, weights), serving, placement, devices, extras=extras)


def estimate(
    prepared: Prepared,
    serving: Serving,
    placement: Placement,
    devices: Sequence[Device] = (),
    *,
    extras: Extras = NOTHING,
) -> Estimate | Unestimable:
    """`estimate_llama_cpp` for a model that is already prepared."""
    architecture = prepared.architecture
    if serving.context_tokens < 1 or serving.slots < 1 or serving.micro_batch_tokens < 1:
        return Unestimable("serving-not-positive", "context, slots and micro-batch are at least 1")
    obstacle = places.placement_obstacle(placement) or cache_obstacle(architecture, prepared.kinds, serving)
    if obstacle:
        return obstacle
    demands = _demands(prepared, serving, placement)
    lines = _overhead(prepared, serving, placement, devices, extras)
    if extras.draft or extras.projector_bytes:
        beside = _beside(extras, serving, placement)
        if isinstance(beside, Unestimable):
            return beside
        demands = _joined(demands, beside)
    return Estimate(
        engine=ENGINE,
        demands=tuple(_with_overhead(demand, lines) for demand in demands),
        file_bytes=prepared.weights.file_bytes + extras.projector_bytes,
        basis=Basis.DERIVED if architecture.exact else Basis.ASSUMED,
        overheads=lines,
        error_fraction=0.02 if architecture.exact else UNKNOWN_ERROR_FRACTION,
        notes=() if architecture.exact else (f"unsupported architecture {architecture.name}, estimate is assumed",),
    )


def _demands(prepared: Prepared, serving: Serving, placement: Placement) -> list[Demand]:
    architecture, table, weights = prepared.architecture, prepared.table, prepared.weights
    shape = cache_shape(prepared.sliding_window, serving, never_unified=architecture.never_unified)
    shares = places.shares(table.block_count, placement) if placement.devices else ()
    first = shares[0].start if shares else table.block_count
    flash = flash_attention(architecture, prepared.kinds, serving, gpu_start=first if shares else None)
    padded_v = table.widest_v if flash is Flash.OFF else 0
    batch = compute.worst_batch(architecture, serving, shape, flash=flash, on_gpu=bool(shares))
    buffers = _buffers(prepared, serving, placement, batch, shares)
    host_weights = weights.input_bytes + table.weights_before[first] + table.experts_before[first]
    found = []
    for share, buffer in zip(shares, buffers.devices, strict=True):
        on_device, on_host = places.weight_bytes(table, share, placement.cpu_expert_layers)
        host_weights += on_host
        if share.output:
            on_device += weights.output_bytes + weights.tied_output_bytes
            on_device += weights.prediction_bytes if serving.prediction_head else 0
        span = (share.start, share.stop)
        cache = places.cache_bytes(table, span, shape, serving, padded_v)
        if share.output and serving.prediction_head:
            cache += places.prediction_cache_bytes(table, shape, serving)
        found.append(Demand(share.place, on_device, cache, places.recurrent_bytes(table, span, serving), buffer))
    if not any(share.output for share in shares):
        host_weights += weights.output_bytes + (weights.prediction_bytes if serving.prediction_head else 0)
    host_cache = places.cache_bytes(table, (0, first), shape, serving, padded_v)
    if not shares and serving.prediction_head:
        host_cache += places.prediction_cache_bytes(table, shape, serving)
    state = places.recurrent_bytes(table, (0, first), serving)
    output = output_bytes(architecture, serving)
    return [Demand(HOST, host_weights, host_cache, state, buffers.host, output), *found]


def output_bytes(architecture: Architecture, serving: Serving) -> int:
    """Logits, and embeddings where those are asked for, of one row per slot; in host memory."""
    row = architecture.vocabulary_rows + (architecture.embedding_length if serving.output_rows == "batch" else 0)
    return FLOAT_BYTES * row * serving.slots * (1 + serving.draft_tokens)


def _buffers(
    prepared: Prepared,
    serving: Serving,
    placement: Placement,
    batch: compute.Batch,
    shares: tuple[places.Share, ...],
) -> compute.Buffers:
    phase = compute.phases(prepared.architecture, prepared.before_last, prepared.last, batch)
    if not shares:
        return compute.host_only(phase)
    first = shares[0].start
    if len(shares) > 1 and not first and not placement.cpu_expert_layers:
        return compute.pipelined(phase, len(shares))
    staged = _staged(prepared, serving, placement, batch, first)
    host_peak = compute.host_peak(prepared.kinds, prepared.architecture, batch, serving, partial=first > 0)
    single = compute.one_device(phase, staged, host_peak)
    return compute.Buffers(single.devices * len(shares), single.host)


def _staged(prepared: Prepared, serving: Serving, placement: Placement, batch: compute.Batch, first: int) -> int:
    """The widest phase with weights copied from host memory, when some stay there."""
    weights = prepared.weights
    dense = weights.largest_layer_tensor_bytes if first else 0
    experts = weights.largest_expert_tensor_bytes if first or placement.cpu_expert_layers else 0
    if not (dense or experts):
        return 0
    architecture, kept = prepared.architecture, (dense, experts)
    return max(compute.staged_peak(layer, architecture, batch, serving, kept) for layer in prepared.kinds)


def _overhead(
    prepared: Prepared, serving: Serving, placement: Placement, devices: Sequence[Device], extras: Extras
) -> tuple[OverheadLine, ...]:
    used = [device for device in devices if device.id in placement.devices]
    lines = overhead.host_lines(extras.cache_ram_bytes, _checkpoint_bytes(prepared, serving, extras.checkpoints))
    for device in used:
        lines += overhead.device_lines(device)
        if extras.draft:
            lines += (OverheadLine(device.id, "draft pools", overhead.DRAFT_POOL_BYTES, Basis.ASSUMED),)
    return lines


def _checkpoint_bytes(prepared: Prepared, serving: Serving, checkpoints: int) -> int:
    """Copies of state and sliding windows that the server keeps per slot, so that it can go back."""
    if not checkpoints:
        return 0
    one = Serving(prepared.sliding_window or 1, kv_type_k=serving.kv_type_k, kv_type_v=serving.kv_type_v)
    shape = cache_shape(prepared.sliding_window, one)
    layers = prepared.architecture.layers
    kept = sum(state_bytes(layer, one) for layer in layers)
    kept += sum(layer_cache_bytes(layer, shape, one) for layer in layers if layer.attention is Attention.SLIDING)
    return kept * checkpoints * serving.slots


def _beside(extras: Extras, serving: Serving, placement: Placement) -> list[Demand] | Unestimable:
    """A draft goes wholly where the model is, with a cache as long as the target's; the projector to the first."""
    found = []
    where = placement.devices[0] if placement.devices else HOST
    if extras.projector_bytes:
        found.append(Demand(where, extras.projector_bytes))
    if extras.draft:
        alone = Serving(
            serving.context_tokens, serving.slots, serving.kv_unified, flash_attention=serving.flash_attention
        )
        draft = estimate(extras.draft, alone, Placement(placement.devices, split=placement.split))
        if isinstance(draft, Unestimable):
            return Unestimable(draft.reason, f"the draft: {draft.detail}")
        found += [_with_overhead(demand, ()) for demand in draft.demands]
    return found


def _joined(demands: list[Demand], beside: list[Demand]) -> list[Demand]:
    return [_sum(demand, [other for other in beside if other.place == demand.place]) for demand in demands]


def _sum(demand: Demand, others: list[Demand]) -> Demand:
    return Demand(
        demand.place,
        demand.weights_bytes + sum(other.weights_bytes for other in others),
        demand.kv_bytes + sum(other.kv_bytes for other in others),
        demand.state_bytes + sum(other.state_bytes for other in others),
        demand.compute_bytes + sum(other.compute_bytes for other in others),
        demand.output_bytes + sum(other.output_bytes for other in others),
    )


def _with_overhead(demand: Demand, lines: tuple[OverheadLine, ...]) -> Demand:
    return Demand(
        demand.place,
        demand.weights_bytes,
        demand.kv_bytes,
        demand.state_bytes,
        demand.compute_bytes,
        demand.output_bytes,
        sum(line.bytes for line in lines if line.place == demand.place),
    )
