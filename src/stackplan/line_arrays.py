"""A curve over contexts as arrays, so that all contexts of a file are told at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from stackplan.bare import Bare, File
from stackplan.serving import Unestimable
from stackplan.taken import PoolTaken, Taken

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """What a file takes at each of ``contexts``: bytes by context and pool."""

    contexts: tuple[int, ...]
    pools: tuple[str, ...]
    fixed: Integers
    per_slot: Integers
    weights: Integers

    def __len__(self) -> int:
        """How many contexts there are."""
        return len(self.contexts)

    def taken(self, number: int) -> Taken:
        """What it takes at one of them."""
        amounts = (self.fixed[number].tolist(), self.per_slot[number].tolist(), self.weights[number].tolist())
        return Taken(tuple(map(PoolTaken, self.pools, *amounts)))


@dataclass(frozen=True, slots=True, eq=False)
class LineArrays:
    """A line of a shape as far as somebody can tell; staging by kind and pool, see `bare.Staging`."""

    pools: tuple[str, ...]
    fixed: Integers
    per_slot: Integers
    weights: Integers
    staging: tuple[tuple[int, int, Integers, Integers], ...]

    @classmethod
    def of(cls, line: Sequence[Bare | Unestimable]) -> "LineArrays":
        """The arrays of a line, up to the first context about which nobody can tell."""
        told = [point for point in takewhile(lambda point: isinstance(point, Bare), line) if isinstance(point, Bare)]
        if not told:
            none = np.zeros((0, 0), dtype=np.int64)
            return cls((), none, none, none, ())
        fixed, per_slot, weights = (
            np.array([getattr(point, name) for point in told], dtype=np.int64)
            for name in ("fixed", "per_slot", "weights")
        )
        staging = tuple(
            (
                one.position,
                one.kind,
                np.array([point.staging[number].room_bytes for point in told], dtype=np.int64),
                np.array([point.staging[number].copies for point in told], dtype=np.int64),
            )
            for number, one in enumerate(told[0].staging)
        )
        return cls(told[0].pools, fixed, per_slot, weights, staging)

    def points(self, contexts: tuple[int, ...], file: File, budget: Callable[[str], int]) -> Points:
        """What the file takes at the first contexts, as many as fit: a longer one never needs fewer bytes."""
        held = np.array(file.weights or (0,) * len(self.pools), dtype=np.int64)
        fixed = self.fixed + held
        for pool, kind, room, copies in self.staging:
            fixed[:, pool] = np.maximum(fixed[:, pool], room + copies * file.largest[kind] + held[pool])
        if file.vocabulary:
            fixed += np.array(file.vocabulary, dtype=np.int64)
        budgets = np.array([budget(pool) for pool in self.pools], dtype=np.int64)
        over: NDArray[np.bool_] = np.any(fixed + self.per_slot > budgets, axis=1)
        most = int(over.argmax()) if over.any() else len(over)
        return Points(contexts[:most], self.pools, fixed[:most], self.per_slot[:most], self.weights[:most] + held)
