"""Which tensors each block has: the part of a shape that a file shows instead of saying it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stackplan.architecture import Tensor
from stackplan.errors import UserError
from stackplan.gguf.keys import MAX_BLOCKS

_STATE_PREFIXES = ("ssm_", "shortconv.", "time_mix_")
_SPLIT_ATTENTION = ("attn_k.", "attn_kv_a_mqa.", "attn_kv.", "attn_kv_b.")
_OTHER_ATTENTION = ("attn_qkv.", "attn_q.", "attn_q_b.")  # a block that reads an earlier cache has queries alone


@dataclass(slots=True)
class Block:
    """Tensors of one block by name without ``blk.N.``, scales and other leftovers of quantisation aside."""

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the file has no weights for it, as when a looped model runs an earlier block again."""
        return not self.shapes

    @property
    def has_state(self) -> bool:
        """Whether a recurrent mixer is there."""
        return self._any(_STATE_PREFIXES)

    @property
    def has_split_attention(self) -> bool:
        """Whether keys have a projection of their own."""
        return self._any(_SPLIT_ATTENTION)

    @property
    def has_attention(self) -> bool:
        """Whether there is attention at all."""
        return self.has_split_attention or self._any(_OTHER_ATTENTION)

    @property
    def has_indexer(self) -> bool:
        """Whether sparse attention keeps an index of its own here."""
        return self._any(("indexer.attn_k.", "indexer.k_proj."))

    @property
    def has_single_key(self) -> bool:
        """Whether one projection gives one row that is key and value for all heads."""
        return "attn_kv.weight" in self.shapes

    @property
    def is_prediction(self) -> bool:
        """Whether it predicts further tokens instead of carrying the model."""
        return self._any(("nextn.",))

    @property
    def is_gated(self) -> bool:
        """Whether the feed-forward has a gate, in a tensor of its own or fused with the up projection."""
        up, down = self.shapes.get("ffn_up.weight", ()), self.shapes.get("ffn_down.weight", ())
        return self._any(("ffn_gate.", "ffn_gate_exps.", "ffn_gate_up")) or up[1:2] == tuple(2 * n for n in down[:1])

    @property
    def is_parallel(self) -> bool:
        """Whether attention and feed-forward read the same input: one norm before both and none between them."""
        between = ("ffn_norm", "post_attention_norm", "attn_output_norm", "hc_ffn_norm", "hc_ffn_fn")
        both = self.has_attention and self.has_feed_forward and self._any(("attn_norm.",))
        return both and not self._any(between)

    @property
    def has_feed_forward(self) -> bool:
        """Whether any feed-forward part is there."""
        return self._any(("ffn_down", "ffn_up"))

    def row(self, name: str) -> int:
        """First dimension of ``name.weight``, 0 when it is not there."""
        shape = self.shapes.get(f"{name}.weight", ())
        return shape[0] if shape else 0

    def pair(self, name: str) -> tuple[int, int]:
        """The two dimensions of ``name.weight``, zeros when it is not there."""
        shape = self.shapes.get(f"{name}.weight", ())
        return (shape[0], shape[1]) if len(shape) > 1 else (0, 0)

    def stack(self, name: str) -> int:
        """Third dimension of ``name.weight``: the experts stacked in it."""
        shape = self.shapes.get(f"{name}.weight", ())
        return shape[2] if len(shape) > 2 else 0

    def _any(self, prefixes: tuple[str, ...]) -> bool:
        return any(name.startswith(prefixes) for name in self.shapes)


@dataclass(slots=True)
class TensorTable:
    """A file's tensors by block, the rest by name."""

    blocks: dict[int, Block]
    shared: dict[str, tuple[int, ...]]

    def block(self, index: int) -> Block:
        """Block ``index``; an empty one when the file has no tensor for it."""
        return self.blocks.get(index, Block())


def table_of(tensors: Iterable[Tensor]) -> TensorTable:
    """Sort tensors by the block number in their names."""
    table = TensorTable({}, {})
    for tensor in tensors:
        if tensor.name.endswith((".scale", ".input_scale")):
            continue
        head, _, rest = tensor.name.partition(".")
        number, _, name = rest.partition(".")
        if head != "blk" or not name:
            table.shared[tensor.name] = tensor.shape
            continue
        table.blocks.setdefault(_block_number(number), Block()).shapes[name] = tensor.shape
    return table


def _block_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and int(text) < MAX_BLOCKS):
        raise UserError(
            f"a tensor belongs to block {text[:24]!r}, which cannot be",
            hint="Download the file again; it was not written by a known converter.",
            slug="gguf-metadata",
        )
    return int(text)
