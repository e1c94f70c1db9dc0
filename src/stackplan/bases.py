"""Ways to run one model in one place, each a curve over context: what options are made of.

A base fixes artifact, placement and KV type. What it takes at each context is the shape's part (cache, state, buffers:
the same for every quantisation) plus the file's part (weights), so that the shape is asked once for all files.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from stackplan.arrays import Integers, Truths
from stackplan.assess import Assess
from stackplan.bare import loaded
from stackplan.catalog import Artifact
from stackplan.configuration import Configuration, place_name
from stackplan.curves import Curves
from stackplan.dominated import Undominated
from stackplan.eligibility import Refusal
from stackplan.file_bounds import FileBounder
from stackplan.hardware import Host
from stackplan.line_arrays import Points
from stackplan.needs import RoleNeed
from stackplan.proposers import Proposers
from stackplan.prospects import Prospect, Prospector, Served
from stackplan.rating import Rating
from stackplan.serving import Unestimable
from stackplan.stack import Policy
from stackplan.taken import Taken
from stackplan.values import replace
from stackplan.ways import Lot, Rater, Way


class Base(Way, frozen=True, eq=False):
    """A way to run a model, and what it takes at the first of its contexts: with one slot that fits its place alone."""

    least: Taken


@dataclass(slots=True, repr=False)
class BaseFinder:
    """Finds the bases of models on one host, and their curves over context; refusals are gathered on the way."""

    host: Host
    needs: tuple[RoleNeed, ...]
    policy: Policy
    assess: Assess
    rating: Rating
    proposers: Proposers
    refusals: list[Refusal] = field(default_factory=list)
    _bases: dict[Prospect, tuple[Base, ...]] = field(default_factory=dict)
    _opened: dict[Way, Base | None] = field(default_factory=dict)
    _curves: Curves = field(init=False)
    _rater: Rater = field(init=False)
    _budgets: Integers = field(init=False)

    def __post_init__(self) -> None:
        """Begin to remember curves."""
        self._curves = Curves(self.assess)
        self._budgets = np.array([pool.budget_bytes for pool in self.host.pools], dtype=np.int64)
        positions = {need.id: position for position, need in enumerate(self.needs)}
        known = (self.host, self.needs, self.assess, self.rating, self.proposers)
        self._rater = Rater(*known, self._curves, self.refusals, positions)

    def holding(self, needs: tuple[RoleNeed, ...]) -> "BaseFinder":
        """The same for needs that are held otherwise: what was opened stays as it is."""
        other = replace(self, needs=needs)
        other._curves, other._rater = self._curves, self._rater
        return other

    def prospects(self, served: Iterable[Served]) -> tuple[Prospect, ...]:
        """Where models could run, before anything is estimated; who can run nowhere is refused."""
        found: list[Prospect] = []
        bounder = FileBounder(self.rating, self.assess.at_once, self.proposers)
        prospector = Prospector(self.host, self.policy, self.rating, bounder, self._rater.positions)
        several = list(served)
        for one, own in zip(several, prospector.prospects(several), strict=True):
            obstacles = dict(prospector.obstacles(one))
            if all(prospect.placement.is_cut for prospect in own):
                obstacles.setdefault("engine-backend", Unestimable("engine-backend", one.engine))
            for reason, told in obstacles.items():
                self.refusals += [Refusal(need.id, one.model.id, reason, "", told.detail) for need in one.needs]
            found += own
        return tuple(found)

    def hopeful(self, prospects: Sequence[Prospect]) -> list[Prospect]:
        """Those of which the weights of some file alone exceed no pool that they are in."""
        least = np.array([one.least for one in prospects], dtype=np.int64).reshape(-1, len(self._budgets))
        return [prospects[number] for number in np.flatnonzero(self.fits(least)).tolist()]

    def fits(self, held: Integers) -> Truths:
        """Whether bytes by pool (in the last dimension, as the host lists them) fit each of the pools."""
        fits: Truths = np.asarray((held <= self._budgets).all(axis=-1))
        return fits

    def lots(self, prospect: Prospect) -> Iterator[Lot]:
        """The files of a prospect that may fit its place and are worth something to somebody."""
        undominated = Undominated()
        for file in prospect.files:
            lot = self.lot(prospect, file, undominated)
            if lot is not None:
                yield lot

    def lot(self, prospect: Prospect, file: Artifact, undominated: Undominated) -> Lot | None:
        """One of them, but for ways that others which were looked at before make pointless."""
        return self._rater.lot(prospect, file, undominated)

    def bases_of(self, lot: Lot) -> Iterator[Base]:
        """Every base of a lot that fits its place alone; worked out once."""
        for way in lot.ways:
            if way not in self._opened:
                self._opened[way] = self._based(way)
            if base := self._opened[way]:
                yield base

    def bases(self, prospect: Prospect) -> tuple[Base, ...]:
        """Every base of a prospect that fits its place alone; worked out once."""
        known = self._bases.get(prospect)
        if known is None:
            known = tuple(base for lot in self.lots(prospect) for base in self.bases_of(lot))
            self._bases[prospect] = known
        return known

    def curve(self, base: Base) -> list[tuple[int, Taken]]:
        """What the base takes at each context that fits its place alone, ascending."""
        points = self.points(base)
        return [(context, points.taken(number)) for number, context in enumerate(points.contexts)]

    def points(self, base: Base) -> Points:
        """The same as arrays."""
        first = base.configuration(base.contexts[0])
        file, slots = self._curves.file(first), sum(need.slots for need in base.served.needs)
        line = self._curves.shape(first, file.largest).arrays(base.contexts, file.largest, slots)
        return line.points(base.contexts, file, self._rater.budget)

    def _based(self, way: Way) -> Base | None:
        configuration = way.configuration(way.contexts[0])
        least = self._taken(configuration)
        if isinstance(least, Unestimable):
            self._refuse(way, least.reason, least.detail)
        elif short := self._shortfall(least):
            self._refuse(way, "memory", f"{way.contexts[0]} tokens on {place_name(way.placement)}", *short)
        else:
            own = (way.served, way.artifact, way.placement, way.kv_type, way.speed, way.merits, way.contexts)
            return Base(*own, way.ahead, least)
        return None

    def _taken(self, configuration: Configuration) -> Taken | Unestimable:
        file = self._curves.file(configuration)
        point = self._curves.shape(configuration, file.largest).at(configuration.context_tokens)
        return point if isinstance(point, Unestimable) else loaded(point, file)

    def _shortfall(self, taken: Taken) -> tuple[str, int] | None:
        """The pool that misses most, and how much, when one instance with one slot does not fit alone."""
        missing = [(p.fixed_bytes + p.per_slot_bytes - self._rater.budget(p.pool), p.pool) for p in taken.pools]
        worst, pool_id = max(missing)
        return (pool_id, worst) if worst > 0 else None

    def _refuse(self, way: Way, reason: str, where: str, pool: str = "", missing: int = 0) -> None:
        if way.ahead is not None:
            return  # without proposals it may well be offered
        for position, _ in way.merits:
            need, model = self.needs[position].id, way.served.model.id
            self.refusals.append(Refusal(need, model, reason, way.artifact.id, where, pool, missing))
