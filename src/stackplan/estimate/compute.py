"""Compute buffers of llama.cpp: what the graph allocator reserves for the worst prompt micro-batch.

The engine lays out the tensors of one micro-batch of n tokens, reusing memory as soon as it may. The peak is the
widest instant: inputs and masks that live throughout, plus the widest of the attention, feed-forward, recurrent and
output phases. Each phase below counts the tensors alive in it, read from the graphs of llama.cpp b11434
(``llama-graph.cpp``, ``models/*.cpp``, ``ggml-alloc.c``; November 2026) and checked against tests/truth.

Symbols: E, F, Q are float32 activations of n tokens: embedding, feed-forward and query width.
"""

from dataclasses import dataclass, replace

from stackplan.architecture import Architecture, Attention, Layer
from stackplan.estimate.kv_cache import CacheShape, Flash, cell_bytes
from stackplan.serving import Serving

FLOAT_BYTES = 4
HALF_BYTES = 2
INDEX_BYTES = 8
# Tables of tokens x cells that an indexer holds at once.
_INDEXER_TABLES = 4.5
_PIPELINE_COPIES = 4  # with pipelining every input exists so often
# A recurrent layer holds its input projection, gate, convolution and output, and the states before and after.
_RECURRENT_WIDTHS_HOST, _RECURRENT_WIDTHS_DEVICE, _RECURRENT_STATES = 5.0, 4.2, 2


@dataclass(frozen=True, slots=True)
class Batch:
    """The worst micro-batch: tokens, output rows, cells that attention sees, and how attention is computed.

    ``scratch_k`` and ``scratch_v`` tell that the kernels first convert a layer's cache to half floats (GPUs do).
    """

    tokens: int
    output_rows: int
    cells: int
    sliding_cells: int
    streams: int
    slots: int
    flash: Flash
    on_gpu: bool
    scratch_k: bool
    scratch_v: bool

    @property
    def flash_attention(self) -> bool:
        """Whether no table of scores exists."""
        return self.flash in {Flash.ON, Flash.ON_HOST}


def worst_batch(
    architecture: Architecture, serving: Serving, shape: CacheShape, *, flash: Flash, on_gpu: bool
) -> Batch:
    """The micro-batch that the engine reserves for; an encoder's tokens see each other instead of a cache."""
    batch_tokens = min(serving.batch_tokens, shape.context_tokens) if architecture.causal else serving.batch_tokens
    tokens = min(serving.micro_batch_tokens, batch_tokens, shape.context_tokens)
    tokens = -(-tokens // serving.slots) * serving.slots
    rows = serving.slots * (1 + serving.draft_tokens) if serving.output_rows == "slots" else batch_tokens
    cached = architecture.has_cache
    sliding = any(layer.attention is Attention.SLIDING for layer in architecture.layers)
    attends = cached or not architecture.causal
    converts = on_gpu and flash is not Flash.ON_HOST
    return Batch(
        tokens=tokens,
        output_rows=min(tokens, rows),
        cells=(shape.cells if cached else tokens) if attends else 0,
        sliding_cells=(shape.sliding_cells if cached else tokens) if attends and sliding else 0,
        streams=shape.streams,
        slots=serving.slots,
        flash=flash,
        on_gpu=on_gpu,
        scratch_k=converts and serving.kv_type_k != "f16",
        scratch_v=converts and serving.kv_type_v != "f16",
    )


def mask_bytes(batch: Batch) -> int:
    """Attention masks: half floats with flash attention, else floats; one per kind of cache."""
    return (HALF_BYTES if batch.flash_attention else FLOAT_BYTES) * batch.tokens * (batch.cells + batch.sliding_cells)


def transposed_index_bytes(architecture: Architecture, batch: Batch) -> int:
    """Where each value of V goes in a transposed cache, once per kind of cache; flash attention needs none."""
    if batch.flash is not Flash.OFF or not architecture.has_cache:
        return 0
    widths = {layer.attention: 0 for layer in architecture.layers if layer.v_width}
    for layer in architecture.layers:
        if layer.v_width:
            widths[layer.attention] = max(widths[layer.attention], layer.v_width)
    return INDEX_BYTES * batch.tokens * sum(widths.values())


def feed_forward_peak(layer: Layer, embedding: int, tokens: int) -> int:
    """The feed-forward phase beyond the persistent tensors.

    Dense: up, gate and their product, or one tensor when nothing gates. Experts: the same per used expert, and the
    weighted outputs when they are wider than what up and gate left free.
    """
    width = FLOAT_BYTES * tokens
    dense = width * layer.feed_forward_length * (3 if layer.gated else 1)
    shared = width * layer.shared_feed_forward_length * (3 if layer.gated else 1)
    if not layer.experts:
        return max(dense, shared)
    used = width * layer.experts_used
    hidden, out = used * layer.expert_feed_forward_length, used * embedding
    if not layer.gated:
        return max(hidden + out, shared)
    return max(3 * hidden + (out if out > 2 * hidden else 0), shared)


def attention_peak(layer: Layer, architecture: Architecture, batch: Batch) -> int:
    """The attention phase beyond the persistent tensors."""
    if not layer.heads or layer.attention is Attention.RECURRENT:
        return 0
    width = FLOAT_BYTES * batch.tokens
    if layer.attention is Attention.NONE:
        return _encoder_peak(layer, architecture, batch)
    if layer.attention is Attention.LATENT:
        return _latent_peak(layer, architecture, batch)
    query, embedding = width * layer.heads * layer.head_length_k, width * architecture.embedding_length
    queries = query * (2 if query > embedding else 1)
    cells = batch.sliding_cells if layer.attention is Attention.SLIDING else batch.cells
    if not batch.flash_attention:
        copied = 0 if batch.flash is Flash.OFF else HALF_BYTES * cells * batch.streams * layer.v_width
        return width * cells * layer.heads + queries + copied
    projected = width * layer.kv_heads * (layer.head_length_k + layer.head_length_v)
    return max(query + projected, queries + _scratch_bytes(layer, cells, batch))


def _encoder_peak(layer: Layer, architecture: Architecture, batch: Batch) -> int:
    """Without a cache K and V are activations; without flash attention the scores of all pairs stand beside them."""
    width = FLOAT_BYTES * batch.tokens
    query = width * layer.heads * layer.head_length_k
    if batch.flash_attention or not batch.cells:
        return query
    return width * batch.cells * layer.heads + 2 * query + width * architecture.embedding_length


def _scratch_bytes(layer: Layer, cells: int, batch: Batch) -> int:
    """K and V of one layer as half floats, when the cache holds another type."""
    k = layer.kv_heads * layer.head_length_k if batch.scratch_k else 0
    v = layer.kv_heads * layer.head_length_v if batch.scratch_v else 0
    return HALF_BYTES * cells * batch.streams * (k + v)


def _latent_peak(layer: Layer, architecture: Architecture, batch: Batch) -> int:
    width = FLOAT_BYTES * batch.tokens
    rank, row = architecture.latent_rank, layer.head_length_k
    head = architecture.key_head_length or architecture.value_head_length + architecture.rope_head_length
    extra = width * architecture.embedding_length if architecture.query_rank else 0
    joined = width * layer.heads * (head + rank + row) + 2 * width * row + extra
    if batch.flash_attention:
        scratch = HALF_BYTES * batch.cells * batch.streams * row if batch.scratch_k else 0
        free = width * layer.heads * (head + rank)  # the queries, once they are joined into rows
        result = width * layer.heads * rank + scratch
        return max(joined, free + width * layer.heads * row + result if result > free else 0)
    scores = width * batch.cells * layer.heads
    joined = width * layer.heads * (head + rank + row)
    copied = HALF_BYTES * rank * batch.cells * batch.streams  # V made contiguous; small ones fit where queries were
    return scores + joined + (copied if copied > width * layer.heads * (head + rank) else 0) + extra


def recurrent_peak(layer: Layer, batch: Batch) -> int:
    """The phase of a state-space, linear-attention or convolution mixer."""
    if not layer.state_elements:
        return 0
    widths = _RECURRENT_WIDTHS_DEVICE if batch.on_gpu else _RECURRENT_WIDTHS_HOST
    states = _RECURRENT_STATES * FLOAT_BYTES * layer.state_elements * batch.slots
    return round(widths * FLOAT_BYTES * batch.tokens * layer.inner_length) + states


def indexer_bytes(layer: Layer, batch: Batch) -> int:
    """Sparse attention scores every cell to select from: scores, their order and the mask that they become."""
    scored = layer.indexer_length_k + layer.compressed_length
    return round(_INDEXER_TABLES * FLOAT_BYTES * batch.tokens * batch.cells) if scored else 0


def layer_peak(layer: Layer, architecture: Architecture, batch: Batch, *, is_last: bool = False) -> int:
    """The widest phase of one block; branches that run side by side keep one more embedding alive.

    After the last attention only the rows that become output go on.
    """
    embedding = architecture.embedding_length
    feed_forward = feed_forward_peak(layer, embedding, batch.output_rows if is_last else batch.tokens)
    if layer.parallel:
        feed_forward += FLOAT_BYTES * batch.tokens * embedding
    attention = attention_peak(layer, architecture, batch)
    return max(feed_forward, attention + indexer_bytes(layer, batch), recurrent_peak(layer, batch))


def logit_bytes(architecture: Architecture, batch: Batch) -> int:
    """Logits of the rows that are kept; encoders have none."""
    return FLOAT_BYTES * architecture.vocabulary_rows * batch.output_rows if architecture.causal else 0


@dataclass(frozen=True, slots=True)
class Buffers:
    """Compute buffers by place: each device in order, and host memory."""

    devices: tuple[int, ...]
    host: int


@dataclass(frozen=True, slots=True)
class Phases:
    """Figures of one micro-batch that every split shares."""

    inputs: int
    embedding: int
    peak: int
    logits: int
    layout: "Layout"


@dataclass(frozen=True, slots=True)
class Layout:
    """How many embeddings of all tokens stay alive beside a phase, by where it is computed.

    ``device`` and ``host`` are a single device and the host beside it, ``cpu`` the CPU alone; ``first``, ``later``,
    ``output`` and ``pipeline_host`` the parts of a pipeline. ``repeats`` says how often a pipeline's first and later
    devices hold the widest phase. ``wide_queries`` adds what queries are wider than embeddings.
    """

    device: int
    host: int
    cpu: int
    first: int
    later: int
    output: int
    pipeline_host: int
    repeats: tuple[int, int] = (1, 1)
    wide_queries: bool = False


# Token, embedding and mixed inputs, the residual and its copy.
_DECODER = Layout(device=4, host=4, cpu=5, first=16, later=11, output=9, pipeline_host=10)
# Without attention nothing separates the inputs of a block from those of the next.
_RECURRENT = replace(_DECODER, repeats=(2, 3))
# Norms come after the residual, so that it needs no copy; positions and token types are added in host memory.
_ENCODER = replace(_DECODER, device=2, host=5)
# llama.cpp of June to about October 2026 (b10488, which Ollama embeds) has no mixed inputs.
_OLDER = Layout(device=3, host=2, cpu=4, first=7, later=11, output=9, pipeline_host=5, wide_queries=True)


def phases(
    architecture: Architecture, layers: tuple[Layer, ...], last: Layer, batch: Batch, *, older_graph: bool = False
) -> Phases:
    """The widest phase over ``layers`` (each kind before the last block) and ``last``, with what lives beside it."""
    embedding = FLOAT_BYTES * batch.tokens * architecture.embedding_length
    beside = embedding if last.parallel else 0
    layout = _layout(architecture, older_graph=older_graph)
    peaks = [layer_peak(layer, architecture, batch) for layer in layers]
    peak = max(*peaks, layer_peak(last, architecture, batch, is_last=True), 0)
    if layout.wide_queries:
        peak += max(0, FLOAT_BYTES * batch.tokens * last.heads * last.head_length_k - embedding)
    return Phases(
        inputs=mask_bytes(batch) + transposed_index_bytes(architecture, batch),
        embedding=embedding,
        peak=peak,
        logits=logit_bytes(architecture, batch) + beside,
        layout=layout,
    )


def _layout(architecture: Architecture, *, older_graph: bool) -> Layout:
    if older_graph:
        return _OLDER
    if not architecture.causal and not architecture.has_cache:
        return _ENCODER
    return _RECURRENT if architecture.is_recurrent else _DECODER


def host_only(phase: Phases) -> Buffers:
    """Everything on the CPU: one buffer, with one more embedding than a device keeps."""
    return Buffers((), phase.inputs + phase.layout.cpu * phase.embedding + max(phase.peak, phase.logits))


def one_device(phase: Phases, staged: int = 0, host_peak: int = 0) -> Buffers:
    """One device with the layers, or several that take turns.

    ``staged`` is the widest phase with weights copied from host memory, ``host_peak`` what the CPU computes itself.
    """
    device = phase.inputs + phase.layout.device * phase.embedding + max(phase.peak, phase.logits, staged)
    return Buffers((device,), phase.inputs + phase.layout.host * phase.embedding + host_peak)


def pipelined(phase: Phases, devices: int) -> Buffers:
    """Several devices that hold every layer and work on different micro-batches at once."""
    inputs = _PIPELINE_COPIES * phase.inputs
    at_first, at_later = phase.layout.repeats
    first = inputs + at_first * phase.peak + phase.layout.first * phase.embedding
    later = inputs + at_later * phase.peak + phase.layout.later * phase.embedding
    output = inputs + phase.logits + phase.layout.output * phase.embedding
    host = inputs + phase.layout.pipeline_host * phase.embedding
    return Buffers((first, *[later] * (devices - 2), max(later, output)), host)


def staged_peak(
    layer: Layer, architecture: Architecture, batch: Batch, serving: Serving, weights: tuple[int, int]
) -> int:
    """The widest phase when a block in host memory is computed on the device, which long batches are.

    ``weights`` are the largest tensor of a block and the largest expert stack that stay in host memory, 0 for none.
    Cache and weights are copied in beside the activations. In a hybrid of which only experts stay behind, states of
    neighbouring blocks split the room that the last copy left, so that two copies of a stack are laid out.
    """
    width = FLOAT_BYTES * batch.tokens
    embedding, hidden = width * architecture.embedding_length, width * layer.feed_forward_length
    dense, experts = weights
    peak = 0
    if dense:
        peak = max(4 * hidden, hidden + embedding + dense, _staged_attention(layer, embedding, batch, serving))
    if experts and layer.experts:
        used = width * layer.experts_used
        out = used * max(layer.expert_feed_forward_length, architecture.embedding_length)
        copies = 2 if architecture.is_hybrid and not dense else 1
        peak = max(peak, used * layer.expert_feed_forward_length + out + copies * experts)
    return peak


def _staged_attention(layer: Layer, embedding: int, batch: Batch, serving: Serving) -> int:
    if not (layer.k_width or layer.v_width):
        return 0
    query = FLOAT_BYTES * batch.tokens * layer.heads * layer.head_length_k
    cells = batch.sliding_cells if layer.attention is Attention.SLIDING else batch.cells
    return cells * batch.streams * cell_bytes(layer, serving) + query * (2 if query > embedding else 1)


def host_peak(
    layers: tuple[Layer, ...], architecture: Architecture, batch: Batch, serving: Serving, *, partial: bool
) -> int:
    """What the CPU computes although a device is there: states of its own blocks, attention without a kernel."""
    peak = 0
    if partial:
        peak = max(recurrent_peak(layer, batch) for layer in layers)
    if batch.flash is Flash.MISPLACED:
        peak = max(peak, *(attention_peak(layer, architecture, batch) for layer in layers))
    if batch.flash is Flash.ON_HOST:
        peak = max(peak, *(batch.cells * batch.streams * cell_bytes(layer, serving) for layer in layers))
    return peak
