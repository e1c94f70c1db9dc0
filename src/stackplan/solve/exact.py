"""A programme's minimum in exact integers: every answer is added up again, and what does not fit is cut off."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from stackplan.solve.formulation import formulate
from stackplan.solve.index import Indexed
from stackplan.solve.names import alike_column, file_column, is_file_column, run, serve
from stackplan.solve.rows import Named, Programme, Term
from stackplan.solve.search import fits, improved, minimal_cover, rounded
from stackplan.solve.sided import NEVER
from stackplan.solve.simplex import SimplexError
from stackplan.solve.splits import structure_of
from stackplan.solve.tree import Cut, Judged, Tree

_EXACT = 1e-6  # what adding floats of one level may be off


class Termination(StrEnum):
    """How a search for a minimum ended."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """The best assignment known, its cost and the proved lower bound of any cost."""

    termination: Termination
    assignment: dict[str, str]
    cost: float
    bound: float


@dataclass(slots=True)
class Exact:
    """One problem under one deadline, and the levels ``held`` so far.

    ``work`` bounds all minima together (see `Relaxation.work`), of which ``spent`` is done; ``deadline`` is there for
    emergencies only, since what it cuts off depends on the machine.
    """

    index: Indexed
    partial: bool
    deadline: float
    clock: Callable[[], float]
    work: float = NEVER
    held: list[tuple[list[Term], str, float]] = field(default_factory=list)
    spent: float = 0.0

    @property
    def left(self) -> float:
        """Work that may still be done."""
        return self.work - self.spent

    def minimum(
        self, cost: dict[Named, float], start: Mapping[str, str] | None = None, *, step: float = _EXACT
    ) -> Answer:
        """The least cost with the levels above held. ``start`` is a feasible assignment to begin from.

        ``step`` is the least by which two costs differ, so that less need not be looked for.
        """
        start = None if start is None else _in_order(self.index, start)
        programme = self._programme(cost)
        judge = _Judge(
            self.index, programme, cost, guesses=bool(cost) and not self.held
        )  # a guess need not keep levels
        known: Judged[dict[str, str]] = Judged(NEVER) if start is None else judge.judged(dict(start))
        structure = structure_of(self.index, programme)
        tree = Tree(programme, structure, judge.verdict, judge.guess, step - _EXACT, known)
        try:
            outcome = tree.search(self.left, lambda: self.clock() > self.deadline)
            self.spent += outcome.work
        except SimplexError:
            if start is None:
                raise
            # Nothing is proved; what is known stays.
            return Answer(Termination.FEASIBLE, dict(start), known.cost, -NEVER)
        if outcome.best.found is not None:
            ended = Termination.OPTIMAL if outcome.closed else Termination.FEASIBLE
            return Answer(ended, outcome.best.found, outcome.best.cost, outcome.bound)
        return Answer(Termination.INFEASIBLE if outcome.closed else Termination.UNKNOWN, {}, 0.0, outcome.bound)

    def hold(self, terms: list[Term], sense: str, assignment: Mapping[str, str], slack: float) -> None:
        """Keep the level ``terms`` at what the assignment reached, give or take ``slack``."""
        point = point_of(self.index, assignment)
        reached = sum(coefficient * point.get(column, 0.0) for column, coefficient in terms)
        self.held.append((terms, sense, reached + slack))

    def _programme(self, cost: dict[Named, float]) -> Programme:
        asked = {*cost, *(column for terms, _, _ in self.held for column, _ in terms)}
        programme = formulate(self.index, partial=self.partial, files=any(map(is_file_column, asked)))
        for number, (terms, sense, right) in enumerate(self.held):
            own = [(programme.numbers[column], coefficient) for column, coefficient in terms]
            programme.row(("level {} held", str(number)), own, sense, right)
        programme.cost = {programme.numbers[column]: coefficient for column, coefficient in cost.items()}
        return programme


@dataclass(slots=True)
class _Judge:
    """Reads points of a relaxation as assignments, and adds up what they take and cost."""

    index: Indexed
    programme: Programme
    cost: dict[Named, float]
    guesses: bool
    _improved: bool = False

    def judged(self, assignment: dict[str, str]) -> Judged[dict[str, str]]:
        """An assignment with its cost."""
        return Judged(self.cost_of(assignment), assignment)

    def verdict(self, values: Sequence[float]) -> Judged[dict[str, str]] | Cut:
        """The cost of a whole point, or a row that forbids what does not fit together."""
        assignment = assignment_at(self.index, values)
        if fits(self.index.problem, assignment):
            return self.judged(assignment)
        cover = minimal_cover(self.index.problem, assignment)
        first = {need: group[0] for group in self.index.members.values() for need in group}
        offers = {(offer.need, offer.candidate): number for number, offer in enumerate(self.index.offers)}
        terms = {offers[first.get(need, need), name]: 1.0 for need, name in cover.items()}
        return Cut(terms, len(terms) - 1.0)

    def guess(self, values: Sequence[float]) -> Judged[dict[str, str]] | None:
        """An assignment near a relaxed point, if one fits and serves what is required; the first one is improved."""
        if not self.guesses:
            return None
        served = zip(self.index.offers, values, strict=False)
        shares = {(offer.need, offer.candidate): share for offer, share in served if share > _EXACT}
        assignment = rounded(self.index.problem, shares)
        if assignment is None:
            return None
        if not self._improved:
            self._improved, assignment = True, improved(self.index.problem, assignment)
        return self.judged(assignment)

    def cost_of(self, assignment: Mapping[str, str]) -> float:
        """What an assignment costs, from the whole values of its columns."""
        return sum(
            self.cost.get(column, 0.0) * value for column, value in point_of(self.index, assignment).items() if value
        )


def assignment_at(index: Indexed, values: Sequence[float]) -> dict[str, str]:
    """Which candidate serves each need at a whole point; needs that are alike get theirs in order of names."""
    taken: dict[str, list[str]] = {need: [] for need in index.by_need}
    for offer, share in zip(index.offers, values, strict=False):
        if share > 0.5:
            taken[offer.need].append(offer.candidate)
    found: dict[str, str] = {}
    for need, own in taken.items():
        found |= dict(zip(index.members.get(need, (need,)), sorted(own), strict=False))
    return found


def _in_order(index: Indexed, assignment: Mapping[str, str]) -> dict[str, str]:
    """The assignment with what needs that are alike have dealt out in order of names, as answers have it."""
    ordered = dict(assignment)
    for group in index.members.values():
        taken = sorted(ordered.pop(need) for need in group if need in assignment)
        ordered |= dict(zip(group, taken, strict=False))
    return ordered


def point_of(index: Indexed, assignment: Mapping[str, str]) -> dict[Named, float]:
    """The programme's columns at an assignment, those of places for turns left out."""
    point: dict[Named, float] = {}
    for need, name in assignment.items():
        for offer in index.by_candidate.get(name, ()):
            if need in index.members.get(offer.need, (offer.need,)):
                point[serve(offer)] = 1.0
        if name in index.candidates:
            point[run(index, name)] = 1.0
            point |= {file_column(file): 1.0 for file, _ in index.candidates[name].files}
    for rule in index.problem.diversities:
        first, second = (assignment.get(need, "") for need in (rule.first, rule.second))
        if first and second and index.candidates[first].lineage == index.candidates[second].lineage != "":
            point[alike_column(rule.first, rule.second, index.candidates[first].lineage)] = 1.0
    return point
