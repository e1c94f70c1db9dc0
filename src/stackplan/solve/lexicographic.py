"""The objective, level by level: required roles, value, bytes in memory, bytes on disk, names.

Each level is minimised with the levels above it held at their optimum, so that nothing is traded across levels by a
weight. Values are integers; the levels in MiB are held to half a byte.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from stackplan.problem import Choice, NoChoice, Problem
from stackplan.solve.conflict import minimal_conflict
from stackplan.solve.dominance import undominated
from stackplan.solve.formulation import (
    Indexed,
    Term,
    disk_terms,
    formulate,
    indexed,
    memory_terms,
    run,
    serve,
    value_terms,
)
from stackplan.solve.highs import Answer, Termination, minimise
from stackplan.solve.rows import Programme
from stackplan.solve.search import fits, start_assignment
from stackplan.solve.usage import memory_bytes, usage, value

_HALF_BYTE = 0.5 / 1024**2
DEFAULT_SECONDS = 60.0


def solve(
    problem: Problem,
    *,
    partial: bool = False,
    seconds: float = DEFAULT_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Choice | NoChoice:
    """The best choice, or the minimal conflict that forbids one.

    ``partial`` serves as many required needs as can be instead of answering NoChoice. When time runs out the best
    choice known is given with its true bound and ``optimal`` False.
    """
    index = indexed(undominated(problem))
    start = start_assignment(index.problem)
    levels = _Levels(index, partial, clock() + seconds, clock)
    answer = levels.minimum(_negated(levels.value_terms), start)
    if answer.termination is Termination.INFEASIBLE:
        return NoChoice(minimal_conflict(problem))
    if answer.termination is not Termination.OPTIMAL:
        return _unproved(problem, index, answer, start)
    assignment = levels.settled(_assignment(index, answer))
    return _choice(problem, assignment, bound=value(problem, assignment), status="optimal")


@dataclass(slots=True)
class _Levels:
    """Solves one level after the other under one deadline, and keeps what was learnt on the way."""

    index: Indexed
    partial: bool
    deadline: float
    clock: Callable[[], float]
    refused: list[dict[str, str]] = field(default_factory=list)
    held: list[tuple[list[Term], str, float]] = field(default_factory=list)

    @property
    def value_terms(self) -> list[Term]:
        """The value level; with ``partial`` each required need outweighs all values together, exactly."""
        return _value_with_requirements(self.index) if self.partial else list(value_terms(self.index.problem))

    def minimum(self, cost: dict[str, float], start: Mapping[str, str] | None) -> Answer:
        """The least cost with the levels above held, judged in exact integers.

        HiGHS keeps rows within a tolerance that is near one byte at tens of GiB. An assignment that exceeds a budget
        by such a byte is cut off (with everything that contains it) and the programme solved again.
        """
        while True:
            programme = self._programme(cost)
            point = _point(self.index, start) if start is not None else None
            answer = minimise(programme, seconds=max(0.1, self.deadline - self.clock()), start=point)
            assignment = _assignment(self.index, answer)
            if not answer.values or fits(self.index.problem, assignment):
                return answer
            self.refused.append(assignment)

    def settled(self, assignment: dict[str, str]) -> dict[str, str]:
        """Ties broken: fewest bytes in memory, then on disk, then the first names; each held before the next."""
        best = assignment
        self._hold(self.value_terms, "G", best, -0.5)
        for terms in (list(memory_terms(self.index)), list(disk_terms(self.index)), _name_terms(self.index)):
            answer = self.minimum(_summed(terms), best)
            if not answer.values:
                break
            best = _assignment(self.index, answer)
            self._hold(terms, "L", best, _HALF_BYTE)
        return best

    def _programme(self, cost: dict[str, float]) -> Programme:
        programme = formulate(self.index, partial=self.partial)
        for number, (terms, sense, right) in enumerate(self.held):
            programme.row(f"level {number} held", terms, sense, right)
        for number, assignment in enumerate(self.refused):
            terms = [(f"serve|{need}|{candidate}", 1.0) for need, candidate in assignment.items()]
            programme.row(f"over budget by a byte {number}", terms, "L", len(terms) - 1.0)
        programme.cost = cost
        return programme

    def _hold(self, terms: list[Term], sense: str, assignment: Mapping[str, str], slack: float) -> None:
        point = _point(self.index, assignment)
        reached = sum(coefficient * point.get(column, 0.0) for column, coefficient in terms)
        self.held.append((terms, sense, reached + slack))


def _value_with_requirements(index: Indexed) -> list[Term]:
    offers = index.problem.offers
    reward = 1 + sum(abs(offer.value) for offer in offers) + sum(rule.penalty for rule in index.problem.diversities)
    required = {need.id for need in index.problem.needs if need.required}
    extra = [(serve(offer), float(reward)) for offer in offers if offer.need in required]
    return [*value_terms(index.problem), *extra]


def _name_terms(index: Indexed) -> list[Term]:
    """Ranks of names: each need prefers the alphabetically first candidate, earlier needs first."""
    ranks = {candidate: rank for rank, candidate in enumerate(sorted(index.candidates))}
    return [(serve(offer), float(ranks[offer.candidate])) for offer in index.problem.offers]


def _assignment(index: Indexed, answer: Answer) -> dict[str, str]:
    return {offer.need: offer.candidate for offer in index.problem.offers if answer.values.get(serve(offer), 0.0) > 0.5}


def _point(index: Indexed, assignment: Mapping[str, str]) -> dict[str, float]:
    """The programme's columns at an assignment; slack columns are left for HiGHS to complete."""
    point: dict[str, float] = {}
    for offer in index.problem.offers:
        taken = assignment.get(offer.need) == offer.candidate
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


def _unproved(problem: Problem, index: Indexed, answer: Answer, start: Mapping[str, str] | None) -> Choice | NoChoice:
    known = [_assignment(index, answer)] if answer.termination is Termination.FEASIBLE else []
    known += [dict(start)] if start is not None else []
    if not known:
        return NoChoice(("time",))
    best = max(known, key=lambda assignment: value(problem, assignment))
    ceiling = sum(max((offer.value for offer in offers), default=0) for offers in index.by_need.values())
    bound = min(ceiling, int(-answer.bound)) if answer.bound > float("-inf") else ceiling
    return _choice(problem, best, bound=bound, status="feasible")


def _choice(problem: Problem, assignment: dict[str, str], *, bound: int, status: str) -> Choice:
    return Choice(
        assignment={need.id: assignment[need.id] for need in problem.needs if need.id in assignment},
        value=value(problem, assignment),
        bound=bound,
        memory_bytes=memory_bytes(problem, assignment),
        disk_bytes=usage(problem, assignment).disk_bytes,
        optimal=status == "optimal",
        status=status,
    )


def _summed(terms: Iterable[Term]) -> dict[str, float]:
    cost: dict[str, float] = {}
    for column, coefficient in terms:
        cost[column] = cost.get(column, 0.0) + coefficient
    return cost


def _negated(terms: Iterable[Term]) -> dict[str, float]:
    return {column: -coefficient for column, coefficient in _summed(terms).items()}


def write_model(problem: Problem) -> str:
    """The value level as MPS with readable names, for any other solver."""
    from stackplan.solve.rows import mps_text  # noqa: PLC0415

    programme: Programme = formulate(indexed(problem))
    programme.cost = _negated(value_terms(problem))
    return mps_text(programme, readable=True)
