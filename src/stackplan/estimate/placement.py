"""Which layer goes where, and the bytes of weights, cache and state that follow it.

Source: llama.cpp b11434, ``llama-model.cpp`` (layers to devices) and ``common/arg.cpp`` (expert offload). Layers are
counted from the end: the output layer first, then the last block. The input layer stays on the CPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import ceil
from operator import mul

from msgspec import Struct

from stackplan.architecture import RECURRENT, Architecture, Layer, WeightTable
from stackplan.estimate.kv_cache import CacheShape, layer_cache_bytes, state_bytes, widest_v
from stackplan.serving import Placement, Serving, Unestimable
from stackplan.values import replace

# Loaders that create the output head before the embedding it is tied to, so that even the CPU holds both.
_HEAD_BEFORE_EMBEDDING = frozenset({"gemma3n", "gemma4"})


@dataclass(frozen=True, slots=True)
class LayerKind:
    """Layers that are alike: one of them, and how many of them come before each block."""

    layer: Layer
    before: tuple[int, ...]

    def count(self, start: int, stop: int) -> int:
        """How many of the blocks ``start`` to ``stop`` are of this kind."""
        return self.before[stop] - self.before[start]


class LayerTable(Struct, frozen=True):
    """Running sums over the blocks, so that the bytes of any range of blocks are one subtraction."""

    block_count: int
    kinds: tuple[LayerKind, ...]
    weights_before: tuple[int, ...]
    experts_before: tuple[int, ...]
    prediction_kinds: tuple[LayerKind, ...]
    widest_v: int


class Share(Struct, frozen=True):
    """What one place holds: blocks ``start`` to ``stop``, and whether the output layer."""

    place: str
    start: int
    stop: int
    output: bool


def layer_table(architecture: Architecture, weights: WeightTable, like: LayerTable | None = None) -> LayerTable:
    """The running sums of one model; prediction blocks weigh nothing here, since they load only to draft.

    ``like`` is the table of other weights of the same architecture, whose kinds of layers are then not found again.
    """
    counted = [not layer.prediction for layer in architecture.layers]
    sums = [_running(sizes, counted) for sizes in (weights.layer_bytes, weights.expert_bytes)]
    if like is not None:
        return replace(like, weights_before=sums[0], experts_before=sums[1])
    return LayerTable(
        block_count=len(architecture.layers),
        kinds=_kinds(architecture.layers, prediction=False),
        weights_before=sums[0],
        experts_before=sums[1],
        prediction_kinds=_kinds(architecture.layers, prediction=True),
        widest_v=widest_v(architecture.layers),
    )


def _running(sizes: Sequence[int], counted: Sequence[bool]) -> tuple[int, ...]:
    """Running sums; a looped model has more layers than blocks with weights, a prediction block counts elsewhere."""
    missing = (0,) * (len(counted) - len(sizes))
    return tuple(accumulate(map(mul, (*sizes, *missing), counted), initial=0))


def _kinds(layers: Sequence[Layer], *, prediction: bool) -> tuple[LayerKind, ...]:
    distinct = dict.fromkeys(layer for layer in layers if layer.prediction is prediction)
    return tuple(
        LayerKind(kind, tuple(accumulate((layer == kind for layer in layers), initial=0))) for kind in distinct
    )


@lru_cache(maxsize=4096)
def shares(block_count: int, placement: Placement) -> tuple[Share, ...]:
    """The devices' shares in split order, with empty ones kept; blocks below the first are the CPU's.

    A device gets every layer whose position among the offloaded ones is below its part of the running split.
    """
    devices = placement.devices
    offloaded = block_count + 1
    if placement.gpu_layers is not None:
        offloaded = min(placement.gpu_layers, offloaded)
    first = block_count + 1 - offloaded
    parts = placement.split or (1.0,) * len(devices)
    running = list(accumulate(parts))
    # A layer exactly on a border belongs to the next device; the guard keeps 2/3 * 3 from becoming 2.0000001.
    borders = [first + ceil(part / running[-1] * offloaded - 1e-6) for part in running]
    starts = [first, *borders[:-1]]
    return tuple(
        Share(device, min(start, block_count), min(stop, block_count), start <= block_count < stop)
        for device, start, stop in zip(devices, starts, borders, strict=True)
    )


def placement_obstacle(placement: Placement) -> Unestimable | None:
    """Why a placement means nothing; None when it does."""
    if placement.split and (len(placement.split) != len(placement.devices) or sum(placement.split) <= 0):
        detail = f"{len(placement.split)} shares for {len(placement.devices)} devices, or none above 0"
        return Unestimable("split-does-not-match-devices", detail)
    if (placement.gpu_layers or 0) < 0 or placement.cpu_expert_layers < 0 or min(placement.split, default=1) < 0:
        return Unestimable("placement-negative", "layers and shares are counted from 0")
    return None


def weight_bytes(table: LayerTable, share: Share, cpu_expert_layers: int) -> tuple[int, int]:
    """Bytes of a share's blocks on its device, and bytes of its experts that stay in host memory."""
    kept = min(max(cpu_expert_layers, share.start), share.stop)
    experts = table.experts_before
    blocks = table.weights_before[share.stop] - table.weights_before[share.start]
    return blocks + experts[share.stop] - experts[kept], experts[kept] - experts[share.start]


def copies_tied_head(architecture: Architecture) -> bool:
    """Whether even the CPU holds a head that is tied to the embedding beside it."""
    return architecture.name in _HEAD_BEFORE_EMBEDDING


def held_weights(
    table: LayerTable,
    weights: WeightTable,
    shares: Sequence[Share],
    cpu_expert_layers: int,
    *,
    prediction: bool,
    copied: bool,
) -> list[int]:
    """Bytes of weights in host memory, then on each device of ``shares``.

    ``prediction`` tells that prediction blocks are in use, ``copied`` that even the CPU holds a tied head twice.
    """
    first = shares[0].start if shares else table.block_count
    head = weights.output_bytes + (weights.prediction_bytes if prediction else 0)
    held = [weights.input_bytes + table.weights_before[first] + table.experts_before[first]]
    for share in shares:
        on_device, on_host = weight_bytes(table, share, cpu_expert_layers)
        held[0] += on_host
        held.append(on_device + (head + weights.tied_output_bytes if share.output else 0))
    if not any(share.output for share in shares):
        held[0] += head + (weights.tied_output_bytes if copied else 0)
    return held


def cache_bytes(table: LayerTable, span: tuple[int, int], shape: CacheShape, serving: Serving, padded_v: int) -> int:
    """KV bytes of the blocks ``span[0]`` to ``span[1]``."""
    total = 0
    for kind in table.kinds:
        if (kind.layer.k_width or kind.layer.v_width) and (count := kind.count(*span)):
            total += count * layer_cache_bytes(kind.layer, shape, serving, padded_v)
    return total


def recurrent_bytes(table: LayerTable, span: tuple[int, int], serving: Serving) -> int:
    """State bytes of the blocks ``span[0]`` to ``span[1]``."""
    total = 0
    for kind in table.kinds:
        if kind.layer.state_elements and (count := kind.count(*span)):
            total += count * state_bytes(kind.layer, serving)
    return total


def prediction_cache_bytes(table: LayerTable, shape: CacheShape, serving: Serving) -> int:
    """KV bytes of the prediction blocks' own context, which is as long as the model's."""
    return sum(
        kind.count(0, table.block_count) * layer_cache_bytes(kind.layer, shape, serving)
        for kind in table.prediction_kinds
        if kind.layer.attention is not RECURRENT
    )
