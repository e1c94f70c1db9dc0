"""Compute buffers by place: how the phases of a micro-batch add up on one device, in a pipeline, on the CPU.

Source and checks: `stackplan.estimate.compute`, whose phases are counted here.
"""

from dataclasses import dataclass

from msgspec import Struct

from stackplan.architecture import SLIDING, Layer
from stackplan.estimate.compute import (
    FLOAT_BYTES,
    Batch,
    Graph,
    attention_peak,
    layer_peak,
    logit_bytes,
    mask_bytes,
    recurrent_peak,
    transposed_index_bytes,
)
from stackplan.estimate.kv_cache import FLASH_MISPLACED, FLASH_ON_HOST, cell_bytes
from stackplan.serving import Serving
from stackplan.values import replace

PIPELINE_COPIES = 4  # with pipelining every input exists so often


class Buffers(Struct, frozen=True):
    """Compute buffers by place: each device in order, and host memory."""

    devices: tuple[int, ...]
    host: int


class Phases(Struct, frozen=True):
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


def phases(graph: Graph, batch: Batch, *, older_graph: bool = False) -> Phases:
    """The widest phase over all blocks and what lives beside it."""
    last = graph.last
    embedding = FLOAT_BYTES * batch.tokens * graph.embedding_length
    beside = embedding if last.parallel else 0
    layout = _layout(graph, older_graph=older_graph)
    peaks = [layer_peak(layer, graph, batch) for layer in graph.before_last]
    peak = max(*peaks, layer_peak(last, graph, batch, is_last=True), 0)
    if layout.wide_queries:
        peak += max(0, FLOAT_BYTES * batch.tokens * last.heads * last.head_length_k - embedding)
    return Phases(
        inputs=mask_bytes(batch)
        + transposed_index_bytes(graph, batch)
        + FLOAT_BYTES * batch.tokens * graph.input_length,
        embedding=embedding,
        peak=peak,
        logits=logit_bytes(graph, batch) + beside,
        layout=layout,
    )


def _layout(graph: Graph, *, older_graph: bool) -> Layout:
    if older_graph:
        return _OLDER
    if not graph.causal and not graph.has_cache:
        return _ENCODER
    return _RECURRENT if graph.is_recurrent else _DECODER


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
    inputs = PIPELINE_COPIES * phase.inputs
    at_first, at_later = phase.layout.repeats
    first = inputs + at_first * phase.peak + phase.layout.first * phase.embedding
    later = inputs + at_later * phase.peak + phase.layout.later * phase.embedding
    output = inputs + phase.logits + phase.layout.output * phase.embedding
    host = inputs + phase.layout.pipeline_host * phase.embedding
    return Buffers((first, *[later] * (devices - 2), max(later, output)), host)


def staged_peak(layer: Layer, graph: Graph, batch: Batch, serving: Serving, weights: tuple[int, int]) -> int:
    """The widest phase when a block in host memory is computed on the device, which long batches are.

    ``weights`` are the largest tensor of a block and the largest expert stack that stay in host memory, 0 for none.
    Cache and weights are copied in beside the activations. In a hybrid with linear attention of which only experts
    stay behind, what the mixer keeps splits the room that the last copy left, so that two copies are laid out.
    """
    width = FLOAT_BYTES * batch.tokens
    embedding, hidden = width * graph.embedding_length, width * layer.feed_forward_length
    dense, experts = weights
    peak = 0
    if dense:
        peak = max(4 * hidden, hidden + embedding + dense, _staged_attention(layer, graph, batch, serving))
    if experts and layer.experts:
        used = width * layer.experts_used
        out = used * max(layer.expert_feed_forward_length, graph.embedding_length)
        copies = 2 if graph.is_linear and graph.is_hybrid and not dense else 1
        peak = max(peak, used * layer.expert_feed_forward_length + out + copies * experts)
    return peak


def _staged_attention(layer: Layer, graph: Graph, batch: Batch, serving: Serving) -> int:
    if not (layer.k_width or layer.v_width):
        return 0
    cells = batch.sliding_cells if layer.attention is SLIDING else batch.cells
    return cells * batch.streams * cell_bytes(layer, serving) + attention_peak(layer, graph, batch)


def host_peak(graph: Graph, batch: Batch, serving: Serving, *, partial: bool) -> int:
    """What the CPU computes although a device is there: states of its own blocks, attention without a kernel."""
    peak = 0
    if partial:
        peak = max(recurrent_peak(layer, batch) for layer in graph.kinds)
    if batch.flash is FLASH_MISPLACED:
        peak = max(peak, *(attention_peak(layer, graph, batch) for layer in graph.kinds))
    if batch.flash is FLASH_ON_HOST:
        peak = max(peak, *(batch.cells * batch.streams * cell_bytes(layer, serving) for layer in graph.kinds))
    return peak
