"""The objective, level by level: required roles, value, bytes in memory, bytes on disk, names.

Each level is minimised with the levels above it held at their optimum, so that nothing is traded across levels by a
weight. Values are integers; sizes closer than 8 bytes count as equal, below what a solver can hold apart.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping

from stackplan.problem import Choice, NoChoice, Problem
from stackplan.solve.conflict import minimal_conflict
from stackplan.solve.dominance import undominated
from stackplan.solve.exact import Answer, Exact, Termination
from stackplan.solve.formulation import disk_terms, formulate, memory_terms, value_terms
from stackplan.solve.index import Indexed, indexed
from stackplan.solve.names import serve
from stackplan.solve.pricing import PriceList, prices, within
from stackplan.solve.rows import Named, Term, mps_text
from stackplan.solve.search import start_assignment
from stackplan.solve.sided import NEVER
from stackplan.solve.usage import memory_bytes, usage, value
from stackplan.units import MIB
from stackplan.values import replace

DEFAULT_SECONDS = 60.0
_MOST_TIED = 500  # offers among which ties are settled by proof; more cost more than the tie is worth
_TIED_MIB = 8 / MIB
_WHOLE = 1.0  # values are whole numbers
_TIED_VALUE = 1.0  # thousandths of a point: what float prices may be off


def solve(
    problem: Problem,
    *,
    partial: bool = False,
    seconds: float = DEFAULT_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    hint: Mapping[str, str] | None = None,
    outside: float = -NEVER,
    work: float = NEVER,
) -> Choice | NoChoice:
    """The best choice, or the minimal conflict that forbids one. ``hint`` is an assignment that fits, to begin from.

    What is not part of the problem may be worth ``outside``: ties are not settled where that is more than the answer.
    ``work`` bounds all levels together in a way that is the same on every machine (see `Relaxation.work`).

    ``partial`` serves as many required needs as can be instead of answering NoChoice. When time runs out the best
    choice known is given with its true bound and ``optimal`` False.
    """
    deadline = clock() + seconds
    found = prices(problem, float(requirement_reward(problem)))
    known = hint or start_assignment(problem)
    index = indexed(narrowed(problem, found, known))
    exact = Exact(index, partial, deadline, clock, work=work)
    terms = _value_with_requirements(index) if partial else list(value_terms(index))
    answer = exact.minimum(_negated(terms), known, step=_WHOLE)
    if answer.termination is Termination.INFEASIBLE:
        return NoChoice(minimal_conflict(problem))
    if answer.termination is not Termination.OPTIMAL:
        unproved = _unproved(problem, index, answer, known)
        return replace(unproved, work=exact.spent) if isinstance(unproved, Choice) else unproved
    assignment = answer.assignment
    if value(problem, assignment) + 1 > outside:
        assignment = _settled(exact, found, assignment)
    best = _choice(problem, assignment, bound=value(problem, assignment), status="optimal")
    return replace(best, work=exact.spent)


def narrowed(problem: Problem, found: PriceList | None, known: Mapping[str, str] | None) -> Problem:
    """The problem without what is dominated or, at prices that hold for it, in no choice as good as the known one."""
    return _with_known(undominated(_within_reach(problem, found, known)), problem, known)


def known_choice(problem: Problem, assignment: Mapping[str, str]) -> Choice:
    """An assignment that fits as a choice of which nothing is proved; nothing bounds it but what it is worth."""
    return _choice(problem, dict(assignment), bound=value(problem, assignment), status="feasible")


def write_model(problem: Problem) -> str:
    """The value level as MPS with readable names, for any other solver; it minimises the negated value."""
    index = indexed(problem)
    programme = formulate(index)
    programme.cost = {programme.numbers[column]: cost for column, cost in _negated(value_terms(index)).items()}
    return mps_text(programme)


def _within_reach(problem: Problem, found: PriceList | None, known: Mapping[str, str] | None) -> Problem:
    """The problem without what no choice at least as good as the known one could use."""
    if found is None or known is None:
        return problem
    return within(problem, found, _earned(problem, found, known) - found.bound - _TIED_VALUE)


def _with_known(reduced: Problem, problem: Problem, known: Mapping[str, str] | None) -> Problem:
    """The reduced problem, with what the known choice uses."""
    names = {candidate.id for candidate in reduced.candidates} | set((known or {}).values())
    pairs = {(offer.need, offer.candidate) for offer in reduced.offers} | set((known or {}).items())
    return replace(
        reduced,
        candidates=tuple(candidate for candidate in problem.candidates if candidate.id in names),
        offers=tuple(offer for offer in problem.offers if (offer.need, offer.candidate) in pairs),
    )


def _earned(problem: Problem, found: PriceList, assignment: Mapping[str, str]) -> float:
    served = sum(1 for need in problem.needs if need.required and need.id in assignment)
    return value(problem, assignment) + found.reward * served


def requirement_reward(problem: Problem) -> int:
    """More than all values together: what makes serving one more required need outweigh everything below."""
    best: dict[str, int] = {}
    for offer in problem.offers:
        best[offer.need] = max(best.get(offer.need, 0), abs(offer.value))
    return 1 + sum(best.values()) + sum(rule.penalty for rule in problem.diversities)


def _value_with_requirements(index: Indexed) -> list[Term]:
    """Value, with each required need worth more than all values together: the first level folded in exactly."""
    reward = requirement_reward(index.problem)
    required = {need.id for need in index.problem.needs if need.required}
    extra = [(serve(offer), float(reward)) for offer in index.offers if offer.need in required]
    return [*value_terms(index), *extra]


def _settled(exact: Exact, found: PriceList | None, assignment: dict[str, str]) -> dict[str, str]:
    """Ties broken: fewest bytes in memory, then on disk, then the first names; each held before the next.

    Only what a choice of the same value could use takes part. Where work is bounded and that is much, the answer stays:
    the same for the same problem, but a lighter one of the same value may exist.
    """
    index = indexed(_within_reach(exact.index.problem, found, assignment))
    if exact.work < NEVER and len(index.offers) > _MOST_TIED:
        return assignment
    ties = Exact(index, exact.partial, exact.deadline, exact.clock, exact.work, spent=exact.spent)
    values = _value_with_requirements(index) if exact.partial else list(value_terms(index))
    best = assignment
    ties.hold(values, "G", best, -0.5)
    for terms in (list(memory_terms(index)), list(disk_terms(index)), _name_terms(index)):
        answer = ties.minimum(_summed(terms), best)
        if not answer.assignment:
            break
        best = answer.assignment
        ties.hold(terms, "L", best, _TIED_MIB)
    exact.spent = ties.spent
    return best


def _name_terms(index: Indexed) -> list[Term]:
    """A weight for each pairing of need and candidate that depends on these two names alone.

    So no two choices weigh the same, and an option that is not chosen has no say in which of the tied ones is.
    """
    return [(serve(offer), _name_weight(offer.need, offer.candidate)) for offer in index.offers]


def _name_weight(need: str, candidate: str) -> float:
    digest = hashlib.sha256(f"{need}\n{candidate}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**22


def _unproved(problem: Problem, index: Indexed, answer: Answer, start: Mapping[str, str] | None) -> Choice | NoChoice:
    known = [answer.assignment] if answer.termination is Termination.FEASIBLE else []
    known += [dict(start)] if start is not None else []
    if not known:
        return NoChoice(("time",))
    best = max(known, key=lambda assignment: value(problem, assignment))
    ceiling = sum(
        len(index.members.get(need, (need,))) * max((offer.value for offer in offers), default=0)
        for need, offers in index.by_need.items()
    )
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


def _summed(terms: Iterable[Term]) -> dict[Named, float]:
    cost: dict[Named, float] = {}
    for column, coefficient in terms:
        cost[column] = cost.get(column, 0.0) + coefficient
    return cost


def _negated(terms: Iterable[Term]) -> dict[Named, float]:
    return {column: -coefficient for column, coefficient in _summed(terms).items()}
