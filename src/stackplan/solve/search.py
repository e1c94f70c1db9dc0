"""A good choice in a moment: greedy, then moves that improve it. The search starts from it and falls back on it.

Deterministic and exact in what it claims: every choice it returns fits, judged by `usage`.
"""

from collections.abc import Mapping

from stackplan.problem import Offer, Problem
from stackplan.solve.usage import Facts, facts_of, overdrawn, value

_ROUNDS = 6


def start_assignment(problem: Problem) -> dict[str, str] | None:
    """A feasible assignment that serves every required need, or None when the search finds none."""
    facts = facts_of(problem)
    by_need = {need.id: _offers(problem, need.id) for need in problem.needs}
    light = {need: _lightest(offers, facts) for need, offers in by_need.items()}
    assignment: dict[str, str] = {}
    for need in sorted(problem.needs, key=lambda need: (not need.required, need.id)):
        tried = light[need.id] if need.required else by_need[need.id]
        chosen = next((o for o in tried if _fits(facts, {**assignment, need.id: o.candidate})), None)
        if chosen is not None:
            assignment[need.id] = chosen.candidate
        elif need.required:
            return None
    return improved(problem, assignment)


def improved(problem: Problem, assignment: dict[str, str]) -> dict[str, str]:
    """An assignment that fits, made better by moves until none helps: one need's offer, or one candidate for many."""
    facts = facts_of(problem)
    by_need = {need.id: _offers(problem, need.id) for need in problem.needs}
    for _ in range(_ROUNDS):
        better = _improved(facts, by_need, _shared(facts, assignment))
        if better == assignment:
            break
        assignment = better
    return assignment


def rounded(problem: Problem, shares: Mapping[tuple[str, str], float]) -> dict[str, str] | None:
    """An assignment that fits, from the shares that a relaxation gives to pairs of need and candidate.

    Pairs are taken in order of their share while they fit; None when a required need goes unserved.
    """
    facts = facts_of(problem)
    alike = {need: group[0] for group in problem.distinct for need in group}
    told: dict[str, dict[str, float]] = {}
    for (need, name), share in shares.items():
        told.setdefault(need, {})[name] = share
    assignment: dict[str, str] = {}
    for need in sorted(facts.needs, key=lambda need: (need not in facts.required, need)):
        known = told.get(alike.get(need, need), {}) | told.get(need, {})
        own = [name for name, share in known.items() if share > 0.0 and (need, name) in facts.values]
        for name in sorted(own, key=lambda name: (-known[name], name)):
            if _fits(facts, {**assignment, need: name}):
                assignment[need] = name
                break
    return assignment if facts.required <= assignment.keys() else None


def _shared(facts: Facts, assignment: dict[str, str]) -> dict[str, str]:
    """Give one candidate at a time all needs that gain by it, the most valuable candidates first.

    Moving needs one by one never gets to an instance that only pays when several share it.
    """
    best, best_value = dict(assignment), value(facts.problem, assignment, facts)
    for name, offers in facts.by_candidate:
        gaining = {
            offer.need: name
            for offer in offers
            if offer.value > facts.values.get((offer.need, best.get(offer.need, "")), -1)
        }
        everyone = {offer.need: name for offer in offers}
        for taken in [gaining] if len(gaining) == len(everyone) else [gaining, everyone]:
            trial = _without_rivals({**best, **taken}, name, facts)
            trial_value = value(facts.problem, trial, facts)
            if trial_value > best_value and _fits(facts, trial):
                best, best_value = trial, trial_value
    return best


def _without_rivals(assignment: dict[str, str], name: str, facts: Facts) -> dict[str, str]:
    """The assignment with other candidates of the same weights given up where they are optional."""
    key, required = facts.candidates[name].key, facts.required
    rivals = {need for need, other in assignment.items() if other != name and facts.candidates[other].key == key}
    if rivals & required:
        return assignment
    return {need: other for need, other in assignment.items() if need not in rivals}


def fits(problem: Problem, assignment: dict[str, str]) -> bool:
    """Whether the assignment keeps every budget and every rule of the problem."""
    return _fits(facts_of(problem), assignment)


def minimal_cover(problem: Problem, assignment: dict[str, str]) -> dict[str, str]:
    """A smallest part of an assignment that does not fit: taking any need out of it makes it fit.

    Demands never shrink when a need is added, so nothing that contains the part fits either.
    """
    facts = facts_of(problem)
    cover = dict(assignment)
    for need in assignment:
        smaller = {other: candidate for other, candidate in cover.items() if other != need}
        if not _fits(facts, smaller):
            cover = smaller
    return cover


def _fits(facts: Facts, assignment: dict[str, str]) -> bool:
    problem = facts.problem
    deployed: dict[str, str] = {}
    for name in assignment.values():
        if deployed.setdefault(facts.candidates[name].key, name) != name:
            return False
    for group in problem.distinct:
        chosen = [facts.candidates[assignment[need]].key for need in group if need in assignment]
        if len(set(chosen)) < len(chosen):
            return False
    return not overdrawn(facts, assignment)


def _offers(problem: Problem, need: str) -> list[Offer]:
    return sorted((offer for offer in problem.offers if offer.need == need), key=lambda o: (-o.value, o.candidate))


def _lightest(offers: list[Offer], facts: Facts) -> list[Offer]:
    return sorted(
        offers, key=lambda o: (sum(take.at(o.slots) for take in facts.candidates[o.candidate].takes), o.candidate)
    )


def _improved(facts: Facts, by_need: dict[str, list[Offer]], assignment: dict[str, str]) -> dict[str, str]:
    """One pass over the needs, each given the best offer that fits; an unserved or poorer neighbour is no bar."""
    best, best_value = dict(assignment), value(facts.problem, assignment, facts)
    for need, offers in by_need.items():
        current = facts.values.get((need, best.get(need, "")), -1)
        for offer in offers:
            if offer.value <= current:
                break
            trial = {**best, need: offer.candidate}
            trial_value = value(facts.problem, trial, facts)
            if trial_value > best_value and _fits(facts, trial):
                best, best_value = trial, trial_value
                break
    return best
