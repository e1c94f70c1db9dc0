"""Prospects and bases as rows to be priced."""

from collections.abc import Iterable, Sequence

from stackplan.bases import Base, BaseFinder
from stackplan.needs import RoleNeed
from stackplan.offered import Sketch, Terms
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


def outlook_of(closed: Prospect | Lot, finder: BaseFinder, terms: Terms) -> Sketch:
    """The sketch of what nobody has worked out: no base that it holds is worth more or takes less."""
    return _sketched(closed.served, closed.placement, closed.best, closed.least, finder, terms)


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
