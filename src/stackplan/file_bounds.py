"""What files of a model are worth at most and hold at least in many places, told in arrays before any is looked at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log2

import numpy as np

from stackplan.arrays import Floats, Integers, Truths
from stackplan.bare import SEPARABLE_ENGINES
from stackplan.catalog import Artifact, Model
from stackplan.estimate.side_by_side import Rates, SideBySide
from stackplan.needs import RoleNeed
from stackplan.proposers import Proposers
from stackplan.rating import Rating
from stackplan.serving import Placement
from stackplan.utility import LEAST_FACTOR


@dataclass(frozen=True, slots=True, eq=False)
class FileBounds:
    """Points by place, need and file at most (-inf: none), and bytes by place, file and pool at least."""

    worth: Floats
    held: Integers

    def among(self, places: slice) -> "FileBounds":
        """Those in some of the places."""
        return FileBounds(self.worth[places], self.held[places])

    def of(self, files: Sequence[int]) -> "FileBounds":
        """Those of some of the files."""
        return FileBounds(self.worth[..., files], self.held[:, files])


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
        if needs[0].role.mode == "chat":
            rates = self.at_once.rates_at_most(model, files, placements)
            speedups = self._speedups(model, engine, placements)
        else:
            rates, speedups = Rates.unknown(len(placements), len(files)), [1.0] * len(placements)
        kept = np.array([self.rating.kept(model, file, "f16") for file in files])
        begun, wishes = [self.rating.begun(need, model) for need in needs], self._wished(needs)
        points = wishes.left(rates.doublings, speedups) * (np.array([[one or 0.0] for one in begun]) * kept)
        barred = (rates.per_second[:, None, :] < wishes.floor) | np.array([[one is None] for one in begun])
        worth = np.where(barred, -np.inf, points)
        if engine in SEPARABLE_ENGINES:
            return FileBounds(worth, self.at_once.held_at_least(model, files, placements))
        nothing = np.zeros((len(placements), len(files), len(self.at_once.host.pools)), dtype=np.int64)
        return FileBounds(worth, nothing)

    def _speedups(self, model: Model, engine: str, placements: Sequence[Placement]) -> list[float]:
        """By placement; whether it is cut decides."""
        kinds = {placement.is_cut: placement for placement in placements}
        most = {cut: self.proposers.most_speedup(model, engine, placement) for cut, placement in kinds.items()}
        return [most[placement.is_cut] for placement in placements]

    def _wished(self, needs: Sequence[RoleNeed]) -> "_Wishes":
        key = tuple([need.id for need in needs])
        if key not in self._wishes:
            self._wishes[key] = _Wishes.of(needs, self.rating)
        return self._wishes[key]


@dataclass(frozen=True, slots=True, eq=False)
class _Wishes:
    """What needs wish of speed, one after the other: see `utility.Wish`."""

    floor: Floats
    speculates: Truths
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

    def left(self, doublings: Floats, speedups: Sequence[float]) -> Floats:
        """What speed leaves of each need's points, by placement, need and file, of what proposes tokens too.

        ``doublings`` are logarithms of rates by placement and file, ``speedups`` by placement.
        """
        short = self.doublings - doublings[:, None, :]
        if any(one > 1.0 for one in speedups):
            short = short - self.speculates * np.array([log2(one) for one in speedups]).reshape(-1, 1, 1)
        short = np.minimum(np.maximum(short * self.per_doubling, 0.0), 1.0)
        left: Floats = np.maximum(1.0 - self.cost * short, LEAST_FACTOR)
        return left
