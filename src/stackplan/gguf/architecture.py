"""From a header to an `Architecture`: metadata keys and tensor names decide, not names of models."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stackplan.architecture import Architecture, Attention, Layer, Tensor
from stackplan.errors import UserError
from stackplan.gguf import mixers
from stackplan.gguf.blocks import Block, TensorTable, table_of
from stackplan.gguf.families import KNOWN, NEVER_UNIFIED, ROUTER_BLOCKS
from stackplan.gguf.header import Skipped
from stackplan.gguf.keys import MAX_BLOCKS, Keys
from stackplan.gguf.state import compressor_state_of, inner_length_of, state_of
from stackplan.values import replace

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class _Shape:
    """What all blocks have in common while layers are made."""

    keys: Keys
    table: TensorTable
    embedding_length: int
    trunk: int  # blocks before those for multi-token prediction
    heads: list[int]
    kv_heads: list[int]
    feed_forward_lengths: list[int]
    expert_lengths: list[int]
    experts_used: list[int]
    lengths: mixers.HeadLengths
    windows: mixers.Windows
    recurrent: tuple[bool, ...]
    cached: bool
    own_caches: int


def architecture_of(metadata: Mapping[str, object], tensors: Sequence[Tensor]) -> Architecture:
    """The shape of the model that ``metadata`` and ``tensors`` describe.

    Values of metadata are scalars and, per block, tuples or lists. ``exact`` is False when the architecture is
    unknown or a list that should be there is not. Raises UserError gguf-metadata when this is no model.
    """
    name = metadata.get("general.architecture")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(
            "the file names no architecture that could be one",
            hint="Give the file of a language or embedding model.",
            slug="gguf-metadata",
        )
    keys = Keys(name, metadata)
    table = table_of(tensors)
    shape = _shape(keys, table)
    layers = [_layer(shape, index) for index in range(len(shape.heads))]
    layers = layers * max(1, keys.integer("num_loops", 1)) + [_router(shape)] * ROUTER_BLOCKS.get(name, 0)
    return Architecture(
        name=name,
        block_count=len(layers),
        embedding_length=shape.embedding_length,
        vocabulary_rows=_vocabulary_rows(keys, table, metadata),
        layers=tuple(layers),
        context_tokens=keys.integer("context_length"),
        sliding_window=shape.windows.tokens,
        tied_embeddings="output.weight" not in table.shared and mixers.has_output_head(keys),
        causal=not (mixers.caches_nothing(keys) or keys.is_false("attention.causal")),
        latent_rank=keys.integer("attention.kv_lora_rank"),
        query_rank=keys.integer("attention.q_lora_rank"),
        rope_head_length=keys.integer("rope.dimension_count", shape.lengths.full_k),
        value_head_length=keys.integer("attention.value_length_mla", shape.lengths.full_v),
        key_head_length=keys.integer("attention.key_length_mla", shape.lengths.full_k),
        per_layer_input_length=keys.integer("embedding_length_per_layer_input") * len(layers),
        leading_dense_blocks=keys.integer("leading_dense_block_count"),
        exact=name in KNOWN and not shape.windows.guessed,
        never_unified=name in NEVER_UNIFIED,
    )


def _shape(keys: Keys, table: TensorTable) -> _Shape:
    blocks = keys.required("block_count")
    loops = keys.integer("num_loops", 1)
    if not 0 < blocks <= MAX_BLOCKS or blocks * loops > MAX_BLOCKS:
        raise UserError(
            f"the file claims {blocks * loops} blocks",
            hint=f"Models have at most {MAX_BLOCKS}; download the file again.",
            slug="gguf-metadata",
        )
    embedding_length = keys.required("embedding_length")
    heads = keys.per_block("attention.head_count", blocks)
    trunk = _trunk(keys, table, blocks)
    kv_heads = heads
    if keys.has("attention.head_count_kv"):
        kv_heads = keys.per_block("attention.head_count_kv", blocks)
    return _Shape(
        keys=keys,
        table=table,
        embedding_length=embedding_length,
        trunk=trunk,
        heads=heads,
        kv_heads=kv_heads,
        feed_forward_lengths=keys.per_block("feed_forward_length", blocks),
        expert_lengths=keys.per_block("expert_feed_forward_length", blocks),
        experts_used=keys.per_block("expert_used_count", blocks),
        lengths=mixers.head_lengths_of(keys, heads[0], embedding_length),
        windows=mixers.windows_of(keys, blocks, trunk),
        recurrent=mixers.recurrent_blocks(keys, table, kv_heads),
        cached=not mixers.caches_nothing(keys),
        own_caches=mixers.own_cache_blocks(keys, blocks),
    )


def _trunk(keys: Keys, table: TensorTable, blocks: int) -> int:
    """Blocks before those that predict further tokens, which some files announce and leave out."""
    trunk = blocks - min(blocks, keys.integer("nextn_predict_layers"))
    announced = [table.block(index) for index in range(trunk, blocks)]
    left_out = any(not block.is_empty for block in announced) and not any(block.is_prediction for block in announced)
    return blocks if left_out else trunk


def _layer(shape: _Shape, index: int) -> Layer:
    block = shape.table.block(index)
    slides = shape.windows.slides[index]
    attention = mixers.attention_of(
        block,
        cached=shape.cached,
        recurrent=shape.recurrent[index],
        slides=slides,
        latent=shape.lengths.latent,
    )
    layer = Layer(
        attention=attention,
        heads=shape.heads[index],
        kv_heads=shape.kv_heads[index],
        head_length_k=shape.lengths.sliding_k if slides else shape.lengths.full_k,
        head_length_v=shape.lengths.sliding_v if slides else shape.lengths.full_v,
        shares_kv=shape.cached and index >= shape.own_caches,
        prediction=index >= shape.trunk,
    )
    return _with_feed_forward(shape, _with_memory(shape, layer, block), block, index)


def _with_memory(shape: _Shape, layer: Layer, block: Block) -> Layer:
    if layer.attention in {Attention.FULL, Attention.LATENT}:
        indexer_k, indexer_v = mixers.indexer_lengths(shape.keys, block)
        layer = replace(layer, indexer_length_k=indexer_k, indexer_length_v=indexer_v)
    if block.has_single_key:
        return _with_compression(shape, layer, block)
    if layer.attention is not Attention.RECURRENT and not block.has_state:
        return layer
    common = shape.embedding_length, shape.heads[0], shape.lengths.full_k
    size = state_of(shape.keys, block, *common)
    return replace(
        layer,
        state_elements=size.convolution + size.state,
        convolution_elements=size.convolution,
        inner_length=inner_length_of(shape.keys, *common),
    )


def _with_compression(shape: _Shape, layer: Layer, block: Block) -> Layer:
    """One row is key and value of all heads, and older tokens are cached again, compressed."""
    head = layer.head_length_k
    ratio, length = mixers.compression_of(shape.keys, block, head)
    state = compressor_state_of(block, head, shape.keys.integer("attention.indexer.key_length")) if ratio else 0
    return replace(
        layer, kv_heads=1, head_length_v=0, compression_ratio=ratio, compressed_length=length, state_elements=state
    )


def _with_feed_forward(shape: _Shape, layer: Layer, block: Block, index: int) -> Layer:
    experts = block.stack("ffn_down_exps")
    if not experts and "ffn_gate_inp.weight" in block.shapes:
        experts = shape.keys.integer("expert_count")  # one tensor per expert, as Mixtral was converted in 2023
    dense = block.row("ffn_down")
    return replace(
        layer,
        feed_forward_length=dense or (0 if experts else shape.feed_forward_lengths[index]),
        experts=experts,
        experts_used=min(experts, shape.experts_used[index]),
        expert_feed_forward_length=_expert_length(shape, block, index) if experts else 0,
        shared_feed_forward_length=block.row("ffn_down_shexp"),
        gated=block.is_gated or block.is_empty,
        parallel=block.is_parallel,
    )


def _expert_length(shape: _Shape, block: Block, index: int) -> int:
    return (
        block.row("ffn_down_exps")
        or block.row("ffn_down.0")
        or shape.expert_lengths[index]
        or shape.feed_forward_lengths[index]
    )


def _router(shape: _Shape) -> Layer:
    """The block that holds a router's keys: attention with one head and nothing else."""
    return Layer(Attention.FULL, 1, 1, shape.lengths.full_k, shape.lengths.full_v)


def _vocabulary_rows(keys: Keys, table: TensorTable, metadata: Mapping[str, object]) -> int:
    for name in ("token_embd.weight", "output.weight"):
        shape = table.shared.get(name, ())
        if len(shape) > 1:
            return shape[1]
    tokens = metadata.get("tokenizer.ggml.tokens")
    listed = tokens.count if isinstance(tokens, Skipped) else len(tokens) if isinstance(tokens, Sequence) else 0
    return keys.integer("vocab_size") or listed
