"""Prospects and bases as rows to be priced."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

from stackplan.arrays import Floats, Integers
from stackplan.bases import Base, BaseFinder
from stackplan.needs import pools_of, speaking
from stackplan.option_rows import Rows, Sketch, Terms, amounts_loaded
from stackplan.options import VALUE_PER_POINT, swap_group
from stackplan.prospects import Prospect, Served
from stackplan.serving import Placement
from stackplan.taken import Taken, mapped_in
from stackplan.ways import Lot


def terms_of(prospects: Sequence[Prospect], finder: BaseFinder) -> Terms:
    """What the columns of a market stand for: interchangeable needs are one.

    The solver merges them as well (`solve.index.alike_needs`), so that prices of the first are those of all.
    """

    def numbered(names: Iterable[str]) -> dict[str, int]:
        return {name: number for number, name in enumerate(dict.fromkeys(names))}

    needs = speaking(finder.needs)
    places = numbered(need.id for need in needs)
    pools = numbered(pool.id for pool in finder.host.pools)
    return Terms(
        needs=needs,
        places=places,
        pools=pools,
        keys=numbered(one.served.key for one in prospects),
        lineages=numbered(one.served.model.lineage for one in prospects),
        groups=numbered(map(_group, prospects)),
        apart=tuple(tuple(places[need.id] for need in members) for members in pools_of(needs) if len(members) > 1),
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
    told = [(one, one.most[:, None], one.least[None, :]) for one in prospects]
    return _bounding(told, terms)


def files_of(prospects: Sequence[Prospect], terms: Terms) -> Rows:
    """A row for each file of each prospect."""
    return _bounding([(one, one.worth, one.held) for one in prospects], terms)


def _bounding(told: Sequence[tuple[Prospect, Floats, Integers]], terms: Terms) -> Rows:
    """Rows of points by need and file, and of bytes by file and pool, of one prospect after the other."""
    fixed = np.concatenate([np.zeros((0, len(terms.pools)), dtype=np.int64), *[held for _, _, held in told]])
    values, end = np.full((len(fixed), len(terms.needs)), -np.inf), 0
    names: list[tuple[int, int, int]] = []
    for _, run in groupby(told, lambda one: id(one[0].served)):
        own = list(run)
        rows, columns, factors = _scale(own[0][0].served, terms)
        points = np.concatenate([worth for _, worth, _ in own], axis=1)
        values[end : end + points.shape[1], columns] = points[rows].T * factors
        end += points.shape[1]
        names += [_numbers(one, terms) for one, _, _ in own]
    sizes = np.array([len(held) for _, _, held in told], dtype=np.int64)
    key, lineage, group = np.repeat(np.array(names, dtype=np.int64).reshape(-1, 3), sizes, axis=0).T
    return Rows(values, key, lineage, group, *amounts_loaded(fixed, np.zeros_like(fixed), fixed, terms))


def _numbers(one: Prospect, terms: Terms) -> tuple[int, int, int]:
    served = one.served
    return terms.keys[served.key], terms.lineages[served.model.lineage], terms.groups[_group(one)]


def _group(one: Prospect) -> str:
    return swap_group(one.served.engine, one.placement)


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
