"""What each block caches: full, sliding or latent attention, recurrent state, or nothing.

Rules as llama.cpp b11434 applies them when it creates its memory; a test compares every architecture that its
``test-llama-archs`` writes with the figures it reports itself.
"""

from dataclasses import dataclass

from stackplan.architecture import Attention
from stackplan.gguf.blocks import Block, TensorTable
from stackplan.gguf.families import (
    CACHE_OF_TARGET,
    DIFFUSION,
    ENCODERS,
    ENCODERS_WITH_HEAD,
    INDEXER_ROWS,
    INDEXER_WITH_VALUES,
    KNOWN,
    LINEAR_ATTENTION_PERIOD,
    OWN_CACHE_BLOCKS,
    WINDOWS,
    WindowRule,
)
from stackplan.gguf.keys import Keys


@dataclass(frozen=True, slots=True)
class Windows:
    """The attention window, and the blocks that use it. ``guessed`` when the file should have listed them."""

    tokens: int
    slides: tuple[bool, ...]
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class HeadLengths:
    """Elements of one head's K and V, in full and in sliding layers. ``latent``: K alone is cached, compressed."""

    full_k: int
    full_v: int
    sliding_k: int
    sliding_v: int
    latent: bool


def caches_nothing(keys: Keys) -> bool:
    """Whether the engine keeps no cache: encoders and diffusion models."""
    name = keys.architecture
    return name in ENCODERS | DIFFUSION or (name not in KNOWN and keys.is_false("attention.causal"))


def has_output_head(keys: Keys) -> bool:
    """Whether the engine gives logits, from a tensor of their own or from the token embedding."""
    name = keys.architecture
    return name in DIFFUSION | ENCODERS_WITH_HEAD or not caches_nothing(keys)


def windows_of(keys: Keys, blocks: int, trunk: int) -> Windows:
    """Which of ``blocks`` slide; those from ``trunk`` on, for prediction, only if the file lists them."""
    listed = keys.flags("attention.sliding_window_pattern", blocks)
    rule = WINDOWS.get(keys.architecture)
    if rule is None:
        known = keys.architecture in KNOWN
        rule = WindowRule(None, only_block_count=-1 if known else 0)
    tokens = keys.integer("attention.sliding_window", rule.default_tokens)
    if tokens == 0 or rule.only_block_count not in {0, trunk}:
        return Windows(0, (False,) * blocks)
    tokens = rule.fixed_tokens or tokens
    if rule.period == 0:
        return Windows(tokens, (True,) * trunk + (False,) * (blocks - trunk))
    if listed is not None:
        return Windows(tokens, tuple(listed))
    return _periodic(keys, rule, tokens, blocks, trunk)


def _periodic(keys: Keys, rule: WindowRule, tokens: int, blocks: int, trunk: int) -> Windows:
    period = keys.integer("attention.sliding_window_pattern", rule.period or 0)
    if rule.period is None and period == 0:
        return Windows(0, (False,) * blocks, guessed=True)
    full = 0 if rule.full_first else period - 1
    slides = tuple(i < trunk and (period == 0 or i % period != full) for i in range(blocks))
    return Windows(tokens, slides)


def head_lengths_of(keys: Keys, heads: int, embedding_length: int) -> HeadLengths:
    """Head lengths, with the embedding split over ``heads`` where the file names none."""
    even = embedding_length // heads if heads else 0
    full_k = keys.integer("attention.key_length", even)
    full_v = keys.integer("attention.value_length", even)
    latent = bool(keys.integer("attention.key_length_mla") and keys.integer("attention.value_length_mla"))
    return HeadLengths(
        full_k=full_k,
        full_v=0 if latent else full_v,
        sliding_k=keys.integer("attention.key_length_swa", full_k),
        sliding_v=0 if latent else keys.integer("attention.value_length_swa", full_v),
        latent=latent,
    )


def recurrent_blocks(keys: Keys, table: TensorTable, kv_heads: list[int]) -> tuple[bool, ...]:
    """Which blocks keep a state instead of a cache, by their tensors, else by the keys that say so."""
    blocks = len(kv_heads)
    listed = keys.flags("attention.recurrent_layers", blocks)
    period = LINEAR_ATTENTION_PERIOD.get(keys.architecture, 0)
    if listed is None and period:
        period = keys.integer("full_attention_interval", period)
        listed = [(i + 1) % period != 0 for i in range(blocks)] if period else None
    return tuple(
        _is_recurrent(table.block(i), kv_heads[i], bool(listed and listed[i] and period)) for i in range(blocks)
    )


def _is_recurrent(block: Block, kv_heads: int, listed: bool) -> bool:
    if not block.has_state:
        return listed
    return kv_heads == 0 or not block.has_split_attention


def attention_of(block: Block, *, cached: bool, recurrent: bool, slides: bool, latent: bool) -> Attention:
    """The kind of one block."""
    if recurrent:
        return Attention.RECURRENT
    if not cached or (not block.has_attention and block.has_feed_forward):
        return Attention.NONE
    if slides:
        return Attention.SLIDING
    return Attention.LATENT if latent else Attention.FULL


def own_cache_blocks(keys: Keys, blocks: int) -> int:
    """How many blocks from the first have a cache of their own; later ones read an earlier block's."""
    name = keys.architecture
    if name in CACHE_OF_TARGET:
        return 0
    if name in OWN_CACHE_BLOCKS:
        return OWN_CACHE_BLOCKS[name]
    return blocks - min(blocks, keys.integer("attention.shared_kv_layers"))


def indexer_lengths(keys: Keys, block: Block) -> tuple[int, int]:
    """Elements of K and of V that sparse attention's index caches per token."""
    if not block.has_indexer:
        return 0, 0
    length = keys.integer("attention.indexer.key_length")
    rows = INDEXER_ROWS.get(keys.architecture, 1)
    return rows * length, length if keys.architecture in INDEXER_WITH_VALUES else 0


def compression_of(keys: Keys, block: Block, head_length_k: int) -> tuple[int, int]:
    """Tokens per compressed row, and elements of K in that row with what its index adds; zeros without one."""
    _, ratio = block.pair("attn_compressor_ape")
    if not ratio:
        return 0, 0
    _, indexed = block.pair("indexer_compressor_ape")
    return ratio, head_length_k + (keys.integer("attention.indexer.key_length") if indexed else 0)
