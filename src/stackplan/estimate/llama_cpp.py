"""What llama.cpp takes, place by place: weights, cache, state, buffers, output and overhead.

`prepare` does once what depends on the model alone; `estimate` then answers one question in microseconds, because
the solver asks tens of thousands. Checked against tests/truth (llama.cpp b11434, November 2026).
"""

from collections.abc import Sequence

from msgspec import Struct

from stackplan.architecture import Architecture, WeightTable
from stackplan.estimate import buffers, compute, overhead
from stackplan.estimate import placement as places
from stackplan.estimate.demands import joined, overheads, with_overhead
from stackplan.estimate.kv_cache import (
    FLASH_OFF,
    CacheShape,
    cache_obstacle,
    cache_shape,
    flash_attention,
    layer_cache_bytes,
)
from stackplan.estimate.process_memory import process_lines, tokenizer_line
from stackplan.estimate.question import Question, shape_unknown
from stackplan.estimate.saved_prompts import checkpoint_bytes
from stackplan.estimate.speculation import drafting, predicting, prediction_demands
from stackplan.hardware import Basis, Device
from stackplan.serving import HOST, Demand, Estimate, OverheadLine, Placement, Serving, Unestimable
from stackplan.values import replace

ENGINE = "llama.cpp"
# An architecture that nobody read: the cache is derived from its tensors, the graph is taken for an ordinary one.
UNKNOWN_ERROR_FRACTION = 0.15
FLOAT_BYTES = 4


class Prepared(Struct, frozen=True):
    """One model, ready to be asked about; see `prepare`."""

    architecture: Architecture
    weights: WeightTable
    table: places.LayerTable
    graph: compute.Graph
    sliding_window: int


class Extras(Struct, frozen=True):
    """What is loaded beside the model: a draft, an image projector, and limits of saved prompts.

    ``cache_ram_bytes`` is ``--cache-ram`` in bytes, ``checkpoints`` is ``--ctx-checkpoints`` per slot.
    ``older_graph`` asks for the buffers of the llama.cpp that Ollama embeds.
    """

    draft: "Prepared | None" = None
    projector_bytes: int = 0
    cache_ram_bytes: int = 0
    checkpoints: int = 0
    older_graph: bool = False

    @property
    def file_bytes(self) -> int:
        """Bytes of the files beside the model's own."""
        return self.projector_bytes + (self.draft.weights.file_bytes if self.draft else 0)


NOTHING = Extras()


def prepare(architecture: Architecture, weights: WeightTable, like: Prepared | None = None) -> Prepared:
    """Everything about a model that no option changes.

    ``like`` is the same architecture prepared with other weights, whose graph is then not worked out again.
    """
    graph = like.graph if like else compute.graph_of(architecture)
    return Prepared(
        architecture=architecture,
        weights=weights,
        table=places.layer_table(architecture, weights, like.table if like else None),
        graph=graph,
        sliding_window=architecture.sliding_window if graph.slides else 0,
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
    obstacle = places.placement_obstacle(placement) or cache_obstacle(architecture, prepared.graph.kinds, serving)
    if obstacle:
        return obstacle
    demands = _demands(_case(prepared, serving, placement), older_graph=extras.older_graph)
    lines = _overhead(prepared, serving, placement, devices, extras)
    if extras.draft or extras.projector_bytes or serving.prediction_head:
        beside = _beside(prepared, extras, serving, placement)
        if isinstance(beside, Unestimable):
            return beside
        demands = joined(demands, beside)
    held = overheads(lines)
    return Estimate(
        engine=ENGINE,
        demands=tuple([with_overhead(demand, held.get(demand.place, 0)) for demand in demands]),
        file_bytes=prepared.weights.file_bytes + extras.file_bytes,
        basis=Basis.DERIVED if architecture.exact else Basis.ASSUMED,
        overheads=lines,
        error_fraction=0.02 if architecture.exact else UNKNOWN_ERROR_FRACTION,
        notes=() if architecture.exact else (f"unsupported architecture {architecture.name}, estimate is assumed",),
    )


class _Case(Struct, frozen=True):
    """One question, worked out as far as weights, cache and buffers all need it."""

    prepared: Prepared
    serving: Serving
    placement: Placement
    shape: CacheShape
    shares: tuple[places.Share, ...]
    first: int  # the first block on a device
    padded_v: int
    batch: compute.Batch

    def held(self, start: int, stop: int, *, prediction: bool) -> tuple[int, int]:
        """KV and state bytes of a range of blocks, with the prediction blocks' cache if it is ``prediction``'s."""
        table = self.prepared.table
        cache = state = 0
        if start < stop:
            cache = places.cache_bytes(table, (start, stop), self.shape, self.serving, self.padded_v)
            state = places.recurrent_bytes(table, (start, stop), self.serving)
        if prediction and self.serving.prediction_head:
            cache += places.prediction_cache_bytes(table, self.shape, drafting(self.serving))
        return cache, state


def _case(prepared: Prepared, serving: Serving, placement: Placement) -> _Case:
    architecture, table = prepared.architecture, prepared.table
    shape = cache_shape(prepared.sliding_window, serving, never_unified=architecture.never_unified)
    shares = places.shares(table.block_count, placement) if placement.devices else ()
    first = shares[0].start if shares else table.block_count
    flash = flash_attention(architecture, prepared.graph.kinds, serving, gpu_start=first if shares else None)
    batch = compute.worst_batch(prepared.graph, serving, shape, flash=flash, on_gpu=bool(shares))
    padded_v = table.widest_v if flash is FLASH_OFF else 0
    return _Case(prepared, serving, placement, shape, shares, first, padded_v, batch)


def _demands(case: _Case, *, older_graph: bool) -> list[Demand]:
    buffer = _buffers(case, older_graph=older_graph)
    on_host, *on_devices = held_weights(
        case.prepared, case.shares, case.placement, prediction=case.serving.prediction_head
    )
    found = []
    for share, held, size in zip(case.shares, on_devices, buffer.devices, strict=True):
        cache, state = case.held(share.start, share.stop, prediction=share.output)
        found.append(Demand(share.place, held, cache, state, size))
    cache, state = case.held(0, case.first, prediction=not any(share.output for share in case.shares))
    output = output_bytes(case.prepared.architecture, case.serving)
    return [Demand(HOST, on_host, cache, state, buffer.host, output), *found]


def held_weights(
    prepared: Prepared, shares: Sequence[places.Share], placement: Placement, *, prediction: bool = False
) -> list[int]:
    """Bytes of weights in host memory, then on each device of ``shares``; prediction blocks' when they are in use."""
    copied, kept = places.copies_tied_head(prepared.architecture), placement.cpu_expert_layers
    return places.held_weights(prepared.table, prepared.weights, shares, kept, prediction=prediction, copied=copied)


def output_bytes(architecture: Architecture, serving: Serving) -> int:
    """Logits, and embeddings where those are asked for, of one row per slot; in host memory."""
    row = architecture.vocabulary_rows + (architecture.embedding_length if serving.output_rows == "batch" else 0)
    return FLOAT_BYTES * row * serving.slots * (1 + serving.draft_tokens)


def _buffers(case: _Case, *, older_graph: bool) -> buffers.Buffers:
    graph, batch, shares = case.prepared.graph, case.batch, case.shares
    phase = buffers.phases(graph, batch, older_graph=older_graph)
    if not shares:
        return buffers.host_only(phase)
    if len(shares) > 1 and not case.first and not case.placement.cpu_expert_layers:
        found = buffers.pipelined(phase, len(shares))
        copied = tuple(size + _copied_cache(case, share) for size, share in zip(found.devices, shares, strict=True))
        return buffers.Buffers(copied, found.host)
    host_peak = buffers.host_peak(graph, batch, case.serving, partial=case.first > 0)
    single = buffers.one_device(phase, _staged(case), host_peak)
    return buffers.Buffers(single.devices * len(shares), single.host)


def _copied_cache(case: _Case, share: places.Share) -> int:
    """Caches of another device that the blocks of ``share`` read: each block gets its own copies."""
    sharing = [kind for kind in case.prepared.table.kinds if kind.layer.shares_kv]
    if not sharing or all(kind.count(0, share.start) == 0 for kind in sharing):
        return 0  # the blocks that own the cache are here, or nothing is shared
    total = 0
    for kind in sharing:
        own = replace(kind.layer, shares_kv=False)
        total += kind.count(share.start, share.stop) * layer_cache_bytes(own, case.shape, case.serving)
    return buffers.PIPELINE_COPIES * total


def _staged(case: _Case) -> int:
    """The widest phase with weights copied from host memory, when some stay there."""
    weights, graph = case.prepared.weights, case.prepared.graph
    dense = weights.largest_layer_tensor_bytes if case.first else 0
    experts = weights.largest_expert_tensor_bytes if case.first or case.placement.cpu_expert_layers else 0
    if not (dense or experts):
        return 0
    return max(buffers.staged_peak(layer, graph, case.batch, case.serving, (dense, experts)) for layer in graph.kinds)


def _overhead(
    prepared: Prepared, serving: Serving, placement: Placement, devices: Sequence[Device], extras: Extras
) -> tuple[OverheadLine, ...]:
    used = [device for device in devices if device.id in placement.devices]
    kept = checkpoint_bytes(prepared.architecture, prepared.sliding_window, serving, extras.checkpoints)
    lines = process_lines(prepared.architecture, prepared.weights, prepared.graph, serving, on_cpu=not used)
    lines += overhead.saved_lines(extras.cache_ram_bytes, kept)
    if extras.draft:
        lines += (tokenizer_line(extras.draft.architecture, extras.draft.weights, "draft tokenizer"),)
    for device in used:
        lines += overhead.device_lines(device)
        if extras.draft:
            lines += (OverheadLine(device.id, "draft pools", overhead.DRAFT_POOL_BYTES, Basis.ASSUMED),)
    return lines


def _beside(prepared: Prepared, extras: Extras, serving: Serving, placement: Placement) -> list[Demand] | Unestimable:
    """A draft goes wholly where the model is, with a cache as long as the target's; the projector to the first.

    A prediction head has buffers and logits of its own, where the output layer is.
    """
    found = []
    where = placement.devices[0] if placement.devices else HOST
    if extras.projector_bytes:
        found.append(Demand(where, extras.projector_bytes))
    if serving.prediction_head:
        last = HOST if placement.is_cpu else placement.devices[-1]
        found += prediction_demands(prepared.architecture, serving, last, pipelined=len(placement.devices) > 1)
    if extras.draft:
        draft = estimate(extras.draft, drafting(serving), Placement(placement.devices, split=placement.split))
        if isinstance(draft, Unestimable):
            return Unestimable(draft.reason, f"the draft: {draft.detail}")
        found += [with_overhead(demand, 0) for demand in draft.demands]
    return found


# Prepared models by the identity of their parts, which each entry keeps alive: hashing a table costs more than an
# estimate. What is remembered never changes an answer.
_prepared: dict[tuple[int, int], Prepared] = {}
_shapes: dict[int, Prepared] = {}
_REMEMBERED = 16384


def prepared_once(architecture: Architecture, weights: WeightTable) -> Prepared:
    """`prepare`, remembered for as long as the process lives."""
    key = (id(architecture), id(weights))
    found = _prepared.get(key)
    if found is None:
        if len(_prepared) >= _REMEMBERED:
            _prepared.clear()
            _shapes.clear()
        found = _prepared[key] = prepare(architecture, weights, _shapes.get(id(architecture)))
        _shapes.setdefault(id(architecture), found)
    return found


def answer(question: Question) -> Estimate | Unestimable:
    """llama.cpp's answer to a question that any engine may be asked."""
    if question.architecture is None or question.weights is None:
        return shape_unknown()
    draft = prepared_once(question.draft.architecture, question.draft.weights) if question.draft else None
    extras = NOTHING
    if draft or question.projector_bytes or question.cache_ram_bytes or question.checkpoints:
        extras = Extras(draft, question.projector_bytes, question.cache_ram_bytes, question.checkpoints)
    architecture = predicting(question.architecture) if question.serving.prediction_head else question.architecture
    prepared = prepared_once(architecture, question.weights)
    return estimate(prepared, question.serving, question.placement, question.devices, extras=extras)
