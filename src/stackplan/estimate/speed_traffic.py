"""What one decoded token touches, layer by layer: weights read, cache read, state moved, kernels launched.

Nothing here knows a device. A `Workload` holds prefix sums over the blocks, so that the traffic of any range of
layers costs the same few additions however deep the model is; a solver asks for many ranges of one model.

Every tensor is read once per token but for three things: an untied input embedding (one row is looked up), the
experts that a token is not routed to (U of N are read), and multi-token-prediction blocks, which run only to draft.
Sources: llama.cpp's graphs (src/models/*.cpp), checked against published rates in docs/speed.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, compress
from operator import mul
from typing import Final, NamedTuple

from msgspec import Struct

from stackplan.architecture import Architecture, Attention, Layer, WeightTable
from stackplan.values import replace

# Bytes per cached element: ggml block bytes / block elements (ggml-common.h, b11434).
KV_ELEMENT_BYTES: Final = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}
THRIFTIEST: Final = min(KV_ELEMENT_BYTES, key=KV_ELEMENT_BYTES.__getitem__)
_STATE_BYTES: Final = 2 * 4  # float32, read and written once per token


class Traffic(NamedTuple):
    """What one token costs in one place. Bytes are floats: an expert's share of a tensor need not be whole.

    ``expert_bytes`` are part of ``weight_bytes``; ``crossings`` counts hand-overs to and from another place.
    """

    weight_bytes: float = 0.0
    expert_bytes: float = 0.0
    kv_bytes: float = 0.0
    layers: int = 0
    expert_layers: int = 0
    recurrent_layers: int = 0
    crossings: int = 0


class Workload(Struct, frozen=True):
    """A model prepared for many questions: entry i of each tuple sums what blocks 0 .. i-1 touch.

    ``expert`` counts the experts in use, ``whole_expert`` all of them. ``full_k`` ... count cached elements per token
    of layers that keep the whole context, ``sliding_k`` ... of those with a window, ``state_bytes`` what recurrent
    layers move. ``head_bytes`` is the output head. ``family`` is the GGUF architecture, ``quantisation`` the
    file type; both only pick fitted factors.
    """

    family: str
    quantisation: str
    block_count: int
    sliding_window: int
    head_bytes: int
    file_bytes: int
    exact: bool
    expert_share: float
    dense: tuple[float, ...]
    expert: tuple[float, ...]
    whole_expert: tuple[float, ...]
    full_k: tuple[int, ...]
    full_v: tuple[int, ...]
    sliding_k: tuple[int, ...]
    sliding_v: tuple[int, ...]
    state_bytes: tuple[int, ...]
    layers: tuple[int, ...]
    expert_layers: tuple[int, ...]
    recurrent_layers: tuple[int, ...]

    def blocks(
        self, first: int, last: int, depth_tokens: int, kv_types: tuple[str, str], experts_from: int = 0
    ) -> Traffic:
        """Traffic of blocks ``first`` .. ``last - 1`` after ``depth_tokens`` of context, output head included.

        The head is one more block, as llama.cpp counts. Experts of blocks before ``experts_from`` are read elsewhere.
        A layer that shares another's cache owns no row, yet reads one; published rates show no need to count it.
        """
        end = min(last, self.block_count)
        experts = self.expert[end] - self.expert[min(max(first, experts_from), end)]
        weights = self.dense[end] - self.dense[first] + experts
        return Traffic(
            weights + self.head_bytes if last > end else weights,
            experts,
            self._kv_bytes(first, end, depth_tokens, kv_types) + self.state_bytes[end] - self.state_bytes[first],
            self.layers[end] - self.layers[first],
            self.expert_layers[end] - self.expert_layers[first],
            self.recurrent_layers[end] - self.recurrent_layers[first],
        )

    def _kv_bytes(self, first: int, end: int, depth_tokens: int, kv_types: tuple[str, str]) -> float:
        k_bytes, v_bytes = KV_ELEMENT_BYTES[kv_types[0]], KV_ELEMENT_BYTES[kv_types[1]]
        full = (self.full_k[end] - self.full_k[first]) * k_bytes + (self.full_v[end] - self.full_v[first]) * v_bytes
        near = (self.sliding_k[end] - self.sliding_k[first]) * k_bytes
        near += (self.sliding_v[end] - self.sliding_v[first]) * v_bytes
        window = min(depth_tokens, self.sliding_window or depth_tokens)
        return full * depth_tokens + near * window

    def resident_bytes(self, first: int, last: int) -> float:
        """Bytes of blocks ``first`` .. ``last - 1`` with every expert and the head, as they are loaded."""
        end = min(last, self.block_count)
        layers = self.dense[end] - self.dense[first] + self.whole_expert_bytes(first, end)
        return layers + self.head_bytes if last > end else layers

    def whole_expert_bytes(self, first: int, last: int) -> float:
        """Bytes of every expert of blocks ``first`` .. ``last - 1``, routed to or not."""
        return self.whole_expert[last] - self.whole_expert[first]

    def experts_on_host(self, first: int, last: int) -> Traffic:
        """What moves to host memory when it keeps the routed experts of blocks ``first`` .. ``last - 1``."""
        moved = self.expert[last] - self.expert[first]
        return Traffic(moved, moved, crossings=2 * (self.expert_layers[last] - self.expert_layers[first]))


def workload(
    architecture: Architecture, weights: WeightTable, quantisation: str = "", like: Workload | None = None
) -> Workload:
    """Prepare ``architecture`` with the bytes of one file for `Workload.blocks`. Pure; O(blocks), done once.

    ``like`` is the workload of another file of the same model: what the shape alone decides is taken from it.
    """
    runs = [not layer.prediction for layer in architecture.layers]
    dense, experts = tuple(compress(weights.layer_bytes, runs)), tuple(compress(weights.expert_bytes, runs))
    layers = tuple(compress(architecture.layers, runs[: len(weights.layer_bytes)]))
    shape = like if like is not None and like.block_count == len(layers) else _shape(architecture, layers)
    whole = _sums(map(float, experts))
    return replace(
        shape,
        quantisation=file_type(quantisation),
        head_bytes=weights.output_bytes + weights.tied_output_bytes,
        file_bytes=weights.file_bytes,
        dense=_sums(map(float, dense)),
        expert=_sums(map(mul, experts, map(expert_share, layers))) if whole[-1] else whole,
        whole_expert=whole,
    )


@dataclass(slots=True, repr=False)
class Workloads:
    """Makes workloads; what the shape alone decides is worked out once for all files of a model."""

    _shapes: dict[int, Workload] = field(default_factory=dict)
    _alive: list[object] = field(default_factory=list)  # so that identities, which are quicker than hashes, stay theirs

    def of(self, architecture: Architecture, weights: WeightTable, quantisation: str = "") -> Workload:
        """`workload`; keeps both parts alive, so that they may be known by identity."""
        self._alive += [architecture, weights]
        found = workload(architecture, weights, quantisation, like=self._shapes.get(id(architecture)))
        self._shapes.setdefault(id(architecture), found)
        return found


def _shape(architecture: Architecture, layers: Sequence[Layer]) -> Workload:
    kinds = {id(layer): layer for layer in layers}  # most are one object many times
    counted = {name: _counts_of(layer) for name, layer in kinds.items()}
    sums = [
        tuple(accumulate(column, initial=0)) for column in zip(*(counted[id(layer)] for layer in layers), strict=True)
    ]
    return Workload(
        architecture.name,
        "",
        len(layers),
        architecture.sliding_window,
        0,
        0,
        architecture.exact,
        max((expert_share(layer) for layer in kinds.values() if layer.experts), default=1.0),
        (),
        (),
        (),
        *(sums or [(0,)] * 8),
    )


def _counts_of(layer: Layer) -> tuple[int, ...]:
    """What a layer adds to the running sums of a `Workload`, in the order of its fields from ``full_k`` on."""
    cached = (layer.k_width, layer.v_width)
    whole, near = ((0, 0), cached) if layer.attention is Attention.SLIDING else (cached, (0, 0))
    state = (layer.state_elements + layer.convolution_elements) * _STATE_BYTES
    return (*whole, *near, state, 1, int(layer.experts > 0), int(layer.attention is Attention.RECURRENT))


def file_type(quantisation: str) -> str:
    """The name that the constants use: ``UD-Q4_K_XL`` (unsloth's dynamic mixture) is ``Q4_K_XL``."""
    name = quantisation.upper().removeprefix("UD-")
    return {"FLOAT16": "F16", "FP16": "F16", "BFLOAT16": "BF16", "FLOAT32": "F32", "MXFP4_MOE": "MXFP4"}.get(name, name)


def expert_share(layer: Layer) -> float:
    """The part of a layer's experts that one token is routed to; 1 where there are none."""
    return min(1.0, layer.experts_used / layer.experts) if layer.experts and layer.experts_used else 1.0


def _sums(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(accumulate(values, initial=0.0))
