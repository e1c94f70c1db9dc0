"""Branch and bound over a programme's relaxations, each solved from where its parent ended.

Best bound first, with plunging: of two halves the better one is looked at next, the other one waits in a heap. Splits
are chosen by trying a few with a limited number of pivots (strong branching); columns whose reduced cost exceeds what
may still be gained are fixed on the way. Work is bounded in pivots, which no slow machine changes.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stackplan.solve.rows import Programme
from stackplan.solve.sided import NEVER, Sided
from stackplan.solve.simplex import Basis, Relaxation, Solved
from stackplan.solve.splits import Side, Split, Structure, splits

_LEAST_GAIN = 1e-6  # so that a split that lifts one half only still counts

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Cut:
    """A row that every answer keeps: the sum of ``terms`` is at most ``right``."""

    terms: dict[int, float]
    right: float


@dataclass(frozen=True, slots=True)
class Judged(Generic[Found]):
    """A whole point's exact cost, and what it means."""

    cost: float
    found: Found | None = None


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Found]):
    """How a search ended: the best found, a proved lower bound of every cost, and whether nothing better is left.

    ``work`` is what it took (see `Relaxation.work`).
    """

    best: Judged[Found]
    bound: float
    closed: bool
    work: float


@dataclass(order=True, slots=True)
class _Node:
    bound: float
    number: int
    sides: tuple[Side, ...] = field(compare=False)
    basis: Basis | None = field(compare=False, default=None)


_Halves = tuple[_Node | None, _Node | None]


@dataclass(slots=True)
class Tree(Generic[Found]):
    """One search. ``judge`` tells what a whole point means, or gives a row that cuts it off.

    ``best`` is what is known before. ``step`` is the least that an improvement must bring. ``guess`` may turn a relaxed
    point into an answer.
    """

    programme: Programme
    structure: Structure
    judge: Callable[[Sequence[float]], Judged[Found] | Cut]
    guess: Callable[[Sequence[float]], Judged[Found] | None]
    step: float
    best: Judged[Found] = field(default_factory=lambda: Judged(NEVER))
    _count: int = 0
    _most_work: float = NEVER

    def search(self, most_work: float, stop: Callable[[], bool] = lambda: False) -> Outcome[Found]:
        """Search until everything is looked at, or so much work is done, or ``stop`` says so."""
        self._most_work = most_work
        with Relaxation(self.programme) as relaxation:
            sided = Sided(self.programme, relaxation)
            waiting: list[_Node] = []
            node: _Node | None = _Node(-NEVER, 0, ())
            while node is not None and relaxation.work < most_work and not (node.number and stop()):
                better, other = self._halves(sided, node)
                if other is not None:
                    heapq.heappush(waiting, other)
                node = better or self._next(waiting)
        left = [one.bound for one in [*waiting, *([node] if node else [])] if one.bound < self._cutoff]
        return Outcome(self.best, min(left, default=self.best.cost), not left, relaxation.work)

    @property
    def _cutoff(self) -> float:
        return self.best.cost - self.step

    def _next(self, waiting: list[_Node]) -> _Node | None:
        while waiting:
            node = heapq.heappop(waiting)
            if node.bound < self._cutoff:
                return node
        return None

    def _halves(self, sided: Sided, node: _Node) -> _Halves:
        """The two halves of a node, the better one first; None for what holds nothing better than is known."""
        sides, basis = list(node.sides), node.basis
        while (solved := sided.solve(sides, basis, above=self._cutoff)) is not None:
            basis = sided.relaxation.basis()
            possible = splits(self.structure, solved.values)
            if not possible:
                if not self._cut_off(sided, solved):
                    break
                continue
            self._note(self.guess(solved.values))
            if solved.objective >= self._cutoff:
                break
            if sided.relaxation.work > self._most_work:  # whatever it holds is left
                return _Node(solved.objective, node.number, tuple(sides), basis), None
            sides += self._fixed(solved)
            halves = self._split(sided, sides, basis, possible, solved.objective)
            if not isinstance(halves, Side):
                return halves
            sides.append(halves)
        return None, None

    def _cut_off(self, sided: Sided, solved: Solved) -> bool:
        """Take note of a whole point; True when it was cut off and the node must be solved again."""
        judged = self.judge(solved.values)
        if isinstance(judged, Cut):
            sided.relaxation.add_row(judged.terms, -NEVER, judged.right)
            return True
        self._note(judged)
        return False

    def _note(self, judged: Judged[Found] | None) -> None:
        if judged is not None and judged.cost < self.best.cost:
            self.best = judged

    def _fixed(self, solved: Solved) -> list[Side]:
        """Columns at 0 whose price of entering is more than may still be gained."""
        room = self._cutoff - solved.objective
        values, reduced = solved.values, solved.reduced
        zero = tuple(c for c in self.structure.serve_columns if values[c] <= 0.0 and reduced[c] > room)
        return [Side(zero=zero)] if zero else []

    def _split(
        self, sided: Sided, sides: list[Side], basis: Basis, possible: list[Split], objective: float
    ) -> _Halves | Side:
        """The halves of the split that lifts the bound most; or the one side of a split whose other holds nothing."""
        best: tuple[float, Split, tuple[float, float]] | None = None
        for split in possible:
            if best is not None and sided.relaxation.work > self._most_work:
                break
            bounds = sided.lifted(sides, split, basis, objective, self._cutoff)
            if NEVER in bounds:
                return (None, None) if bounds == (NEVER, NEVER) else split[bounds.index(NEVER) - 1]
            gains = [max(bound - objective, _LEAST_GAIN) for bound in bounds]
            score = gains[0] * gains[1]
            if best is None or score > best[0]:
                best = (score, split, bounds)
        return (None, None) if best is None else self._nodes(sides, basis, best[1], best[2])

    def _nodes(self, sides: list[Side], basis: Basis, split: Split, bounds: tuple[float, float]) -> _Halves:
        self._count += 2
        first = _Node(bounds[0], self._count - 1, (*sides, split[0]), basis)
        second = _Node(bounds[1], self._count, (*sides, split[1]), basis)
        return (first, second) if first < second else (second, first)
