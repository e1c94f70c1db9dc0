"""Options as rows of arrays: what each need would get of a row, and what the row takes of each pool.

Half a million options are looked at in every round of pricing; told one by one they would take seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import Struct

from stackplan.arrays import Floats, Integers
from stackplan.line_arrays import Points
from stackplan.needs import RoleNeed
from stackplan.taken import Taken


@dataclass(frozen=True, slots=True)
class Terms:
    """What the numbers of columns and rows stand for."""

    needs: tuple[RoleNeed, ...]
    places: dict[str, int]  # of needs, by name
    pools: dict[str, int]
    keys: dict[str, int]
    lineages: dict[str, int]
    groups: dict[str, int]
    apart: tuple[tuple[int, ...], ...]  # numbers of needs of which no instance serves two
    mapped: int  # the pool where weights of WARM instances stay mapped; -1 where mapped pages are the loaded ones


class Rows(Struct, frozen=True):
    """Options, or bounds of them: value by need in HOT (-inf: does not serve it), and bytes by pool when loaded.

    Of the bytes in the pool where weights stay mapped ``loaded`` are weights; ``kept`` are those of all pools.
    """

    values: Floats
    key: Integers
    lineage: Integers
    group: Integers
    fixed: Integers
    per_slot: Integers
    loaded: Integers
    kept: Integers

    def __len__(self) -> int:
        """How many there are."""
        return len(self.key)

    def some(self, chosen: Any) -> "Rows":
        """The rows that an index chooses."""
        return Rows(*(getattr(self, name)[chosen] for name in self.__struct_fields__))


class Sketch(Struct, frozen=True):
    """One row, told in words."""

    key: str
    lineage: str
    group: str
    values: Sequence[tuple[int, float]]  # by place of the need among the terms
    taken: Taken


def rows_of(sketches: Sequence[Sketch], terms: Terms) -> Rows:
    """Sketches as rows."""
    values = np.full((len(sketches), len(terms.needs)), -np.inf)
    for row, one in enumerate(sketches):
        for need, value in one.values:
            values[row, need] = value

    def numbers(told: Iterable[int]) -> Integers:
        return np.fromiter(told, dtype=np.int64, count=len(sketches))

    return Rows(
        values,
        numbers(terms.keys[one.key] for one in sketches),
        numbers(terms.lineages[one.lineage] for one in sketches),
        numbers(terms.groups[one.group] for one in sketches),
        *amounts_of([one.taken for one in sketches], terms),
    )


def amounts_of(taken: Sequence[Taken], terms: Terms) -> tuple[Integers, Integers, Integers, Integers]:
    """What is taken as the last columns of rows: fixed and per slot by pool, loaded and kept."""
    amounts = np.zeros((3, len(taken), len(terms.pools)), dtype=np.int64)
    for row, one in enumerate(taken):
        for pool, *own in one.pools:
            amounts[:, row, terms.pools[pool]] = own
    return amounts_loaded(amounts[0], amounts[1], amounts[2], terms)


def amounts_at(told: Sequence[Points], terms: Terms) -> tuple[Integers, Integers, Integers, Integers]:
    """The same of points that are known as arrays, one after the other."""
    amounts, end = np.zeros((3, sum(map(len, told)), len(terms.pools)), dtype=np.int64), 0
    for points in told:
        begun, end = end, end + len(points)
        for number, pool in enumerate(points.pools):
            own = amounts[:, begun:end, terms.pools[pool]]
            own[0], own[1], own[2] = points.fixed[:, number], points.per_slot[:, number], points.weights[:, number]
    return amounts_loaded(amounts[0], amounts[1], amounts[2], terms)


def amounts_loaded(
    fixed: Integers, per_slot: Integers, weights: Integers, terms: Terms
) -> tuple[Integers, Integers, Integers, Integers]:
    """The same of bytes by row and pool."""
    if terms.mapped < 0:
        none = np.zeros(len(fixed), dtype=np.int64)
        return fixed, per_slot, none, none
    return fixed, per_slot, weights[:, terms.mapped].copy(), weights.sum(axis=1)


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows one after the other."""
    return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in Rows.__struct_fields__))
