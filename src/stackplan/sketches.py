"""Prospects and bases as rows to be priced."""

from collections.abc import Iterable, Sequence

import numpy as np

from stackplan.bases import Base, BaseFinder
from stackplan.needs import RoleNeed
from stackplan.offered import Floats, Integers, Rows, Sketch, Terms, amounts_loaded
from stackplan.options import VALUE_PER_POINT, swap_group
from stackplan.prospects import Prospect, Served
from stackplan.serving import Placement
from stackplan.taken import Taken, mapped_in
from stackplan.ways import Lot


def speaks(need: RoleNeed) -> bool:
    """Whether the need stands for itself, or for the interchangeable needs of its pool as their first."""
    return not need.pool or need.id == f"{need.pool}-1"


def terms_of(prospects: Sequence[Prospect], finder: BaseFinder) -> Terms:
    """What the columns of a market stand for: interchangeable needs are one."""

    def numbered(names: Iterable[str]) -> dict[str, int]:
        return {name: number for number, name in enumerate(dict.fromkeys(names))}

    needs = tuple(need for need in finder.needs if speaks(need))
    pools = numbered(pool.id for pool in finder.host.pools)
    return Terms(
        needs=needs,
        places=numbered(need.id for need in needs),
        pools=pools,
        keys=numbered(one.served.key for one in prospects),
        lineages=numbered(one.served.model.lineage for one in prospects),
        groups=numbered(swap_group(one.served.engine, one.placement) for one in prospects),
        mapped=pools.get(mapped_in(finder.host), -1),
    )


def sketch_of(base: Base, finder: BaseFinder, terms: Terms) -> Sketch:
    """What needs get of a base at best, and what it takes at least."""
    return _sketched(base.served, base.placement, base.merits, base.least, finder, terms)


def lot_sketch(lot: Lot, finder: BaseFinder, terms: Terms) -> Sketch:
    """The sketch of what nobody has worked out: no base that it holds is worth more or takes less."""
    return _sketched(lot.served, lot.placement, lot.best, lot.least, finder, terms)


def outlooks_of(prospects: Sequence[Prospect], terms: Terms) -> Rows:
    """A row for each prospect: as worthy as the best of its files, as light as the lightest."""
    worth = [one.worth.max(axis=1, keepdims=True) for one in prospects]
    held = [one.held.min(axis=0, keepdims=True) for one in prospects]
    return _bounding(prospects, worth, held, terms)


def files_of(prospects: Sequence[Prospect], terms: Terms) -> Rows:
    """A row for each file of each prospect."""
    return _bounding(prospects, [one.worth for one in prospects], [one.held for one in prospects], terms)


def _bounding(prospects: Sequence[Prospect], worth: Sequence[Floats], held: Sequence[Integers], terms: Terms) -> Rows:
    """Rows of points by need and file, and of bytes by file and pool, of one prospect after the other."""
    sizes = np.array([len(one) for one in held], dtype=np.int64)
    fixed = np.concatenate([np.zeros((0, len(terms.pools)), dtype=np.int64), *held])
    values = np.full((len(fixed), len(terms.needs)), -np.inf)
    scales: dict[int, tuple[list[int], list[int], Floats]] = {}
    end = 0
    for one, points in zip(prospects, worth, strict=True):
        own = scales.get(id(one.served)) or scales.setdefault(id(one.served), _scale(one.served, terms))
        rows, columns, factors = own
        values[end : end + points.shape[1], columns] = points[rows].T * factors
        end += points.shape[1]

    def repeated(numbers: Iterable[int]) -> Integers:
        return np.repeat(np.fromiter(numbers, dtype=np.int64, count=len(prospects)), sizes)

    return Rows(
        values,
        repeated(terms.keys[one.served.key] for one in prospects),
        repeated(terms.lineages[one.served.model.lineage] for one in prospects),
        repeated(terms.groups[swap_group(one.served.engine, one.placement)] for one in prospects),
        *amounts_loaded(fixed, np.zeros_like(fixed), fixed, terms),
    )


def _scale(served: Served, terms: Terms) -> tuple[list[int], list[int], Floats]:
    """Which of the needs served have a column among the terms, the columns, and value per point."""
    own = [(row, terms.places[need.id], need) for row, need in enumerate(served.needs) if need.id in terms.places]
    factors = np.array([need.priority * VALUE_PER_POINT for _, _, need in own], dtype=np.float64)
    return [row for row, _, _ in own], [column for _, column, _ in own], factors


def _sketched(
    served: Served,
    placement: Placement,
    merits: Iterable[tuple[int, float]],
    taken: Taken,
    finder: BaseFinder,
    terms: Terms,
) -> Sketch:
    asking = [(finder.needs[position], merit) for position, merit in merits]
    values = [(terms.places[n.id], merit * n.priority * VALUE_PER_POINT) for n, merit in asking if n.id in terms.places]
    return Sketch(served.key, served.model.lineage, swap_group(served.engine, placement), values, taken)
