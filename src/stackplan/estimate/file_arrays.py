"""All files of one model side by side: running sums over the blocks, a row a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stackplan.architecture import Architecture, WeightTable
from stackplan.arrays import Floats, Integers
from stackplan.estimate.speed_traffic import KV_ELEMENT_BYTES, THRIFTIEST, Workload, expert_share, file_type


@dataclass(frozen=True, slots=True, eq=False)
class ShapeArrays:
    """What a model's shape decides, block by block.

    ``counted`` is 0 for prediction blocks, which load only to draft; ``routed`` are the parts of a block's experts that
    a token is routed to. Rows of ``sums`` are what is before each block: bytes of a thrifty cache and state, layers,
    expert layers and recurrent layers (see `speed_traffic.Workload`).
    """

    block_count: int
    family: str
    counted: Integers
    routed: Floats
    sums: Floats

    @classmethod
    def of(cls, architecture: Architecture, work: Workload, kv_depth_tokens: int) -> "ShapeArrays":
        """Of a model and the workload of any of its files, with so many tokens in the cache."""
        rows = (work.full_k, work.full_v, work.sliding_k, work.sliding_v, work.state_bytes)
        full_k, full_v, sliding_k, sliding_v, state = np.array(rows, dtype=np.float64)
        window = min(kv_depth_tokens, work.sliding_window or kv_depth_tokens)
        cells = (full_k + full_v) * kv_depth_tokens + (sliding_k + sliding_v) * window
        counts = np.array([work.layers, work.expert_layers, work.recurrent_layers], dtype=np.float64)
        return cls(
            work.block_count,
            work.family,
            np.array([not layer.prediction for layer in architecture.layers], dtype=np.int64),
            np.array([expert_share(layer) for layer in architecture.layers]),
            np.vstack([cells * KV_ELEMENT_BYTES[THRIFTIEST] + state, counts]),
        )


class FileArrays(Struct, frozen=True, eq=False):
    """Bytes before each block, of it without experts and of experts, and bytes of experts that a token reads.

    ``beside`` has by file the embeddings, the head, an offloaded copy of a tied head, and prediction blocks.
    ``quantisations`` are the names that speeds know. ``run_alike`` tells that the same blocks run in every file, and
    that prediction blocks come last, as in every published model: then one shape speaks for all.
    """

    shape: ShapeArrays
    layers: Integers
    experts: Integers
    read: Floats
    beside: Integers
    quantisations: tuple[str, ...]
    run_alike: bool

    @classmethod
    def of(cls, shape: ShapeArrays, files: Sequence[tuple[WeightTable, str]]) -> "FileArrays":
        """Of files of one model, each with the name of its quantisation."""
        tables = [table for table, _ in files]
        layers = _sizes([table.layer_bytes for table in tables], shape.counted)
        experts = _sizes([table.expert_bytes for table in tables], shape.counted)
        return cls(
            shape,
            _before(layers),
            _before(experts),
            _before(experts * shape.routed),
            np.array([(t.input_bytes, t.output_bytes, t.tied_output_bytes, t.prediction_bytes) for t in tables]),
            tuple([file_type(name) for _, name in files]),
            {int(shape.counted[: len(own.layer_bytes)].sum()) for own in tables} == {shape.block_count}
            and bool((np.diff(shape.counted) <= 0).all()),
        )


def _sizes(told: Sequence[tuple[int, ...]], counted: Integers) -> Integers:
    """By file and block; a looped model has more layers than blocks with weights, a file may have one too many."""
    if {len(own) for own in told} == {len(counted)}:
        return np.array(told, dtype=np.int64) * counted
    found = np.zeros((len(told), len(counted)), dtype=np.int64)
    for row, own in zip(found, told, strict=True):
        row[: len(own)] = own[: len(counted)]
    return found * counted


def _before(sizes: NDArray[Any]) -> NDArray[Any]:
    """What is before each block, and before the end."""
    found = np.zeros((sizes.shape[0], sizes.shape[1] + 1), dtype=sizes.dtype)
    np.cumsum(sizes, axis=1, out=found[:, 1:])
    return found
