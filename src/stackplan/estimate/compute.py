"""Compute buffers of llama.cpp: what the graph allocator reserves for the worst prompt micro-batch.

The engine lays out the tensors of one micro-batch of n tokens, reusing memory as soon as it may. The peak is the
widest instant: inputs and masks that live throughout, plus the widest of the attention, feed-forward, recurrent and
output phases. Each phase below counts the tensors alive in it, read from the graphs of llama.cpp b11434
(``llama-graph.cpp``, ``models/*.cpp``, ``ggml-alloc.c``; November 2026) and checked against tests/truth.

Symbols: E, F, Q are float32 activations of n tokens: embedding, feed-forward and query width.
"""

from dataclasses import dataclass

from msgspec import Struct

from stackplan.architecture import LATENT, NONE, RECURRENT, SLIDING, Architecture, Attention, Layer
from stackplan.estimate.kv_cache import FLASH_OFF, FLASH_ON, FLASH_ON_HOST, CacheShape, Flash
from stackplan.serving import Serving

FLOAT_BYTES = 4
HALF_BYTES = 2
INDEX_BYTES = 8
# Tables of tokens x cells that an indexer holds at once.
_INDEXER_TABLES = 4.5
# A recurrent layer holds its input projection, gate, convolution and output, and the states before and after.
_RECURRENT_WIDTHS_HOST, _RECURRENT_WIDTHS_DEVICE, _RECURRENT_STATES = 5.0, 4.2, 2


@dataclass(frozen=True, slots=True)
class Graph:
    """What of a model its buffers depend on: facts of all layers, and one layer of each kind.

    ``before_last`` are the kinds before the last block, ``last`` is that block. ``index_width`` counts the places of
    a transposed V, once per kind of cache.
    """

    kinds: tuple[Layer, ...]
    before_last: tuple[Layer, ...]
    last: Layer
    embedding_length: int
    vocabulary_rows: int
    causal: bool
    has_cache: bool
    slides: bool
    is_hybrid: bool
    is_recurrent: bool
    index_width: int
    is_linear: bool  # linear attention: a recurrent layer convolves keys and queries beside values
    input_length: int  # elements per token that live throughout, beside embeddings
    latent_rank: int
    query_rank: int
    latent_head_length: int


def graph_of(architecture: Architecture) -> Graph:
    """The facts of one model; prediction blocks have a graph of their own."""
    trunk = [layer for layer in architecture.layers if not layer.prediction] or list(architecture.layers)
    widths: dict[Attention, int] = {}
    for layer in trunk:
        widths[layer.attention] = max(widths.get(layer.attention, 0), layer.v_width)
    head = architecture.key_head_length or architecture.value_head_length + architecture.rope_head_length
    return Graph(
        kinds=tuple(dict.fromkeys(trunk)),
        before_last=tuple(dict.fromkeys(trunk[:-1])),
        last=trunk[-1],
        embedding_length=architecture.embedding_length,
        vocabulary_rows=architecture.vocabulary_rows,
        causal=architecture.causal,
        has_cache=architecture.has_cache,
        slides=SLIDING in widths,
        is_hybrid=architecture.is_hybrid,
        is_recurrent=architecture.is_recurrent,
        index_width=sum(widths.values()),
        is_linear=any(4 * layer.convolution_elements >= 7 * 3 * layer.inner_length > 0 for layer in trunk),
        input_length=architecture.per_layer_input_length,
        latent_rank=architecture.latent_rank,
        query_rank=architecture.query_rank,
        latent_head_length=head,
    )


class Batch(Struct, frozen=True):
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
    flash_attention: bool  # whether no table of scores exists
    on_gpu: bool
    scratch_k: bool
    scratch_v: bool


def worst_batch(graph: Graph, serving: Serving, shape: CacheShape, *, flash: Flash, on_gpu: bool) -> Batch:
    """The micro-batch that the engine reserves for; an encoder's tokens see each other instead of a cache."""
    batch_tokens = min(serving.batch_tokens, shape.context_tokens) if graph.causal else serving.batch_tokens
    tokens = min(serving.micro_batch_tokens, batch_tokens, shape.context_tokens)
    tokens = -(-tokens // serving.slots) * serving.slots
    rows = serving.slots * (1 + serving.draft_tokens) if serving.output_rows == "slots" else batch_tokens
    cached = graph.has_cache
    attends = cached or not graph.causal
    converts = on_gpu and flash is not FLASH_ON_HOST
    return Batch(
        tokens=tokens,
        output_rows=min(tokens, rows),
        cells=(shape.cells if cached else tokens) if attends else 0,
        sliding_cells=(shape.sliding_cells if cached else tokens) if attends and graph.slides else 0,
        streams=shape.streams,
        slots=serving.slots,
        flash=flash,
        flash_attention=flash is FLASH_ON or flash is FLASH_ON_HOST,
        on_gpu=on_gpu,
        scratch_k=converts and serving.kv_type_k != "f16",
        scratch_v=converts and serving.kv_type_v != "f16",
    )


def mask_bytes(batch: Batch) -> int:
    """Attention masks: half floats with flash attention, else floats; one per kind of cache."""
    return (HALF_BYTES if batch.flash_attention else FLOAT_BYTES) * batch.tokens * (batch.cells + batch.sliding_cells)


def transposed_index_bytes(graph: Graph, batch: Batch) -> int:
    """Where each value of V goes in a transposed cache, once per kind of cache; flash attention needs none."""
    return INDEX_BYTES * batch.tokens * graph.index_width if batch.flash is FLASH_OFF else 0


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


def attention_peak(layer: Layer, graph: Graph, batch: Batch) -> int:
    """The attention phase beyond the persistent tensors."""
    if not layer.heads or layer.attention is RECURRENT:
        return 0
    width = FLOAT_BYTES * batch.tokens
    if layer.attention is NONE:
        return 0 if graph.causal else _encoder_peak(layer, graph, batch)
    if layer.attention is LATENT:
        return _latent_peak(layer, graph, batch)
    query, embedding = width * layer.heads * layer.head_length_k, width * graph.embedding_length
    queries = query * (2 if query > embedding else 1)
    cells = batch.sliding_cells if layer.attention is SLIDING else batch.cells
    if not batch.flash_attention:
        copied = 0 if batch.flash is FLASH_OFF else HALF_BYTES * cells * batch.streams * layer.v_width
        return width * cells * layer.heads + queries + copied
    projected = width * layer.kv_heads * (layer.head_length_k + layer.head_length_v)
    return max(query + projected, queries + _scratch_bytes(layer, cells, batch))


def _encoder_peak(layer: Layer, graph: Graph, batch: Batch) -> int:
    """Without a cache K and V are activations; without flash attention the scores of all pairs stand beside them."""
    width = FLOAT_BYTES * batch.tokens
    query = width * layer.heads * layer.head_length_k
    if batch.flash_attention or not batch.cells:
        return query
    return width * batch.cells * layer.heads + 2 * query + width * graph.embedding_length


def _scratch_bytes(layer: Layer, cells: int, batch: Batch) -> int:
    """K and V of one layer as half floats, when the cache holds another type."""
    k = layer.kv_heads * layer.head_length_k if batch.scratch_k else 0
    v = layer.kv_heads * layer.head_length_v if batch.scratch_v else 0
    return HALF_BYTES * cells * batch.streams * (k + v)


def _latent_peak(layer: Layer, graph: Graph, batch: Batch) -> int:
    width = FLOAT_BYTES * batch.tokens
    rank, row = graph.latent_rank, layer.head_length_k
    head = graph.latent_head_length
    extra = width * graph.embedding_length if graph.query_rank else 0
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


def layer_peak(layer: Layer, graph: Graph, batch: Batch, *, is_last: bool = False) -> int:
    """The widest phase of one block; branches that run side by side keep one more embedding alive.

    After the last attention only the rows that become output go on.
    """
    embedding = graph.embedding_length
    feed_forward = feed_forward_peak(layer, embedding, batch.output_rows if is_last else batch.tokens)
    if layer.parallel:
        feed_forward += FLOAT_BYTES * batch.tokens * embedding
    attention = attention_peak(layer, graph, batch)
    return max(feed_forward, attention + indexer_bytes(layer, batch), recurrent_peak(layer, batch))


def logit_bytes(graph: Graph, batch: Batch) -> int:
    """Logits of the rows that are kept; encoders have none."""
    return FLOAT_BYTES * graph.vocabulary_rows * batch.output_rows if graph.causal else 0
