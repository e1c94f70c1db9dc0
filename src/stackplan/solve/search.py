"""A good choice in a moment: greedy, then moves that improve it. HiGHS starts from it and falls back on it.

Deterministic and exact in what it claims: every choice it returns fits, judged by `usage`.
"""

from collections.abc import Iterator

from stackplan.problem import Offer, Problem
from stackplan.solve.usage import usage, value

_ROUNDS = 4
_TRIED_PER_NEED = 24


def start_assignment(problem: Problem) -> dict[str, str] | None:
    """A feasible assignment that serves every required need, or None when the search finds none."""
    by_need = {need.id: _offers(problem, need.id) for need in problem.needs}
    assignment: dict[str, str] = {}
    for need in sorted(problem.needs, key=lambda need: (not need.required, len(by_need[need.id]), need.id)):
        for offer in reversed(by_need[need.id]) if need.required else by_need[need.id]:
            if fits(problem, {**assignment, need.id: offer.candidate}):
                assignment[need.id] = offer.candidate
                break
        else:
            if need.required:
                return None
    for _ in range(_ROUNDS):
        improved = _improved(problem, by_need, assignment)
        if improved == assignment:
            break
        assignment = improved
    return assignment


def fits(problem: Problem, assignment: dict[str, str]) -> bool:
    """Whether the assignment keeps every budget and every rule of the problem."""
    keys = {candidate.id: candidate.key for candidate in problem.candidates}
    deployed = {keys[candidate]: candidate for candidate in assignment.values()}
    if any(deployed[keys[candidate]] != candidate for candidate in assignment.values()):
        return False
    for group in problem.distinct:
        chosen = [keys[assignment[need]] for need in group if need in assignment]
        if len(set(chosen)) < len(chosen):
            return False
    used = usage(problem, assignment)
    if problem.disk_bytes is not None and used.disk_bytes > problem.disk_bytes:
        return False
    return all(size <= problem.pools[pool] for pool, size in used.pools.items())


def minimal_cover(problem: Problem, assignment: dict[str, str]) -> dict[str, str]:
    """A smallest part of an assignment that does not fit: taking any need out of it makes it fit.

    Demands never shrink when a need is added, so nothing that contains the part fits either.
    """
    cover = dict(assignment)
    for need in assignment:
        smaller = {other: candidate for other, candidate in cover.items() if other != need}
        if not fits(problem, smaller):
            cover = smaller
    return cover


def _offers(problem: Problem, need: str) -> list[Offer]:
    return sorted((offer for offer in problem.offers if offer.need == need), key=lambda o: (-o.value, o.candidate))


def _improved(problem: Problem, by_need: dict[str, list[Offer]], assignment: dict[str, str]) -> dict[str, str]:
    best, best_value = dict(assignment), value(problem, assignment)
    for need, offers in by_need.items():
        for candidate in _tries(offers):
            trial = {**best, need: candidate}
            trial_value = value(problem, trial)
            if trial_value > best_value and fits(problem, trial):
                best, best_value = trial, trial_value
                break
    return best


def _tries(offers: list[Offer]) -> Iterator[str]:
    for offer in offers[:_TRIED_PER_NEED]:
        yield offer.candidate
