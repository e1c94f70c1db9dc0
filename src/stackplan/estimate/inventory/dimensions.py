"""What the symbols of ``parts`` stand for in one model and one block.

A hyperparameter record is a mapping with GGUF key names without the architecture's prefix ("block_count",
"attention.head_count_kv" as a number or a list per block) plus a few flags for what a GGUF shows by its tensors.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from stackplan.errors import UserError

Record = Mapping[str, Any]
# One number for the whole model; everything else may be a list with one number per block.
SCALARS: Final = (
    "block_count",
    "embedding_length",
    "vocab_size",
    "context_length",
    "expert_count",
    "nextn_predict_layers",
)


class Dimensions:
    """Numbers of one model by symbol and block. Raises UserError naming the key that a symbol needs and lacks."""

    def __init__(self, record: Record) -> None:
        for key in SCALARS:
            if not isinstance(record.get(key, 0), int):
                raise _unusable(record, key, record[key])
        self.record = record
        self.blocks = self.number("block_count", 0)
        self.prediction_blocks = self.number("nextn_predict_layers", 0, 0)
        self._known: dict[tuple[str, int], int] = {}

    def number(self, key: str, block: int, default: int | None = None) -> int:
        """The number under ``key``, of ``block`` when it is a list."""
        value = self.record.get(key)
        if value is None:
            value = default
        if isinstance(value, list | tuple):
            value = value[block] if block < len(value) else None
        if isinstance(value, int):
            return int(value)
        raise _unusable(self.record, key, value)

    def size(self, expression: str, block: int) -> int:
        """The value of a symbol or a sum, product or quotient of symbols, such as ``2*d+2*gs+r``."""
        known = self._known.get((expression, block))
        if known is None:
            known = self._known[expression, block] = self._sum(expression, block)
        return known

    def _sum(self, expression: str, block: int) -> int:
        if expression.endswith(")"):
            factor, _, rest = expression.partition("*(")
            return self._product(factor, block) * self._sum(rest[:-1], block)
        if expression.endswith("-1"):
            return self._product(expression[:-2], block) - 1
        return sum(self._product(term, block) for term in expression.split("+"))

    def _product(self, term: str, block: int) -> int:
        if "/" in term:
            dividend, _, divisor = term.partition("/")
            return self._factor(dividend, block) // max(self._factor(divisor, block), 1)
        result = 1
        for factor in term.split("*"):
            result *= self._factor(factor, block)
        return result

    def _factor(self, name: str, block: int) -> int:
        return int(name) if name.isdecimal() else SYMBOLS[name](self, block)

    def is_sliding(self, block: int) -> bool:
        """Whether the record's pattern makes ``block`` a sliding-window layer; False without a pattern."""
        pattern = self.record.get("attention.sliding_window_pattern")
        if isinstance(pattern, list | tuple):
            return block < len(pattern) and bool(pattern[block])
        return isinstance(pattern, int) and pattern > 1 and (block + 1) % int(pattern) != 0

    def holds(self, flag: str, block: int) -> bool:
        """Whether a flag of a family's text is true; "!" negates."""
        if flag.startswith("!"):
            return not self.holds(flag[1:], block)
        condition = CONDITIONS.get(flag)
        return condition(self, block) if condition else bool(self.record.get(flag))


def _unusable(record: Record, key: str, value: object) -> UserError:
    name = record.get("architecture", "model")
    if value is None:
        return UserError(
            f"the shape of this {name} model lacks {key!r}",
            hint="give the value under `architecture:` of the record, or give a GGUF file or a config.json",
            slug="shape-incomplete",
        )
    return UserError(
        f"{key!r} of this {name} model is {str(value)[:40]!r}, which is not a whole number",
        hint="correct the value under `architecture:`, or give a GGUF file or a config.json",
        slug="shape-invalid",
    )


def _heads(of: Dimensions, block: int) -> int:
    return of.number("attention.head_count", block)


def _kv_heads(of: Dimensions, block: int) -> int:
    return of.number("attention.head_count_kv", block, of.number("attention.head_count", block))


def _plain_head(of: Dimensions, block: int) -> int:
    return of.number("embedding_length", block) // max(of.number("attention.head_count", block), 1)


def _head_k(of: Dimensions, block: int) -> int:
    if "attention.key_length_swa" in of.record and of.is_sliding(block):
        return of.number("attention.key_length_swa", block)
    return of.number("attention.key_length", block, _plain_head(of, block))


def _head_v(of: Dimensions, block: int) -> int:
    if "attention.value_length_swa" in of.record and of.is_sliding(block):
        return of.number("attention.value_length_swa", block)
    if "attention.value_length" in of.record:
        return of.number("attention.value_length", block)
    return _head_k(of, block)


def _latent_head_k(of: Dimensions, block: int) -> int:
    return of.number("attention.key_length_mla", block, of.number("attention.key_length", block))


def _latent_head_v(of: Dimensions, block: int) -> int:
    return of.number("attention.value_length_mla", block, of.number("attention.value_length", block))


def _rotary(of: Dimensions, block: int) -> int:
    if "rope.dimension_count" in of.record:
        return of.number("rope.dimension_count", block)
    return _head_k(of, block)


def _expert_width(of: Dimensions, block: int) -> int:
    if of.record.get("expert_feed_forward_length"):
        return of.number("expert_feed_forward_length", block)
    return of.number("feed_forward_length", block) // of.number("expert_used_count", block)


def _shared_width(of: Dimensions, block: int) -> int:
    if of.record.get("expert_shared_feed_forward_length"):
        return of.number("expert_shared_feed_forward_length", block)
    count = of.number("expert_shared_count", block, 0)
    return count * _expert_width(of, block) if count else of.number("feed_forward_length", block)


def _key(name: str, default: int | None = None) -> Callable[[Dimensions, int], int]:
    return lambda of, block: of.number(name, block, default)


def _constant(value: int) -> Callable[[Dimensions, int], int]:
    return lambda _of, _block: value


def _full_head_k(of: Dimensions, _block: int) -> int:
    return of.number("attention.key_length", 0, _plain_head(of, 0))


def _hyper_mix(of: Dimensions, block: int) -> int:
    count = of.number("hyper_connection.count", block)
    return (2 + count) * count


def _compressor_width(of: Dimensions, block: int) -> int:
    return _head_k(of, block) * (2 if _ratio(of, block) == 4 else 1)


def _ratio(of: Dimensions, block: int) -> int:
    return of.number("attention.compress_ratios", block)


SYMBOLS: Final[Mapping[str, Callable[[Dimensions, int], int]]] = {
    "e": _key("embedding_length"),
    "L": _key("block_count"),
    "V": _key("vocab_size"),
    "H": _heads,
    "K": _kv_heads,
    "hk": _head_k,
    "hk_full": _full_head_k,
    "q": lambda of, block: _heads(of, block) * _head_k(of, block),
    "k": lambda of, block: _kv_heads(of, block) * _head_k(of, block),
    "v": lambda of, block: _kv_heads(of, block) * _head_v(of, block),
    "o": lambda of, block: _heads(of, block) * _head_v(of, block),
    "rot": _rotary,
    # latent attention and its indexer
    "rq": _key("attention.q_lora_rank"),
    "rkv": _key("attention.kv_lora_rank"),
    "hkm": _latent_head_k,
    "hvm": _latent_head_v,
    "nope": lambda of, block: _latent_head_k(of, block) - _rotary(of, block),
    "iH": _key("attention.indexer.head_count"),
    "ih": _key("attention.indexer.key_length"),
    # compressed attention
    "ro": _key("attention.output_lora_rank"),
    "og": _key("attention.output_group_count"),
    "hc": _key("hyper_connection.count"),
    "hcm": _hyper_mix,
    "ratio": _ratio,
    "cw": _compressor_width,
    # feed-forward
    "f": _key("feed_forward_length"),
    "fe": _expert_width,
    "fs": _shared_width,
    "N": _key("expert_count"),
    "U": _key("expert_used_count"),
    "m": lambda of, block: of.number("moe_latent_size", block, 0) or of.number("embedding_length", block),
    # state spaces
    "c": _key("ssm.conv_kernel"),
    "d": _key("ssm.inner_size"),
    "s": _key("ssm.state_size"),
    "r": _key("ssm.time_step_rank"),
    "g": _key("ssm.group_count", 1),
    "gs": lambda of, block: of.number("ssm.group_count", block, 1) * of.number("ssm.state_size", block),
    "sr": lambda of, block: of.number("ssm.state_size", block) * of.number("ssm.time_step_rank", block),
    "lc": _key("shortconv.l_cache"),
    # embeddings beside the token's, and odd ends
    "positions": _key("context_length"),
    "token_types": _key("token_type_count", 2),
    "classes": _key("classifier_count", 1),
    "dense2": _key("dense_2_feat_out"),
    "dense3": _key("dense_3_feat_in"),
    "p": _key("embedding_length_per_layer_input"),
    "altup": _key("altup.num_inputs"),
    "laurel": _key("laurel_rank", 64),
    "one": _constant(1),
    "three": _constant(3),
}


def _owns_kv(of: Dimensions, block: int) -> bool:
    return block < of.blocks - of.number("attention.shared_kv_layers", 0, 0)


CONDITIONS: Final[Mapping[str, Callable[[Dimensions, int], bool]]] = {
    "first": lambda _of, block: block == 0,
    "sliding": lambda of, block: of.is_sliding(block),
    "owns_kv": _owns_kv,
    "owns_v": lambda of, block: _owns_kv(of, block) and (of.is_sliding(block) or not of.record.get("attention.k_eq_v")),
    "experts": lambda of, block: of.number("expert_count", block, 0) > 0,
    "low_rank_q": lambda of, block: of.number("attention.q_lora_rank", block, 0) > 0,
    "absorbed": lambda of, _block: "attention.key_length_mla" in of.record,
    "compressing": lambda of, block: _ratio(of, block) != 0,
    "indexing": lambda of, block: _ratio(of, block) == 4,
    "indexer": lambda of, block: (
        of.number("attention.indexer.head_count", block, 0) > 0 and not _shares_indexer(of, block)
    ),
    "hashed": lambda of, block: block < of.number("hash_layer_count", 0, 0),
    "per_layer": lambda of, block: of.number("embedding_length_per_layer_input", block, 0) > 0,
    "latent": lambda of, block: of.number("moe_latent_size", block, 0) > 0,
    "shared": lambda of, block: (
        of.number("expert_shared_feed_forward_length", block, 0) + of.number("expert_shared_count", block, 0) > 0
    ),
    "deep": lambda of, _block: of.blocks >= 64,
    "token_typed": lambda of, block: of.number("token_type_count", block, 2) > 0,
}


def _shares_indexer(of: Dimensions, block: int) -> bool:
    """Some latent-attention models let several blocks share one indexer; the record then lists who owns one."""
    owners = of.record.get("attention.indexer.types")
    return isinstance(owners, list | tuple) and block < len(owners) and not owners[block]
