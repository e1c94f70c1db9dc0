"""How fast several files of one model decode at most, in many places at once.

`speed.decode` as arrays, with the thriftiest cache: only reading the weights differs between files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from stackplan.arrays import Floats, Integers
from stackplan.estimate.file_arrays import FileArrays
from stackplan.estimate.speed import slowed_seconds_per_byte, spans
from stackplan.estimate.speed_model import SpeedModel
from stackplan.estimate.speed_rates import HostRates, PlaceRates
from stackplan.serving import HOST, Placement

_ROUNDING = 1e-9  # sums are added up in another order here: so much faster, at most


class _Part(NamedTuple):
    """What is done in one place: ranges of blocks and of experts, whether the head; and whether it only has experts."""

    rates: PlaceRates
    blocks: tuple[int, int]
    experts: tuple[int, int]
    head: bool = False
    only_experts: bool = False
    slowed: float = 0.0  # seconds per byte beside a card


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What is done where in several placements: the parts of one after those of the other, from ``starts`` on.

    ``constant`` is by placement what a token takes whatever the model; ``per_unit`` are seconds by row of
    `ShapeArrays.sums` and part, ``crossing`` those of each expert layer of a part.
    """

    starts: list[int]
    blocks: Integers
    experts: Integers
    head: Floats
    per_byte: Floats
    per_weight: Floats
    per_unit: Floats
    crossing: Floats
    constant: Floats


def readings(model: SpeedModel, rates: HostRates, block_count: int, placements: Sequence[Placement]) -> Readings:
    """Of models with so many blocks."""
    own = [_parts(model, rates, block_count, placement) for placement in placements]
    parts, crossing = [part for each in own for part in each], model.crossing_seconds
    return Readings(
        [0, *accumulate(map(len, own))][:-1],
        np.array([part.blocks for part in parts]).T,
        np.array([part.experts for part in parts]).T,
        np.array([float(part.head) for part in parts]),
        np.array([part.rates.weight_seconds_per_byte + part.slowed for part in parts]),
        np.array([part.rates.seconds_per_weight for part in parts]),
        np.array([_per_unit(part.rates) for part in parts]).T,
        np.array([2 * crossing * part.only_experts for part in parts]),
        np.array([(len(each) - 1) * crossing + each[-1].rates.token_seconds for each in own]),
    )


def _per_unit(rates: PlaceRates) -> tuple[float, float, float, float]:
    launches = (rates.layer_seconds, rates.expert_layer_seconds, rates.recurrent_layer_seconds)
    return (rates.kv_seconds_per_byte, *launches)


def _parts(model: SpeedModel, rates: HostRates, block_count: int, placement: Placement) -> list[_Part]:
    """In the order of `speed.place_shares`."""
    found: list[tuple[str, _Part]] = []
    for place, first, end, experts_from in spans(block_count, placement):
        last = min(end, block_count)
        if experts_from > first:
            found.append((HOST, _Part(rates.cpu, (0, 0), (first, experts_from), only_experts=True)))
        kept = min(max(first, experts_from), last)
        here = rates.places.get(place, rates.cpu)
        found.append((place, _Part(here, (first, last), (kept, last), head=end > block_count)))
    slowed = slowed_seconds_per_byte(model, rates) if len(found) > 1 else 0.0
    return [part._replace(slowed=slowed) if place == HOST else part for place, part in found]


def rates_at_most(model: SpeedModel, files: FileArrays, read: Readings) -> Floats:
    """Tokens per second by placement and file."""
    (first, last), (kept, end), sums = read.blocks, read.experts, files.shape.sums
    head = files.beside[:, 1:2] + files.beside[:, 2:3]
    weights = files.layers[:, last] - files.layers[:, first] + head * read.head
    weights = weights + (files.read[:, end] - files.read[:, kept])
    spent = weights * (read.per_byte + _weights_per_byte(model, files) * read.per_weight)
    spent += ((sums[:, last] - sums[:, first]) * read.per_unit).sum(axis=0)
    spent += (sums[2, end] - sums[2, kept]) * read.crossing
    seconds = (np.add.reduceat(spent, read.starts, axis=1) + read.constant) * _factors(model, files)
    rates: Floats = (1 + _ROUNDING) / seconds.T
    return rates


def _weights_per_byte(model: SpeedModel, files: FileArrays) -> Floats:
    bits = model.bits_per_weight
    return np.array([[8 / bits.get(name, bits["default"])] for name in files.quantisations])


def _factors(model: SpeedModel, files: FileArrays) -> Floats:
    family = model.families.get(files.shape.family, 1.0)
    return np.array([[family * model.quantisations.get(name, 1.0)] for name in files.quantisations])
