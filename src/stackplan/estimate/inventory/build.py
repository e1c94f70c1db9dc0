"""Writes a model's tensor table: which parts each block has, with their sizes and the converter's types."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from stackplan.architecture import Tensor
from stackplan.errors import UserError
from stackplan.estimate.inventory.dimensions import Dimensions, Record
from stackplan.estimate.inventory.families import FAMILIES, Family
from stackplan.estimate.inventory.parts import BLOCK, ONCE

MAX_BLOCKS: Final = 512  # as many as llama.cpp accepts (LLAMA_MAX_LAYERS), build b11434
MAX_SIZE: Final = 1 << 40  # elements of one dimension; more is a mistake or an attack

# Matrices that the converter keeps in 32 bits, beside everything that is not a matrix of weights.
_FULL_PRECISION_PARTS: Final = (
    "ffn_gate_inp",
    "position_embd.weight",
    "token_types.weight",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.proj.weight",
    "altup_correct_coef",
    "altup_predict_coef",
    "hc_",
    "compressor_ape",
)


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Why no exact tensor table exists."""

    architecture: str
    reason: str


def supported_architectures() -> tuple[str, ...]:
    """GGUF architectures whose tensor tables are known."""
    return tuple(sorted(FAMILIES))


def tensors_of(record: Record) -> tuple[Tensor, ...] | Unsupported:
    """The tensors that the GGUF converter writes for ``--outtype f16``, in F16 or, where it keeps more, F32.

    ``record`` has GGUF key names without prefix and "architecture". Flags that a GGUF shows only by its tensors:
    ``tied_embeddings``, ``attention_bias``, ``attention_output_bias``, ``mlp_bias``, ``qk_norm``, ``score_bias``
    (a bias on router scores), ``rope_frequencies`` (Llama 3 scaling), ``rope_factors`` (long context of Phi),
    ``prediction_embeddings``, ``classifier``, ``dense_heads``, ``attention.k_eq_v``.
    Raises UserError when a number is missing or absurd.
    """
    name = str(record.get("architecture", ""))
    family = FAMILIES.get(name)
    if family is None:
        return Unsupported(name, f"the tensors of architecture {name!r} are not known")
    dimensions = Dimensions(record)
    if not 0 < dimensions.blocks <= MAX_BLOCKS:
        raise UserError(
            f"block_count is {dimensions.blocks}; it must be between 1 and {MAX_BLOCKS}",
            hint="correct the number of layers",
            slug="shape-invalid",
        )
    return tuple(_all_tensors(family, dimensions))


def _all_tensors(family: Family, dimensions: Dimensions) -> Iterator[Tensor]:
    yield from _of_parts(family.once, ONCE, "", dimensions, 0)
    trunk = dimensions.blocks - dimensions.prediction_blocks
    for block in range(dimensions.blocks):
        prefix = f"blk.{block}."
        words = " ".join((family.every, *_kinds(family, dimensions, block, in_trunk=block < trunk)))
        yield from _of_parts(words, BLOCK, prefix, dimensions, block)


def _kinds(family: Family, dimensions: Dimensions, block: int, *, in_trunk: bool) -> tuple[str, ...]:
    """The parts of a block beside its norms. Prediction blocks attend, whatever their neighbours do."""
    mixer = MIXERS[family.mixer](dimensions, block) if in_trunk else "attention"
    feed_forward = FEED_FORWARDS[family.feed_forward](dimensions, block)
    texts = {"attention": family.attention, "recurrent": family.recurrent, "none": ""}
    texts |= {"dense": family.dense, "expert": family.expert}
    return (texts[mixer], texts[feed_forward], "" if in_trunk else family.prediction)


def _of_parts(
    words: str, parts: Mapping[str, str], prefix: str, dimensions: Dimensions, block: int
) -> Iterator[Tensor]:
    for word in words.split():
        flag, _, part = word.rpartition("?")
        if flag and not dimensions.holds(flag, block):
            continue
        for name, symbols in _entries(parts[part]):
            shape = tuple(_size(dimensions, symbol, block, name) for symbol in symbols)
            yield Tensor(prefix + name, shape, converter_type(name, len(shape)))


def _size(dimensions: Dimensions, symbol: str, block: int, name: str) -> int:
    size = dimensions.size(symbol, block)
    if not 0 < size < MAX_SIZE:
        raise UserError(
            f"tensor {name} of block {block} would have a dimension of {size}",
            hint="check the numbers under `architecture:`; a width, head count or expert count is wrong",
            slug="shape-invalid",
        )
    return size


@cache
def _entries(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    entries = (entry.split() for entry in text.split(","))
    return tuple((words[0], tuple(words[1:])) for words in entries)


@cache
def converter_type(name: str, rank: int) -> str:
    """The type in an F16 file: 32 bits for vectors, norms, routers and convolutions, integers for token tables."""
    if "tid2eid" in name:
        return "i32"
    if rank < 2 or not name.endswith(".weight") or name.endswith("_norm.weight"):
        return "f32"
    return "f32" if any(part in name for part in _FULL_PRECISION_PARTS) else "f16"


def _by_interval(dimensions: Dimensions, block: int) -> str:
    listed = dimensions.record.get("attention.recurrent_layers")
    if isinstance(listed, list | tuple) and block < len(listed):
        return "recurrent" if listed[block] else "attention"
    interval = dimensions.number("full_attention_interval", block, 4)
    return "attention" if (block + 1) % max(interval, 1) == 0 else "recurrent"


def _by_kv_heads(dimensions: Dimensions, block: int) -> str:
    return "attention" if dimensions.size("K", block) else "recurrent"


def _single_mixer(dimensions: Dimensions, block: int) -> str:
    """Blocks that do one thing: mix by attention, mix by a state, or feed forward."""
    if dimensions.size("f", block):
        return "none"
    return _by_kv_heads(dimensions, block)


def _by_lead(dimensions: Dimensions, block: int) -> str:
    if not dimensions.number("expert_count", block, 0):
        return "dense"
    return "dense" if block < dimensions.number("leading_dense_block_count", 0, 0) else "expert"


def _expert_everywhere(dimensions: Dimensions, block: int) -> str:
    return "expert" if dimensions.number("expert_count", block, 0) else "dense"


def _by_step(dimensions: Dimensions, block: int) -> str:
    listed = dimensions.record.get("expert_layers")
    if isinstance(listed, list | tuple) and block < len(listed):
        return "expert" if listed[block] else "dense"
    step = dimensions.number("interleave_moe_layer_step", block, 1)
    return "expert" if step and (block + 1) % step == 0 else "dense"


def _single_feed_forward(dimensions: Dimensions, block: int) -> str:
    in_trunk = block < dimensions.blocks - dimensions.prediction_blocks
    if in_trunk and not dimensions.size("f", block):
        return "none"
    return _expert_everywhere(dimensions, block)


Rule = Callable[[Dimensions, int], str]
MIXERS: Final[Mapping[str, Rule]] = {
    "attention": lambda _dimensions, _block: "attention",
    "recurrent": lambda _dimensions, _block: "recurrent",
    "interval": _by_interval,
    "zero-kv": _by_kv_heads,
    "single": _single_mixer,
}
FEED_FORWARDS: Final[Mapping[str, Rule]] = {
    "leading": _by_lead,
    "all": _expert_everywhere,
    "step": _by_step,
    "single": _single_feed_forward,
    "dense": lambda _dimensions, _block: "dense",
    "none": lambda _dimensions, _block: "none",
}
