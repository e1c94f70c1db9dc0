"""What files of a model are worth at most and hold at least in many places, told in arrays before any is looked at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log2

import numpy as np
from numpy.typing import NDArray

from stackplan.bare import SEPARABLE_ENGINES
from stackplan.catalog import Artifact, Model
from stackplan.estimate.side_by_side import SideBySide
from stackplan.needs import RoleNeed
from stackplan.proposers import Proposers
from stackplan.rating import Rating
from stackplan.serving import Placement
from stackplan.utility import LEAST_FACTOR

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FileBounds:
    """Points by place, need and file at most (-inf: none), and bytes by place, file and pool at least."""

    worth: Floats
    held: Integers

    def some(self, places: slice, files: Sequence[int]) -> "FileBounds":
        """Those of some of the places and files."""
        return FileBounds(self.worth[places][..., files], self.held[places][:, files])


@dataclass(slots=True, repr=False)
class FileBounder:
    """Bounds files on one host under one policy."""

    rating: Rating
    at_once: SideBySide
    proposers: Proposers
    _wishes: dict[tuple[str, ...], "_Wishes"] = field(default_factory=dict)

    def bounds(
        self,
        model: Model,
        engine: str,
        needs: Sequence[RoleNeed],
        files: Sequence[Artifact],
        placements: tuple[Placement, ...],
    ) -> FileBounds:
        """In each placement. Speeds count where text is written; their floors hold without what proposes tokens."""
        kept = np.array([self.rating.kept(model, file, "f16") for file in files])
        rates = np.full((len(placements), len(files)), np.inf)
        speedups = [1.0] * len(placements)
        if needs[0].role.mode == "chat":
            rates = self.at_once.rates_at_most(model, files, placements)
            speedups = [self.proposers.most_speedup(model, engine, placement) for placement in placements]
        begun = [self.rating.begun(need, model) for need in needs]
        wishes = self._wished(needs)
        points = wishes.left(rates, speedups) * (np.array([[one or 0.0] for one in begun]) * kept)
        barred = (rates[:, None, :] < wishes.floor) | np.array([[one is None] for one in begun])
        worth = np.where(barred, -np.inf, points)
        if engine in SEPARABLE_ENGINES:
            return FileBounds(worth, self.at_once.held_at_least(model, files, placements))
        return FileBounds(worth, np.zeros((*rates.shape, len(self.at_once.host.pools)), dtype=np.int64))

    def _wished(self, needs: Sequence[RoleNeed]) -> "_Wishes":
        key = tuple([need.id for need in needs])
        if key not in self._wishes:
            self._wishes[key] = _Wishes.of(needs, self.rating)
        return self._wishes[key]


@dataclass(frozen=True, slots=True, eq=False)
class _Wishes:
    """What needs wish of speed, one after the other: see `utility.Wish`."""

    floor: Floats
    speculates: NDArray[np.bool_]
    doublings: Floats  # log2 of the speed wished
    per_doubling: Floats  # of a whole shortfall
    cost: Floats  # of a whole shortfall, as a share of the worth

    @classmethod
    def of(cls, needs: Sequence[RoleNeed], rating: Rating) -> "_Wishes":
        """Each in a row of its own, to be held against files."""
        wishes = [rating.wish(need) for need in needs]

        def rows(values: Iterable[float]) -> Floats:
            return np.array(list(values), dtype=np.float64)[:, None]

        return cls(
            rows(need.speed_floor for need in needs),
            np.array([[need.role.speculation] for need in needs]),
            rows(log2(one.speed_wish) if one.speed_wish > 0 else -np.inf for one in wishes),
            rows(1 / one.speed_doublings for one in wishes),
            rows(one.speed_cost for one in wishes),
        )

    def left(self, rates: Floats, speedups: Sequence[float]) -> Floats:
        """What speed leaves of each need's points, by placement, need and file, of what proposes tokens too.

        ``rates`` are by placement and file, ``speedups`` by placement.
        """
        told = [log2(rate) for rate in rates.ravel().tolist()]  # an array's log2 rounds as each processor likes
        plain = np.array(told).reshape(len(speedups), 1, -1)
        gained = np.array([log2(one) for one in speedups]).reshape(-1, 1, 1)
        short = np.clip((self.doublings - plain - self.speculates * gained) * self.per_doubling, 0.0, 1.0)
        left: Floats = np.maximum(1.0 - self.cost * short, LEAST_FACTOR)
        return left
