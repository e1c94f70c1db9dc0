"""A relaxation under sides: the halves of splits that lead to a node of a search."""

from collections.abc import Iterable, Sequence

from stackplan.solve.rows import Programme
from stackplan.solve.simplex import Basis, Relaxation, Solved
from stackplan.solve.splits import Side, Split

NEVER = float("inf")
_TRIED_PIVOTS = 60


class Sided:
    """One relaxation that is put under one list of sides after another."""

    def __init__(self, programme: Programme, relaxation: Relaxation) -> None:
        self._limits = list(zip(programme.senses, programme.rights, strict=True))
        self.relaxation = relaxation
        self._columns: dict[int, tuple[float, float]] = {}
        self._rows: dict[int, tuple[float, float]] = {}

    def solve(
        self, sides: Iterable[Side], basis: Basis | None, *, above: float = NEVER, most_pivots: int | None = None
    ) -> Solved | None:
        """The optimum under ``sides``, begun from ``basis``; None when there is none below ``above``."""
        self._enter(sides)
        if basis is not None:
            self.relaxation.begin_from(basis)
        solved = self.relaxation.solve(most_pivots=most_pivots, above=None if above == NEVER else above)
        return None if solved is None or solved.objective >= above else solved

    def lifted(
        self, sides: Sequence[Side], split: Split, basis: Basis, objective: float, above: float = NEVER
    ) -> tuple[float, float]:
        """Lower bounds of a split's two halves after a few pivots each; infinity for one that holds nothing."""

        def bound(side: Side) -> float:
            solved = self.solve([*sides, side], basis, above=above, most_pivots=_TRIED_PIVOTS)
            return NEVER if solved is None else max(objective, solved.objective)

        return bound(split[0]), bound(split[1])

    def _enter(self, sides: Iterable[Side]) -> None:
        """Give the relaxation the bounds of the sides, and the root's for everything else."""
        columns: dict[int, tuple[float, float]] = {}
        rows: dict[int, tuple[float, float]] = {}
        for side in sides:
            columns.update(dict.fromkeys(side.zero, (0.0, 0.0)))
            columns.update(dict.fromkeys(side.one, (1.0, 1.0)))
            rows.update(dict.fromkeys(side.at_least_one, (1.0, 1.0)))
        differing = {c: limits for c, limits in columns.items() if self._columns.get(c) != limits}
        differing |= dict.fromkeys(self._columns.keys() - columns.keys(), (0.0, 1.0))
        ordered = sorted(differing)
        self.relaxation.bound(ordered, [differing[c][0] for c in ordered], [differing[c][1] for c in ordered])
        for row, limits in rows.items():
            if self._rows.get(row) != limits:
                self.relaxation.bound_row(row, *limits)
        for row in sorted(self._rows.keys() - rows.keys()):
            sense, right = self._limits[row]
            self.relaxation.bound_row(row, right if sense == "E" else -NEVER, right)
        self._columns, self._rows = columns, rows
