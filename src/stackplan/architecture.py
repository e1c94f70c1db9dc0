"""The shape of a model: what decides its memory and its speed, and nothing else.

An `Architecture` comes from a GGUF header, from a ``config.json`` or from a catalog record; whoever reads it
afterwards cannot tell which. It is plain numbers per layer, so that no model or family needs a special case.

Symbols of the literature, as named here: L ``block_count``, e ``embedding_length``, V ``vocabulary_rows``,
H ``heads``, K ``kv_heads``, hd ``head_length_k``/``head_length_v``, N ``experts``, U ``experts_used``.
"""

from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct


class Attention(StrEnum):
    """What a layer keeps per token or per sequence."""

    FULL = "full"  # K and V of every token of the context
    SLIDING = "sliding"  # K and V of the last `sliding_window` tokens
    LATENT = "latent"  # one compressed K row per token, no V (multi-head latent attention)
    RECURRENT = "recurrent"  # a state of fixed size per sequence (Mamba, linear attention, short convolution)
    NONE = "none"  # nothing: encoders without a cache, layers without a mixer


# Before Python 3.12 looking a member up in its class costs more than the rest of an estimate's step.
FULL, SLIDING, LATENT = Attention.FULL, Attention.SLIDING, Attention.LATENT
RECURRENT, NONE = Attention.RECURRENT, Attention.NONE


class Layer(Struct, frozen=True):
    """One transformer block.

    ``kv_heads``, ``head_length_k`` and ``head_length_v`` give the width of a cached row (for latent attention one
    head of ``head_length_k`` = rank + rotary part, and 0 for V). ``shares_kv`` says that the layer reads the cache of
    an earlier one and owns none. ``state_elements`` counts float32 values per sequence (convolution + state).
    ``prediction`` marks a multi-token-prediction block, which is skipped unless it drafts.
    ``indexer_length_k``/``_v`` are what sparse attention caches per token to select from, in a row of its own beside
    K and V. ``compressed_length`` elements of K are cached over the full context once per ``compression_ratio``
    tokens, beside the layer's own cache. ``gated`` says that the feed-forward has a gate beside the up projection,
    ``parallel`` that attention and feed-forward read one input (no norm between them), ``inner_length`` is the inner
    width of a recurrent mixer (Mamba's d_inner, the value width of linear attention). Widths are 0 where the layer
    has no such part.
    """

    attention: Attention
    heads: int = 0
    kv_heads: int = 0
    head_length_k: int = 0
    head_length_v: int = 0
    shares_kv: bool = False
    state_elements: int = 0
    convolution_elements: int = 0
    feed_forward_length: int = 0
    experts: int = 0
    experts_used: int = 0
    expert_feed_forward_length: int = 0
    shared_feed_forward_length: int = 0
    prediction: bool = False
    indexer_length_k: int = 0
    indexer_length_v: int = 0
    compression_ratio: int = 0
    compressed_length: int = 0
    gated: bool = True
    parallel: bool = False
    inner_length: int = 0

    @property
    def k_width(self) -> int:
        """Elements cached per token with the type of K, an indexer's row included."""
        return 0 if self._owns_no_cache else self.kv_heads * self.head_length_k + self.indexer_length_k

    @property
    def v_width(self) -> int:
        """Elements cached per token with the type of V, an indexer's row included."""
        return 0 if self._owns_no_cache else self.kv_heads * self.head_length_v + self.indexer_length_v

    @property
    def _owns_no_cache(self) -> bool:
        kind = self.attention  # compared one by one: hashing an enum costs more than the rest of an estimate's step
        return self.shares_kv or kind is NONE or kind is RECURRENT


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file: GGML order of dimensions, ``shape[0]`` is the row that is contracted."""

    name: str
    shape: tuple[int, ...]
    type: str  # ggml type in lower case: "f16", "q4_k", "iq4_xs" ...

    @property
    def elements(self) -> int:
        """Number of values."""
        product = 1
        for dimension in self.shape:
            product *= dimension
        return product


class Architecture(Struct, frozen=True):
    """A model's shape.

    ``name`` is the GGUF architecture ("qwen3moe"). ``layers`` has one entry per block, in order.
    ``tied_embeddings`` says that the output head reuses the token embedding. ``causal`` is False for encoders.
    ``rope_dimensions`` and the latent ranks matter only to compute buffers. ``exact`` is False when a part was
    guessed because the architecture is not one that stackplan knows; estimates then carry basis "assumed".
    """

    name: str
    block_count: int
    embedding_length: int
    vocabulary_rows: int
    layers: tuple[Layer, ...]
    context_tokens: int
    sliding_window: int = 0
    tied_embeddings: bool = False
    causal: bool = True
    latent_rank: int = 0  # kv_lora_rank
    query_rank: int = 0  # q_lora_rank
    rope_head_length: int = 0  # rotary part of a latent head
    value_head_length: int = 0  # v_head_dim of a latent head, after decompression
    leading_dense_blocks: int = 0
    exact: bool = True
    per_layer_input_length: int = 0  # what each token brings to all blocks beside its embedding, all blocks together
    key_head_length: int = 0  # query and key length of a latent head, both parts, before compression
    never_unified: bool = False  # each sequence has a cache of the whole context even when a unified one is asked for

    @property
    def experts(self) -> int:
        """Experts of the largest expert layer, 0 for a dense model."""
        return max((layer.experts for layer in self.layers), default=0)

    @property
    def is_recurrent(self) -> bool:
        """Whether every mixing layer keeps a state of fixed size."""
        kinds = {layer.attention for layer in self.layers} - {NONE}
        return kinds == {RECURRENT}

    @property
    def is_hybrid(self) -> bool:
        """Whether serving needs both a cache and recurrent state, in turns or side by side in one layer."""
        return self.has_cache and any(layer.state_elements for layer in self.layers)

    @property
    def has_cache(self) -> bool:
        """Whether serving needs a KV cache that grows with the context."""
        return any(layer.k_width or layer.v_width for layer in self.layers)


class WeightTable(Struct, frozen=True):
    """Bytes of one file's tensors by where engines put them: everything placement needs, and no tensor list.

    ``layer_bytes[i]`` are the bytes of block i without its routed experts, ``expert_bytes[i]`` those experts.
    ``input_bytes`` (token, position, type and per-layer embeddings) stay in host memory; ``output_bytes`` is the
    output head and its norm, 0 for the head when embeddings are tied (then ``tied_output_bytes`` is what an
    offloaded copy takes). ``prediction_bytes`` belong to multi-token-prediction blocks, which load only to draft.
    ``largest_layer_tensor_bytes`` bounds what prompt processing stages for layers kept in host memory, and
    ``largest_expert_tensor_bytes`` the same for experts. ``file_bytes`` is the whole file with its header.
    """

    file_bytes: int
    tensor_bytes: int
    layer_bytes: tuple[int, ...]
    expert_bytes: tuple[int, ...]
    input_bytes: int
    output_bytes: int
    tied_output_bytes: int = 0
    prediction_bytes: int = 0
    largest_layer_tensor_bytes: int = 0
    largest_expert_tensor_bytes: int = 0

    @property
    def total_layer_bytes(self) -> int:
        """Bytes of every block, experts included."""
        return sum(self.layer_bytes) + sum(self.expert_bytes)
