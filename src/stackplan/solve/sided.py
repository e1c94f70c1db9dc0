"""A relaxation under sides: the halves of splits that lead to a node of a search."""

from collections.abc import Iterable, Sequence

from stackplan.solve.rows import Programme
from stackplan.solve.simplex import Basis, Relaxation, Solved
from stackplan.solve.splits import Side, Split

NEVER = float("inf")
_TRIED_PIVOTS = 60


_ROOT = (0.0, 1.0)  # of a column

Bounds = dict[int, tuple[float, float]]


class Sided:
    """One relaxation that is put under one list of sides after another."""

    def __init__(self, programme: Programme, relaxation: Relaxation) -> None:
        self._limits = list(zip(programme.senses, programme.rights, strict=True))
        self.relaxation = relaxation
        self._columns: Bounds = {}
        self._rows: Bounds = {}
        self._known: tuple[Sequence[Side], int] = ((), 0)  # sides, and how many of them were there
        self._base: tuple[Bounds, Bounds] = ({}, {})  # what these make of columns and rows
        self._last: tuple[Bounds, Bounds] = ({}, {})

    def solve(
        self,
        sides: Sequence[Side],
        basis: Basis | None,
        *,
        last: Side | None = None,
        above: float = NEVER,
        most_pivots: int | None = None,
    ) -> Solved | None:
        """The optimum under ``sides`` and a ``last`` one, begun from ``basis``; None where none is below ``above``."""
        self._enter(sides, last)
        if basis is not None:
            self.relaxation.begin_from(basis)
        solved = self.relaxation.solve(most_pivots=most_pivots, above=None if above == NEVER else above)
        return None if solved is None or solved.objective >= above else solved

    def lifted(
        self, sides: Sequence[Side], split: Split, basis: Basis, objective: float, above: float = NEVER
    ) -> tuple[float, float]:
        """Lower bounds of a split's two halves after a few pivots each; infinity for one that holds nothing."""

        def bound(side: Side) -> float:
            solved = self.solve(sides, basis, last=side, above=above, most_pivots=_TRIED_PIVOTS)
            return NEVER if solved is None else max(objective, solved.objective)

        return bound(split[0]), bound(split[1])

    def _enter(self, sides: Sequence[Side], last: Side | None) -> None:
        """Give the relaxation the bounds of the sides, and the root's for everything else."""
        columns, rows = set(self._last[0]), set(self._last[1])
        known, count = self._known
        if known is not sides or count != len(sides):
            before = self._base
            self._known, self._base = (sides, len(sides)), _bounds_of(sides)
            columns.update(before[0], self._base[0])
            rows.update(before[1], self._base[1])
        self._last = _bounds_of(() if last is None else (last,))
        self._bound_columns(sorted(columns.union(self._last[0])))
        for row in sorted(rows.union(self._last[1])):
            self._bound_row(row)

    def _bound_columns(self, columns: Iterable[int]) -> None:
        """Give columns the bounds of the sides, where they have others."""
        (base, _), (last, _), now = self._base, self._last, self._columns
        wanted = [(column, last.get(column) or base.get(column, _ROOT)) for column in columns]
        changed = [(column, limits) for column, limits in wanted if now.get(column, _ROOT) != limits]
        now.update(changed)
        lower, upper = [low for _, (low, _) in changed], [high for _, (_, high) in changed]
        self.relaxation.bound([column for column, _ in changed], lower, upper)

    def _bound_row(self, row: int) -> None:
        wanted = self._last[1].get(row) or self._base[1].get(row) or self._root_of(row)
        if self._rows.get(row, self._root_of(row)) != wanted:
            self._rows[row] = wanted
            self.relaxation.bound_row(row, *wanted)

    def _root_of(self, row: int) -> tuple[float, float]:
        sense, right = self._limits[row]
        return (right if sense == "E" else -NEVER), right


def _bounds_of(sides: Iterable[Side]) -> tuple[Bounds, Bounds]:
    """What sides make of columns and of rows; what comes later has the last word."""
    columns: Bounds = {}
    rows: Bounds = {}
    for side in sides:
        columns.update(dict.fromkeys(side.zero, (0.0, 0.0)))
        columns.update(dict.fromkeys(side.one, (1.0, 1.0)))
        rows.update(dict.fromkeys(side.at_least_one, (1.0, 1.0)))
    return columns, rows
