"""What files of a model are worth at most and hold at least in many places, told in arrays before any is looked at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import log2

import numpy as np
from msgspec import Struct

from stackplan.arrays import Floats, Integers, Truths
from stackplan.bare import SEPARABLE_ENGINES
from stackplan.catalog import Artifact, Model
from stackplan.estimate.side_by_side import Rates, SideBySide
from stackplan.needs import RoleNeed
from stackplan.proposers import Proposers
from stackplan.rating import Rating
from stackplan.serving import Placement
from stackplan.utility import LEAST_FACTOR


class Files(Struct, frozen=True, eq=False):
    """Files of a model in some places: the quality that each keeps, by place and file its speed, by pool its bytes."""

    model: Model
    engine: str
    kept: Floats
    rates: Rates
    held: Integers

    def __len__(self) -> int:
        """How many there are."""
        return len(self.kept)

    def among(self, places: slice) -> "Files":
        """In some of the places."""
        return Files(self.model, self.engine, self.kept, self.rates.among(places), self.held[places])

    def some(self, chosen: Sequence[int]) -> "Files":
        """Some of the files."""
        rates, held = self.rates.some(chosen), self.held[:, chosen]
        return Files(self.model, self.engine, self.kept[chosen], rates, held)


@dataclass(frozen=True, slots=True, eq=False)
class FileBounds:
    """Points by place, need and file at most (-inf: none), and bytes by place, file and pool at least.

    Files of several models stand one after the other, those of each from one of ``starts`` on.
    """

    worth: Floats
    held: Integers
    starts: list[int]


@dataclass(slots=True, repr=False)
class FileBounder:
    """Bounds files on one host under one policy."""

    rating: Rating
    at_once: SideBySide
    proposers: Proposers
    _wishes: dict[tuple[str, ...], "_Wishes"] = field(default_factory=dict)

    def files(
        self,
        model: Model,
        engine: str,
        artifacts: Sequence[Artifact],
        kept: Floats,
        placements: tuple[Placement, ...],
        *,
        chat: bool,
    ) -> Files:
        """Files with what the catalog alone tells of them in each place. Speeds count where text is written."""
        sizes = len(placements), len(artifacts)
        rates = self.at_once.rates_at_most(model, artifacts, placements) if chat else Rates.unknown(*sizes)
        if engine in SEPARABLE_ENGINES:
            return Files(model, engine, kept, rates, self.at_once.held_at_least(model, artifacts, placements))
        return Files(model, engine, kept, rates, np.zeros((*sizes, len(self.at_once.host.pools)), dtype=np.int64))

    def bounds(self, needs: Sequence[RoleNeed], placements: Sequence[Placement], files: Sequence[Files]) -> FileBounds:
        """Of the files of several models in the same places. Floors of speed hold without what proposes tokens."""
        counts, wishes = [len(each) for each in files], self._wished(needs)
        begun = [[self.rating.begun(need, each.model) for each in files] for need in needs]
        points = np.array([[one or 0.0 for one in row] for row in begun]).repeat(counts, axis=1)
        barred = np.array([[one is None for one in row] for row in begun]).repeat(counts, axis=1)
        kept = np.concatenate([each.kept for each in files])
        rates = Rates.joined([each.rates for each in files])
        left = wishes.left(rates.doublings, self._gained(needs, placements, files).repeat(counts, axis=1))
        missed = (rates.per_second[:, None, :] < wishes.floor) | barred
        worth = np.where(missed, -np.inf, left * (points * kept))
        return FileBounds(worth, np.concatenate([each.held for each in files], axis=1), [0, *accumulate(counts)][:-1])

    def _gained(self, needs: Sequence[RoleNeed], placements: Sequence[Placement], files: Sequence[Files]) -> Floats:
        """Doublings of speed by what proposes tokens, by place and model; whether a place is cut decides."""
        if needs[0].role.mode != "chat":
            return np.zeros((len(placements), len(files)))
        kinds = {place.is_cut: place for place in placements}
        most = {
            cut: [log2(self.proposers.most_speedup(each.model, each.engine, place)) for each in files]
            for cut, place in kinds.items()
        }
        return np.array([most[place.is_cut] for place in placements])

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

    def left(self, doublings: Floats, gained: Floats) -> Floats:
        """What speed leaves of each need's points, by placement, need and file, of what proposes tokens too.

        ``doublings`` are logarithms of rates by placement and file, ``gained`` those of the most that proposals add.
        """
        short = self.doublings - doublings[:, None, :]
        if gained.any():
            short -= self.speculates * gained[:, None, :]
        short = np.minimum(np.maximum(short * self.per_doubling, 0.0), 1.0)
        left: Floats = np.maximum(1.0 - self.cost * short, LEAST_FACTOR)
        return left
