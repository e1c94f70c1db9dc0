"""A curve over contexts as arrays, so that all contexts of a file are told at once."""

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

import numpy as np
from msgspec import Struct

from stackplan.arrays import Integers
from stackplan.bare import Bare, File, reordered
from stackplan.taken import PoolTaken, Taken

Row = tuple[int, ...]  # what `row_of` says of one context


class Points(Struct, frozen=True, eq=False):
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


class LineArrays(Struct, frozen=True, eq=False):
    """A line of a shape as far as somebody can tell; staging by kind and pool, see `bare.Staging`."""

    pools: tuple[str, ...]
    fixed: Integers
    per_slot: Integers
    weights: Integers
    staging: tuple[tuple[int, int, Integers, Integers], ...]

    @classmethod
    def of(cls, like: Bare, table: Integers) -> "LineArrays":
        """The arrays of a line of rows, in the pools and with the staging of ``like``."""
        count = len(like.pools)
        fixed, per_slot, weights = (table[:, start : start + count] for start in range(0, 3 * count, count))
        staged = zip(like.staging, table[:, 3 * count :: 2].T, table[:, 3 * count + 1 :: 2].T, strict=True)
        staging = tuple((one.position, one.kind, room, copies) for one, room, copies in staged)
        return cls(like.pools, fixed, per_slot, weights, staging)

    def renamed(self, pools: Mapping[str, str]) -> "LineArrays":
        """`bare.renamed` of each of its points."""
        order, names = reordered(self.pools, pools)
        parts = (self.fixed[:, order], self.per_slot[:, order], self.weights[:, order])
        staging = tuple((order.index(pool), kind, room, copies) for pool, kind, room, copies in self.staging)
        return LineArrays(names, *parts, staging)

    def raised(self, excess: Sequence[int]) -> "LineArrays":
        """The same with ``excess`` by pool more for each slot beyond the first: one slot takes what it took."""
        more = np.array(excess, dtype=np.int64)
        staging = tuple((pool, kind, room - more[pool], copies) for pool, kind, room, copies in self.staging)
        return LineArrays(self.pools, self.fixed - more, self.per_slot + more, self.weights, staging)

    def points(self, contexts: tuple[int, ...], file: File, budget: Callable[[str], int]) -> Points:
        """What the file takes at the first contexts, as many as fit: a longer one never needs fewer bytes."""
        none = (0,) * len(self.pools)
        held, vocabulary = (np.array(size or none, dtype=np.int64) for size in (file.weights, file.vocabulary))
        own = self._staged(file) if self.staging else self.fixed
        fixed, budgets = own + (held + vocabulary), [budget(pool) for pool in self.pools]
        over = (fixed + self.per_slot > budgets).ravel()
        first = int(over.argmax()) if len(over) else 0
        most = first // len(self.pools) if len(over) and over[first] else len(fixed)
        return Points(contexts[:most], self.pools, fixed[:most], self.per_slot[:most], self.weights[:most] + held)

    def _staged(self, file: File) -> Integers:
        fixed = self.fixed.copy()
        for pool, kind, room, copies in self.staging:
            fixed[:, pool] = np.maximum(fixed[:, pool], room + copies * file.largest[kind])
        return fixed


NONE = LineArrays((), *(np.zeros((0, 0), dtype=np.int64),) * 3, ())  # nobody can tell anything


def row_of(point: Bare) -> Row:
    """All amounts of a point in one row, as `LineArrays.of` takes them."""
    staged = [amount for one in point.staging for amount in (one.room_bytes, one.copies)]
    return (*point.fixed, *point.per_slot, *point.weights, *staged)


def drawn(contexts: Sequence[int], known: Mapping[int, Row | None]) -> Integers:
    """Rows at all contexts up to the first where nobody can tell, on straight lines between ``known`` positions."""
    told = list(takewhile(lambda position: known[position] is not None, sorted(known)))
    rows = np.array([known[position] for position in told], dtype=np.int64)
    if len(told) == told[-1] + 1:
        return rows
    asked = np.array([contexts[position] for position in told], dtype=np.int64)
    wanted = np.array(contexts[: told[-1] + 1], dtype=np.int64)
    left = np.searchsorted(asked, wanted, side="right") - 1
    right = np.minimum(left + 1, len(told) - 1)
    past, span = (wanted - asked[left])[:, None], np.maximum(asked[right] - asked[left], 1)[:, None]
    each, rest = np.divmod(rows[right] - rows[left], span)
    found: Integers = rows[left] + each * past + rest * past // span
    return found
