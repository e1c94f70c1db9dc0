"""KV cache and recurrent state of llama.cpp, exact to the byte.

Sources: llama.cpp b11434 (November 2026), ``llama-kv-cache.cpp``, ``llama-kv-cache-iswa.cpp``,
``llama-memory-recurrent.cpp``, ``llama-context.cpp``; checked against every row of tests/truth.
"""

from collections.abc import Iterable, Sequence
from enum import Enum

from msgspec import Struct

from stackplan.architecture import FULL, LATENT, NONE, RECURRENT, SLIDING, Architecture, Layer
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
# The GGUF architecture whose scores are capped in a way that no kernel knows: llama-context.cpp forces it off.
_NO_FLASH_ATTENTION = frozenset({"grok"})
_CUDA_FLASH_TYPES = frozenset({"f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"})


class Flash(Enum):
    """How attention is computed, once the engine has looked at the devices."""

    ON = "on"
    OFF = "off"  # asked for; V is stored transposed
    REFUSED = "refused"  # "auto" without kernels: off, but V lies as flash attention wants it and is copied
    MISPLACED = "misplaced"  # the same, and a block of the CPU is why: it computes its own scores
    ON_HOST = "on host"  # without kernels but insisted on: the CPU computes it and copies the cache


FLASH_ON, FLASH_OFF, FLASH_REFUSED = Flash.ON, Flash.OFF, Flash.REFUSED
FLASH_MISPLACED, FLASH_ON_HOST = Flash.MISPLACED, Flash.ON_HOST


class CacheShape(Struct, frozen=True):
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


def cache_shape(sliding_window: int, serving: Serving, *, never_unified: bool = False) -> CacheShape:
    """Streams and cells for ``serving``; ``sliding_window`` is 0 for a model without one.

    Without a unified cache the context is divided among the slots and each part is padded. A sliding cache holds
    its window for every sequence of a stream and the micro-batch that is being written. A model that is
    ``never_unified`` gives each slot the whole context when a unified cache is asked for.
    """
    total = padded_cells(serving.context_tokens)
    unified = serving.kv_unified and not never_unified
    streams = 1 if unified else serving.slots
    cells = total if serving.kv_unified else padded_cells(total // streams)
    micro_batch = min(serving.micro_batch_tokens, serving.batch_tokens, total)
    window = sliding_window * (serving.slots if unified else 1)
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
    """Recurrent state of one layer: float32, per slot, whatever the context; once more per token to roll back."""
    return FLOAT_BYTES * layer.state_elements * serving.slots * (1 + serving.rollback_tokens)


def layer_cache_bytes(layer: Layer, shape: CacheShape, serving: Serving, padded_v_width: int = 0) -> int:
    """KV bytes of one layer over all streams."""
    cells = shape.sliding_cells if layer.attention is SLIDING else shape.cells
    kept = cells * cell_bytes(layer, serving, padded_v_width)
    if layer.compression_ratio:
        compressed = padded_cells(-(-shape.cells // layer.compression_ratio))
        kept += compressed * row_bytes(serving.kv_type_k, layer.compressed_length)
    return shape.streams * kept


def widest_v(layers: Iterable[Layer]) -> int:
    """The V width to which a transposed cache pads every layer."""
    return max((layer.kv_heads * layer.head_length_v for layer in layers), default=0)


def flash_attention(
    architecture: Architecture, kinds: Sequence[Layer], serving: Serving, *, gpu_start: int | None
) -> Flash:
    """What the engine makes of the request; ``gpu_start`` is the first block on a GPU, None without one.

    ``kinds`` are the model's distinct layers.

    "auto" turns off when a layer's device has no kernel, but the cache is laid out by then; a quantised V keeps it on.
    """
    if serving.flash_attention == "off" or architecture.name in _NO_FLASH_ATTENTION:
        return FLASH_OFF
    is_cpu = gpu_start is None or gpu_start >= len(architecture.layers)
    supported = is_cpu or _has_cuda_kernels(architecture, kinds, serving)
    if serving.flash_attention == "on" or serving.kv_type_v in QUANTISED:
        return FLASH_ON if supported else FLASH_ON_HOST
    if _breaks_at(architecture, gpu_start):
        return FLASH_MISPLACED
    return FLASH_ON if supported else FLASH_REFUSED


def _breaks_at(architecture: Architecture, gpu_start: int | None) -> bool:
    """Whether the border between CPU and GPU misplaces the attention before it.

    A short convolution has no weights on its device before its state is read, so the scheduler draws the last CPU
    attention over to the GPU; the engine takes that for missing support.
    """
    if not gpu_start or gpu_start >= len(architecture.layers):
        return False
    last, first = architecture.layers[gpu_start - 1], architecture.layers[gpu_start]
    is_short = first.state_elements > 0 and first.state_elements == first.convolution_elements
    return is_short and last.attention is FULL


def _has_cuda_kernels(architecture: Architecture, kinds: Sequence[Layer], serving: Serving) -> bool:
    types = {serving.kv_type_k, serving.kv_type_v}
    return types <= _CUDA_FLASH_TYPES and all(_has_cuda_kernel(layer, architecture) for layer in kinds)


def _has_cuda_kernel(layer: Layer, architecture: Architecture) -> bool:
    without = layer.attention is RECURRENT or (layer.attention is NONE and architecture.causal)
    if without or not layer.heads or not layer.kv_heads:
        return True
    head_k, head_v = layer.head_length_k, layer.head_length_v
    if layer.attention is LATENT:
        head_v = architecture.latent_rank  # V is read out of the latent row
    if head_k == head_v and head_k in _CUDA_EQUAL_HEADS:
        return True
    needed = _CUDA_WIDE_HEADS.get((head_k, head_v))
    ratio = layer.heads // layer.kv_heads
    return needed is not None and ratio >= 2 and ratio % needed == 0


def cache_obstacle(architecture: Architecture, kinds: Sequence[Layer], serving: Serving) -> Unestimable | None:
    """Why the engine would not create this context; None when it would. ``kinds`` are the distinct layers."""
    for kv_type in (serving.kv_type_k, serving.kv_type_v):
        if kv_type not in _ROWS:
            return Unestimable("kv-type-unknown", f"{kv_type} is no type of a KV cache; choose {', '.join(KV_TYPES)}")
    if serving.kv_type_v in QUANTISED and architecture.has_cache:
        if serving.flash_attention == "off":
            return Unestimable("quantised-v-needs-flash-attention", f"V as {serving.kv_type_v} needs it on")
        if architecture.name in _NO_FLASH_ATTENTION:
            detail = f"{architecture.name} cannot use it, so that V as {serving.kv_type_v} is refused"
            return Unestimable("quantised-v-needs-flash-attention", detail)
    return _block_obstacle(kinds, serving)


def _block_obstacle(kinds: Sequence[Layer], serving: Serving) -> Unestimable | None:
    block_k, block_v = _ROWS[serving.kv_type_k][0], _ROWS[serving.kv_type_v][0]
    if block_k == block_v == 1:
        return None
    for layer in kinds:
        for block, width in ((block_k, layer.head_length_k), (block_v, layer.head_length_v)):
            if layer.k_width and width % block:
                detail = f"a head of {width} values is not a whole number of blocks of {block}"
                return Unestimable("kv-type-does-not-divide", detail)
    return None
