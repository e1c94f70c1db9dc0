"""All files of a model in all places of a host at once: the least that they hold and the fastest that they decode.

Told from the catalog alone, before anything is estimated: bounds of what `speed.decode` and the engines say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log2

import numpy as np
from msgspec import Struct

from stackplan.architecture import Architecture, WeightTable
from stackplan.arrays import Floats, Integers
from stackplan.catalog import Artifact, Model
from stackplan.estimate.file_arrays import FileArrays, ShapeArrays
from stackplan.estimate.file_speeds import Readings, rates_at_most, readings
from stackplan.estimate.file_weights import Holdings, held_by_pool, holdings
from stackplan.estimate.placement import copies_tied_head
from stackplan.estimate.speculation import predicting
from stackplan.estimate.speed_model import SpeedModel
from stackplan.estimate.speed_rates import HostRates
from stackplan.estimate.speed_traffic import Workloads
from stackplan.hardware import Host
from stackplan.serving import HOST, Placement
from stackplan.values import replace

_Key = tuple[int | str, ...]  # the identity of a shape, and by file that of its weights and its quantisation


class Rates(Struct, frozen=True, eq=False):
    """Tokens per second by placement and file, and their binary logarithms."""

    per_second: Floats
    doublings: Floats

    @classmethod
    def of(cls, per_second: Floats) -> "Rates":
        """Of rates. An array's own logarithm rounds as each processor likes."""
        told = [log2(rate) for rate in per_second.ravel().tolist()]
        return cls(per_second, np.array(told).reshape(per_second.shape))

    @classmethod
    def unknown(cls, placements: int, files: int) -> "Rates":
        """No bound."""
        rates = np.full((placements, files), np.inf)
        return cls(rates, rates)

    @classmethod
    def joined(cls, several: "Sequence[Rates]") -> "Rates":
        """Of the files of all of them, in the same places."""
        rates, doublings = ([each.per_second for each in several], [each.doublings for each in several])
        return cls(np.concatenate(rates, axis=1), np.concatenate(doublings, axis=1))

    def among(self, places: slice) -> "Rates":
        """In some of the places."""
        return Rates(self.per_second[places], self.doublings[places])

    def some(self, files: Sequence[int]) -> "Rates":
        """Of some of the files."""
        return Rates(self.per_second[:, files], self.doublings[:, files])


@dataclass(slots=True, repr=False)
class SideBySide:
    """Bounds on one host; speeds are compared with so many tokens already read.

    Where speeds ``may_be_measured`` nothing bounds them: what was measured has the last word.
    """

    host: Host
    model: SpeedModel
    rates: HostRates
    kv_depth_tokens: int
    may_be_measured: bool
    workloads: Workloads = field(default_factory=Workloads)
    _pools: dict[str, int] = field(init=False)
    _shapes: dict[tuple[int, int], ShapeArrays] = field(default_factory=dict)
    _files: dict[_Key, FileArrays | None] = field(default_factory=dict)
    _together: dict[int, tuple[Placement, ...]] = field(default_factory=dict)
    _readings: dict[tuple[int, int], Readings] = field(default_factory=dict)
    _holdings: dict[tuple[int, int, bool, bool], Holdings] = field(default_factory=dict)
    _rates: dict[tuple[int, int], Rates] = field(default_factory=dict)
    _held: dict[tuple[int, int], Integers] = field(default_factory=dict)
    _alive: list[object] = field(default_factory=list)  # so that identities, which are quicker than hashes, stay theirs

    def __post_init__(self) -> None:
        """Number the pools as the host lists them."""
        numbers = {pool.id: number for number, pool in enumerate(self.host.pools)}
        self._pools = {one.id: numbers[one.pool] for one in self.host.devices} | {HOST: numbers[self.host.host_pool.id]}

    def rates_at_most(self, model: Model, files: Sequence[Artifact], placements: tuple[Placement, ...]) -> Rates:
        """Tokens per second by placement and file that one stream never exceeds; infinite where nobody knows."""
        known = None if self.may_be_measured else self._known(model, files)
        if known is None or not known.run_alike:
            return Rates.unknown(len(placements), len(files))
        key = (id(known), self._named(placements))
        if key not in self._rates:
            self._rates[key] = Rates.of(rates_at_most(self.model, known, self._read(known, placements)))
        return self._rates[key]

    def held_at_least(self, model: Model, files: Sequence[Artifact], placements: tuple[Placement, ...]) -> Integers:
        """Bytes of weights by placement, file and pool (as the host lists them) as llama.cpp holds them.

        A prediction head in use counts as layers, so that a cut moves; 0 where nobody knows.
        """
        known, shape = self._known(model, files), model.architecture
        if known is None or shape is None:
            return np.zeros((len(placements), len(files), len(self.host.pools)), dtype=np.int64)
        key = (id(known), self._named(placements))
        if key not in self._held:
            self._held[key] = self._least(known, shape, placements)
        return self._held[key]

    def _named(self, placements: tuple[Placement, ...]) -> int:
        """A name for placements that are asked about together: hashing all of them takes longer than their sums."""
        self._together.setdefault(id(placements), placements)
        return id(placements)

    def _read(self, known: FileArrays, placements: tuple[Placement, ...]) -> Readings:
        key = (known.shape.block_count, self._named(placements))
        if key not in self._readings:
            self._readings[key] = readings(self.model, self.rates, known.shape.block_count, placements)
        return self._readings[key]

    def _least(self, known: FileArrays, shape: Architecture, placements: tuple[Placement, ...]) -> Integers:
        held, heads = held_by_pool(known, self._where(shape, placements, predicting=False)), known.beside[:, 3] > 0
        if heads.any() and any(place.is_cut for place in placements):
            grown = predicting(shape)
            ahead = _with_block(known) if len(grown.layers) > len(shape.layers) else known
            also = held_by_pool(ahead, self._where(grown, placements, predicting=True))
            held = np.where(heads[:, None], np.minimum(held, also), held)
        return held

    def _known(self, model: Model, files: Sequence[Artifact]) -> FileArrays | None:
        """The files as arrays; None unless the model's shape and every file's weights are known."""
        shape = model.architecture
        key = (id(shape), *[part for file in files for part in (id(file.weights), file.quantisation)])
        if key not in self._files:
            tables = tuple([(file.weights, file.quantisation) for file in files if file.weights])
            known = bool(tables) and len(tables) == len(files)
            self._alive += [shape, *[file.weights for file in files]]
            self._files[key] = FileArrays.of(self._shape(shape, tables[0][0]), tables) if shape and known else None
        return self._files[key]

    def _shape(self, shape: Architecture, table: WeightTable) -> ShapeArrays:
        key = (id(shape), len(table.layer_bytes))
        if key not in self._shapes:
            self._shapes[key] = ShapeArrays.of(shape, self.workloads.of(shape, table), self.kv_depth_tokens)
        return self._shapes[key]

    def _where(self, shape: Architecture, placements: tuple[Placement, ...], *, predicting: bool) -> Holdings:
        count, copied = len(shape.layers), copies_tied_head(shape)
        key = (count, self._named(placements), copied, predicting)
        if key not in self._holdings:
            self._holdings[key] = holdings(count, placements, self._pools, copied=copied, predicting=predicting)
        return self._holdings[key]


def _with_block(files: FileArrays) -> FileArrays:
    """The same with one more block that weighs nothing of its own: the prediction block that a shape does not tell."""
    layers, experts = (np.pad(each, ((0, 0), (0, 1)), mode="edge") for each in (files.layers, files.experts))
    return replace(files, layers=layers, experts=experts)
