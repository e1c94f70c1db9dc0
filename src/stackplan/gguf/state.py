"""Recurrent state of one layer and sequence: float32 values, whatever the context.

Formulas: llama.cpp b11434, ``llama_hparams::n_embd_r`` and ``n_embd_s``, in the same order of precedence.
"""

from dataclasses import dataclass

from stackplan.gguf.blocks import Block
from stackplan.gguf.families import LINEAR_ATTENTION_PERIOD
from stackplan.gguf.keys import Keys


@dataclass(frozen=True, slots=True)
class StateSize:
    """Float32 values: the short history a convolution needs, and the state proper."""

    convolution: int
    state: int


def state_of(keys: Keys, block: Block, embedding_length: int, heads: int, head_length_k: int) -> StateSize:
    """State of one recurrent block; ``heads`` are those of the first block."""
    if head := keys.integer("wkv.head_size"):  # RWKV
        return StateSize(keys.integer("token_shift_count", 2) * embedding_length, embedding_length * head)
    kernel = keys.integer("ssm.conv_kernel")
    inner, state = keys.integer("ssm.inner_size"), keys.integer("ssm.state_size")
    if cached := keys.integer("shortconv.l_cache"):  # LFM2
        return StateSize(embedding_length * (cached - 1), state * inner)
    if head := keys.integer("kda.head_dim"):  # Kimi delta attention: one convolution each for Q, K and V
        return StateSize(3 * (kernel - 1 if kernel else 3) * heads * head, head * head * heads)
    if keys.architecture in LINEAR_ATTENTION_PERIOD:  # lightning attention
        return StateSize(0, head_length_k * head_length_k * heads)
    groups = keys.integer("ssm.group_count")
    history = max(0, kernel - 1) * (inner + 2 * groups * state)
    return StateSize(history + _lookup_history(keys, block), state * inner)


def compressor_state_of(block: Block, head_length_k: int, indexer_length: int) -> int:
    """Float32 values that compressed attention keeps per sequence until a row is full: keys and their scores.

    Position embeddings [width, ratio] show the sizes; a width of two heads means that rows overlap.
    """
    state = 0
    for name, head in (("attn_compressor_ape", head_length_k), ("indexer_compressor_ape", indexer_length)):
        width, ratio = block.pair(name)
        if head:
            state += 2 * width * ratio * (width // head)
    return state


def inner_length_of(keys: Keys, embedding_length: int, heads: int, head_length_k: int) -> int:
    """Inner width of a recurrent mixer."""
    if keys.integer("wkv.head_size") or keys.integer("shortconv.l_cache"):
        return embedding_length
    if head := keys.integer("kda.head_dim"):
        return heads * head
    return keys.integer("ssm.inner_size") or heads * head_length_k


def _lookup_history(keys: Keys, block: Block) -> int:
    """Values that a block with n-gram embeddings keeps for the convolution over what it looked up."""
    kernel, channels = block.pair("ple_conv1d")
    return max(0, kernel - 1) * channels * keys.integer("ple.ngram_size")
