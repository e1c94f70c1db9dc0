"""A programme's minimum in exact integers: what the solver's rounding let through is cut off and tried again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stackplan.solve.formulation import Term, cover_row, formulate, run, serve
from stackplan.solve.highs import Answer, minimise
from stackplan.solve.index import Indexed
from stackplan.solve.rows import Programme
from stackplan.solve.search import fits, minimal_cover


@dataclass(slots=True)
class Exact:
    """One problem under one deadline, and what was learnt on the way: ``covers`` that do not fit, levels ``held``.

    ``gap`` is the relative gap that an answer may have; 0 where the best is asked for. ``nodes`` bounds the work of one
    solve; ``deadline`` is there for emergencies only, since what it cuts off depends on the machine.
    """

    index: Indexed
    partial: bool
    deadline: float
    clock: Callable[[], float]
    gap: float = 0.0
    nodes: int = 2_000_000_000
    covers: list[dict[str, str]] = field(default_factory=list)
    held: list[tuple[list[Term], str, float]] = field(default_factory=list)

    def minimum(self, cost: dict[str, float], start: Mapping[str, str] | None = None) -> Answer:
        """The least cost with the levels above held. ``start`` is a feasible assignment to begin from."""
        while True:
            programme = self._programme(cost)
            point = point_of(self.index, start) if start is not None else None
            answer = minimise(
                programme, seconds=max(0.1, self.deadline - self.clock()), start=point, gap=self.gap, nodes=self.nodes
            )
            assignment = assignment_of(self.index, answer)
            if not answer.values or fits(self.index.problem, assignment):
                return answer
            self.covers.append(minimal_cover(self.index.problem, assignment))

    def hold(self, terms: list[Term], sense: str, assignment: Mapping[str, str], slack: float) -> None:
        """Keep the level ``terms`` at what the assignment reached, give or take ``slack``."""
        point = point_of(self.index, assignment)
        reached = sum(coefficient * point.get(column, 0.0) for column, coefficient in terms)
        self.held.append((terms, sense, reached + slack))

    def _programme(self, cost: dict[str, float]) -> Programme:
        programme = formulate(self.index, partial=self.partial)
        for number, (terms, sense, right) in enumerate(self.held):
            programme.row(f"level {number} held", terms, sense, right)
        for number, cover in enumerate(self.covers):
            cover_row(programme, self.index, f"together over budget {number}", cover)
        programme.cost = cost
        return programme


def assignment_of(index: Indexed, answer: Answer) -> dict[str, str]:
    """Which candidate serves each need in the solver's answer; merged needs get theirs in order of names."""
    found: dict[str, str] = {}
    for need, offers in index.by_need.items():
        taken = sorted(offer.candidate for offer in offers if answer.values.get(serve(offer), 0.0) > 0.5)
        found |= dict(zip(index.members.get(need, (need,)), taken, strict=False))
    return found


def point_of(index: Indexed, assignment: Mapping[str, str]) -> dict[str, float]:
    """The programme's columns at an assignment; slack columns are left for the solver to complete."""
    point: dict[str, float] = {}
    for offer in index.offers:
        members = index.members.get(offer.need, (offer.need,))
        taken = any(assignment.get(member) == offer.candidate for member in members)
        point[serve(offer)] = 1.0 if taken else 0.0
        point[run(offer.candidate)] = max(point.get(run(offer.candidate), 0.0), point[serve(offer)])
    for candidate in index.candidates.values():
        for name, _ in candidate.files:
            column = f"file|{name}"
            point[column] = max(point.get(column, 0.0), point[run(candidate.id)])
    for rule in index.problem.diversities:
        first, second = (assignment.get(need, "") for need in (rule.first, rule.second))
        if first and second and index.candidates[first].lineage == index.candidates[second].lineage:
            point[f"alike|{rule.first}|{rule.second}|{index.candidates[first].lineage}"] = 1.0
    return point
