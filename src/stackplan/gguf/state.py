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


def _lookup_history(keys: Keys, block: Block) -> int:
    """Values that a block with n-gram embeddings keeps for the convolution over what it looked up."""
    kernel, channels = (*block.shapes.get("ple_conv1d.weight", ()), 0, 0)[:2]
    return max(0, kernel - 1) * channels * keys.integer("ple.ngram_size")
