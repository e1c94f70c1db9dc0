"""What proposing tokens takes in llama.cpp: the context of a prediction head, and how drafts are served.

Measured with llama-server b11434 (November 2026) on shapes of glm4moe, qwen3next and qwen35 with a prediction
block, and of Llama 3.2 3B with 1B: docs/estimate.md has the figures.
"""

from dataclasses import dataclass
from typing import Final

from stackplan.architecture import Architecture, Attention, Layer
from stackplan.estimate import buffers, compute
from stackplan.estimate.kv_cache import Flash, cache_shape
from stackplan.serving import HOST, Demand, Serving
from stackplan.values import replace

FLOAT_BYTES: Final = 4
_PREDICTING = """
bailingmoe3 cohere2moe deepseek2 deepseek32 deepseek4 glm-dsa glm4moe hy_v3 mimo2 nemotron_h_moe qwen35 qwen35moe
qwen3next qwen4exp step35
"""
_ROLLING_BACK = """
bailingmoe3 deepseek4 glm5-next kimi-k3 lfm2 lfm2moe nemotron_h nemotron_h_moe qwen35 qwen35moe qwen4exp
"""
# GGUF architectures with a graph for their prediction blocks (b11434, src/models/*.cpp: graph_mtp).
PREDICTING: Final = frozenset(_PREDICTING.split())
# Those whose recurrent state is kept once per proposed token, so that refused ones are undone in place (b11434,
# llama-memory-recurrent); others copy the state to host memory instead.
ROLLING_BACK: Final = frozenset(_ROLLING_BACK.split())


def drafting(serving: Serving) -> Serving:
    """How the proposing context is served: as long as the target's and with as many slots, its cache in half floats.

    llama-server has types of their own for a draft's cache (``--spec-draft-type-k``), f16 unless told otherwise.
    """
    return Serving(
        serving.context_tokens,
        serving.slots,
        serving.kv_unified,
        micro_batch_tokens=serving.micro_batch_tokens,
        batch_tokens=serving.batch_tokens,
        flash_attention=serving.flash_attention,
    )


def can_predict(architecture: Architecture) -> bool:
    """Whether llama.cpp runs the prediction blocks of such a model."""
    return architecture.name in PREDICTING


def rollback_tokens(architecture: Architecture, draft_tokens: int, *, by_head: bool) -> int:
    """How many more recurrent states the model keeps per slot; only prediction heads make it do so."""
    return draft_tokens if by_head and architecture.name in ROLLING_BACK else 0


def forgets_cheaply(architecture: Architecture, *, by_head: bool) -> bool:
    """Whether refused proposals cost no more than their verification.

    A cache is cut; a recurrent state has to be what it was. Without a state per proposal llama.cpp restores a copy
    every round, which makes speculation a loss (pull requests 28118 and 28120, 2026-08: 32 tokens per second without
    a draft, 6 with one).
    """
    recurrent = any(layer.state_elements for layer in architecture.layers)
    return not recurrent or (by_head and architecture.name in ROLLING_BACK)


# Shapes with their prediction block, by the identity of the plain one, which each entry keeps alive.
_predicting: dict[int, tuple[Architecture, Architecture]] = {}
_REMEMBERED = 4096


def predicting(architecture: Architecture) -> Architecture:
    """The shape with its prediction block: the one it has, else one like the last block that has a cache.

    Files of one model come with and without it, while a catalog's shape has what all share. Published models have
    one block, of the attention and the feed-forward of the model's own (GLM 4.5, Qwen3-Next, DeepSeek V3).
    """
    known = _predicting.get(id(architecture))
    if known is None:
        if any(layer.prediction for layer in architecture.layers):
            return architecture
        if len(_predicting) >= _REMEMBERED:
            _predicting.clear()
        like = next((layer for layer in reversed(architecture.layers) if layer.k_width), architecture.layers[-1])
        grown = replace(
            architecture,
            layers=(*architecture.layers, replace(like, prediction=True)),
            block_count=architecture.block_count + 1,
        )
        known = _predicting[id(architecture)] = (architecture, grown)
    return known[1]


@dataclass(frozen=True, slots=True)
class _Head:
    """The prediction blocks of a model as a model of their own."""

    of: Architecture
    blocks: tuple[Layer, ...]
    graph: compute.Graph
    window: int


_heads: dict[int, _Head] = {}  # by the identity of the whole shape, which each entry keeps alive


def _head(architecture: Architecture) -> _Head | None:
    known = _heads.get(id(architecture))
    if known is None:
        blocks = tuple(replace(layer, prediction=False) for layer in architecture.layers if layer.prediction)
        if not blocks:
            return None
        if len(_heads) >= _REMEMBERED:
            _heads.clear()
        graph = compute.graph_of(replace(architecture, layers=blocks, block_count=len(blocks)))
        known = _heads[id(architecture)] = _Head(architecture, blocks, graph, _window(blocks, architecture))
    return known


def prediction_demands(architecture: Architecture, serving: Serving, place: str, *, pipelined: bool) -> list[Demand]:
    """Buffers and logits of the context that runs the prediction blocks; its cache is counted with the model's.

    What is given exceeds what was measured by up to three embeddings of a micro-batch (12 MiB of 52) on one device,
    and is not below it.
    """
    head = _head(architecture)
    if head is None:
        return []
    asked, graph = drafting(serving), head.graph
    on_gpu = place != HOST
    shape = cache_shape(head.window, asked)
    flash = Flash.OFF if serving.flash_attention == "off" else Flash.ON
    batch = compute.worst_batch(graph, asked, shape, flash=flash, on_gpu=on_gpu)
    phase = replace(buffers.phases(graph, batch), peak=max(_peak(layer, graph, batch) for layer in head.blocks))
    logits = FLOAT_BYTES * architecture.vocabulary_rows * serving.slots
    if not on_gpu:
        return [Demand(HOST, compute_bytes=buffers.host_only(phase).host, output_bytes=logits)]
    if pipelined:
        found = buffers.pipelined(phase, 2)
        device = found.devices[-1]
    else:
        found = buffers.one_device(phase)
        device = found.devices[0] + phase.embedding  # the model's last hidden states come in beside the tokens
    return [Demand(HOST, compute_bytes=found.host, output_bytes=logits), Demand(place, compute_bytes=device)]


def _peak(layer: Layer, graph: compute.Graph, batch: compute.Batch) -> int:
    """The widest phase of a prediction block: unlike a model's last block it computes every token to its end."""
    width = FLOAT_BYTES * batch.tokens
    dense = width * max(layer.feed_forward_length if not layer.experts else 0, layer.shared_feed_forward_length)
    experts = width * layer.experts_used * layer.expert_feed_forward_length
    return max(3 * dense, 3 * experts, compute.attention_peak(layer, graph, batch))


def _window(blocks: tuple[Layer, ...], architecture: Architecture) -> int:
    sliding = any(layer.attention is Attention.SLIDING for layer in blocks)
    return architecture.sliding_window if sliding else 0
