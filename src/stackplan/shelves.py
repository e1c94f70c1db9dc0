"""What nobody has looked into yet, each told by a row that bounds all that it holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from stackplan.arrays import Floats, Integers, Truths
from stackplan.offered import Offered
from stackplan.option_rows import Rows, Terms, joined, rows_of

Item = TypeVar("Item")


@dataclass(slots=True, repr=False)
class Shelf(Generic[Item]):
    """Items in the order in which they came, with a row each; those that were taken stay, and promise nothing."""

    rows: Rows
    items: list[Item] = field(default_factory=list)
    taken: Truths = field(default_factory=lambda: np.zeros(0, dtype=bool))

    @classmethod
    def of(cls, terms: Terms) -> "Shelf[Item]":
        """An empty one."""
        return cls(rows_of([], terms))

    def add(self, items: Sequence[Item], rows: Rows) -> None:
        """Put items on the shelf with what bounds them; they get the next numbers."""
        if items:
            self.items += items
            self.rows = joined([self.rows, rows])
            self.taken = np.concatenate([self.taken, np.zeros(len(items), dtype=bool)])

    def take(self, numbers: Integers) -> list[tuple[int, Item]]:
        """Those of the items of these numbers that were not taken; from now on they are."""
        fresh = numbers[~self.taken[numbers]]
        self.taken[fresh] = True
        return [(number, self.items[number]) for number in fresh.tolist()]

    def promising(self, tiers: Sequence[Offered], least: float) -> tuple[Integers, Floats]:
        """Items not taken that may gain more than ``least``, the most promising first, and how much."""
        left = np.flatnonzero(~self.taken)
        rows = self.rows.some(left)
        bounds = np.stack([tier.gains(rows) for tier in tiers]).max(axis=0)
        chosen = np.flatnonzero(bounds > least)
        chosen = chosen[np.argsort(-bounds[chosen], kind="stable")]
        return left[chosen], bounds[chosen]
