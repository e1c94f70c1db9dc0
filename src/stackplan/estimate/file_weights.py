"""Bytes of weights of several files of one model in many places at once, as llama.cpp holds them.

The same as `weight_places` tells of one file in one place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stackplan.arrays import Integers
from stackplan.estimate.file_arrays import FileArrays
from stackplan.estimate.placement import shares
from stackplan.serving import HOST, Placement


class _Part(NamedTuple):
    """What of a file is in one place: ranges of blocks and of experts, and whether embeddings, head, tied copy."""

    place: str
    blocks: tuple[int, int]
    experts: tuple[int, int]
    beside: tuple[bool, bool, bool]


@dataclass(frozen=True, slots=True, eq=False)
class Holdings:
    """What is where in several placements, part by part; ``owners`` tell by part the placement and the pool."""

    shape: tuple[int, int]
    blocks: Integers
    experts: Integers
    beside: Integers
    owners: Integers


def holdings(
    block_count: int, placements: Sequence[Placement], pools: Mapping[str, int], *, copied: bool, predicting: bool
) -> Holdings:
    """Of models with so many blocks, where ``pools`` has the number of the pool of each place.

    ``copied`` tells that even the CPU holds a tied head twice, ``predicting`` that prediction blocks are in use.
    """
    own = [_parts(block_count, placement, copied=copied) for placement in placements]
    parts, count = [part for each in own for part in each], max(pools.values()) + 1
    owners = np.zeros((len(parts), len(placements) * count), dtype=np.int64)
    targets = [number * count + pools[part.place] for number, each in enumerate(own) for part in each]
    owners[np.arange(len(parts)), targets] = 1
    beside = np.array([(*part.beside, predicting and part.beside[1]) for part in parts], dtype=np.int64)
    blocks, experts = (np.array([getattr(part, name) for part in parts]).T for name in ("blocks", "experts"))
    return Holdings((len(placements), count), blocks, experts, beside.T, owners)


def held_by_pool(files: FileArrays, where: Holdings) -> Integers:
    """Bytes by placement, file and pool."""
    (begun, ended), (first, last) = where.blocks, where.experts
    sizes = files.layers[:, ended] - files.layers[:, begun] + files.experts[:, last] - files.experts[:, first]
    held = (sizes + files.beside @ where.beside) @ where.owners  # of whole numbers: exact in every order
    return held.reshape(-1, *where.shape).swapaxes(0, 1)


def _parts(block_count: int, placement: Placement, *, copied: bool) -> list[_Part]:
    """What is where: see `placement.held_weights`."""
    found = shares(block_count, placement) if placement.devices else ()
    first = found[0].start if found else block_count
    on_host = not any(share.output for share in found)
    parts = [_Part(HOST, (0, first), (0, first), (True, on_host, on_host and copied))]
    for share in found:
        kept = min(max(placement.cpu_expert_layers, share.start), share.stop)
        head = share.output
        parts.append(_Part(share.place, (share.start, share.stop), (kept, share.stop), (False, head, head)))
        if kept > share.start:
            parts.append(_Part(HOST, (0, 0), (share.start, kept), (False, False, False)))
    return parts
