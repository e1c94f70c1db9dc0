"""KV cache and recurrent state of llama.cpp, exact to the byte.

Sources: llama.cpp b11434 (November 2026), ``llama-kv-cache.cpp``, ``llama-kv-cache-iswa.cpp``,
``llama-memory-recurrent.cpp``, ``llama-context.cpp``; checked against every row of tests/truth.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from stackplan.architecture import Architecture, Attention, Layer
from stackplan.gguf.types import TYPE_BY_NAME
from stackplan.serving import KV_TYPES, Serving, Unestimable

CELL_PADDING = 256  # a cache holds a multiple of so many cells
FLOAT_BYTES = 4
_ROWS = {name: (TYPE_BY_NAME[name].block_elements, TYPE_BY_NAME[name].block_bytes) for name in KV_TYPES}
QUANTISED = frozenset(name for name, (block, _) in _ROWS.items() if block > 1)

# Head sizes (K, V) for which ggml-cuda has flash attention kernels on Turing and newer, with the number of query heads
# per KV head that the wide ones need (0: any): ggml-cuda/fattn.cu, b11434.
_CUDA_EQUAL_HEADS = frozenset({40, 64, 72, 80, 96, 112, 128, 256})
_CUDA_WIDE_HEADS = {(192, 128): 8, (320, 256): 32, (512, 512): 2, (576, 512): 2}
_CUDA_FLASH_TYPES = frozenset({"f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"})


@dataclass(frozen=True, slots=True)
class CacheShape:
    """How many cells a cache gets: ``streams`` separate sequences of ``cells``; ``sliding_cells`` in sliding layers."""

    streams: int
    cells: int
    sliding_cells: int

    @property
    def context_tokens(self) -> int:
        """The whole context as the engine rounds it."""
        return self.streams * self.cells


def padded_cells(tokens: int) -> int:
    """``tokens`` rounded up to what a cache can hold."""
    return -(-tokens // CELL_PADDING) * CELL_PADDING


def cache_shape(sliding_window: int, serving: Serving) -> CacheShape:
    """Streams and cells for ``serving``; ``sliding_window`` is 0 for a model without one.

    Without a unified cache the context is divided among the slots and each part is padded. A sliding cache holds
    its window for every sequence of a stream and the micro-batch that is being written.
    """
    total = padded_cells(serving.context_tokens)
    streams = 1 if serving.kv_unified else serving.slots
    cells = padded_cells(total // streams)
    micro_batch = min(serving.micro_batch_tokens, serving.batch_tokens, total)
    window = sliding_window * (serving.slots if serving.kv_unified else 1)
    sliding = cells if serving.swa_full else padded_cells(min(cells, window + micro_batch))
    return CacheShape(streams, cells, sliding)


def row_bytes(kv_type: str, elements: int) -> int:
    """Bytes of one cached row."""
    block, block_bytes = _ROWS[kv_type]
    return elements // block * block_bytes


def cell_bytes(layer: Layer, serving: Serving, padded_v_width: int = 0) -> int:
    """Bytes of one cell of one layer.

    Without flash attention V is stored transposed and every layer gets the widest row: ``padded_v_width``.
    """
    v_width = max(layer.v_width, padded_v_width) if layer.v_width else 0
    return row_bytes(serving.kv_type_k, layer.k_width) + row_bytes(serving.kv_type_v, v_width)


def state_bytes(layer: Layer, serving: Serving) -> int:
    """Recurrent state of one layer: float32, per slot, whatever the context; drafts keep one more per token."""
    return FLOAT_BYTES * layer.state_elements * serving.slots * (1 + serving.draft_tokens)


def layer_cache_bytes(layer: Layer, shape: CacheShape, serving: Serving, padded_v_width: int = 0) -> int:
    """KV bytes of one layer over all streams."""
    cells = shape.sliding_cells if layer.attention is Attention.SLIDING else shape.cells
    return shape.streams * cells * cell_bytes(layer, serving, padded_v_width)


def widest_v(layers: Iterable[Layer]) -> int:
    """The V width to which a transposed cache pads every layer."""
    return max((layer.kv_heads * layer.head_length_v for layer in layers), default=0)


def flash_attention_on(architecture: Architecture, serving: Serving, *, on_gpu: bool) -> bool:
    """What "auto" becomes: on where the layers' device has kernels, and always for a quantised V."""
    if serving.flash_attention != "auto":
        return serving.flash_attention == "on"
    if serving.kv_type_v in QUANTISED or not on_gpu:
        return True
    types = {serving.kv_type_k, serving.kv_type_v}
    return types <= _CUDA_FLASH_TYPES and all(_has_cuda_kernel(layer, architecture) for layer in architecture.layers)


def _has_cuda_kernel(layer: Layer, architecture: Architecture) -> bool:
    if layer.attention in {Attention.RECURRENT, Attention.NONE} or not layer.heads or not layer.kv_heads:
        return True
    head_k, head_v = layer.head_length_k, layer.head_length_v
    if layer.attention is Attention.LATENT:
        head_v = architecture.latent_rank  # V is read out of the latent row
    if head_k == head_v and head_k in _CUDA_EQUAL_HEADS:
        return True
    needed = _CUDA_WIDE_HEADS.get((head_k, head_v))
    ratio = layer.heads // layer.kv_heads
    return needed is not None and ratio >= 2 and ratio % needed == 0


def cache_obstacle(architecture: Architecture, serving: Serving, *, flash_attention: bool) -> Unestimable | None:
    """Why the engine would not create this context; None when it would."""
    for kv_type in (serving.kv_type_k, serving.kv_type_v):
        if kv_type not in _ROWS:
            return Unestimable("kv-type-unknown", f"{kv_type} is no type of a KV cache; choose {', '.join(KV_TYPES)}")
    if serving.kv_type_v in QUANTISED and architecture.has_cache and not flash_attention:
        return Unestimable("quantised-v-needs-flash-attention", f"V as {serving.kv_type_v} needs flash attention on")
    return _block_obstacle(architecture, serving)


def _block_obstacle(architecture: Architecture, serving: Serving) -> Unestimable | None:
    for layer in architecture.layers:
        for kv_type, width in ((serving.kv_type_k, layer.head_length_k), (serving.kv_type_v, layer.head_length_v)):
            block = _ROWS[kv_type][0]
            if layer.k_width and width % block:
                detail = f"a head of {width} values is not a whole number of {kv_type} blocks of {block}"
                return Unestimable("kv-type-does-not-divide", detail)
    return None
