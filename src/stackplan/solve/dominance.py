"""Candidates that can never be needed, left out before the solver sees them.

A candidate is dominated when another of the same tier, swap group and key takes no more from any pool with any number
of slots, needs no other files and offers every need at least the same. Of equals the first name stays. Replacing the
dominated by the dominating one in any choice is feasible (they exclude each other by their key) and never worse on any
level of the objective, so the optimum stays (tests/solve/test_dominance.py holds that against brute force).

Between different keys the replacement may be in use already. There a candidate goes only when so many different keys
dominate it strictly that one of them must be free: as many as there are needs that those keys could serve, since every
other instance in use serves at least one of these needs, and the candidate in question another.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from stackplan.problem import Candidate, Problem


@dataclass(frozen=True, slots=True)
class _Rated:
    candidate: Candidate
    values: Mapping[str, int]
    slots: Mapping[str, int]
    takes: Mapping[str, tuple[int, int, int]]
    disk_bytes: int
    weight: int


@dataclass(frozen=True, slots=True)
class _Rules:
    margin: int
    guarded: set[str]
    reach: Mapping[str, set[str]]
    shared_files: set[str]


def undominated(problem: Problem) -> Problem:
    """The problem without dominated candidates and their offers."""
    rated = _rated(problem)
    margin = sum(rule.penalty for rule in problem.diversities)
    guarded = {need for rule in problem.diversities for need in (rule.first, rule.second)}
    reach = _reach(problem)
    shared = _shared_files(problem)
    kept: set[str] = set()
    groups: dict[tuple[str, str], list[_Rated]] = defaultdict(list)
    for one in rated:
        groups[(one.candidate.tier, one.candidate.swap_group)].append(one)
    for group in groups.values():
        kept |= _survivors(_within_keys(group), _Rules(margin, guarded, reach, shared))
    return replace(
        problem,
        candidates=tuple(candidate for candidate in problem.candidates if candidate.id in kept),
        offers=tuple(offer for offer in problem.offers if offer.candidate in kept),
    )


def _rated(problem: Problem) -> list[_Rated]:
    values: dict[str, dict[str, int]] = defaultdict(dict)
    slots: dict[str, dict[str, int]] = defaultdict(dict)
    for offer in problem.offers:
        values[offer.candidate][offer.need] = offer.value
        slots[offer.candidate][offer.need] = offer.slots
    return [
        _Rated(
            candidate,
            values[candidate.id],
            slots[candidate.id],
            {take.pool: (take.fixed_bytes, take.per_slot_bytes, take.kept_bytes) for take in candidate.takes},
            sum(size for _, size in candidate.files),
            sum(take.fixed_bytes + take.per_slot_bytes for take in candidate.takes),
        )
        for candidate in problem.candidates
        if candidate.id in values
    ]


def _within_keys(group: list[_Rated]) -> list[_Rated]:
    by_key: dict[str, list[_Rated]] = defaultdict(list)
    for one in sorted(group, key=_order):
        rivals = by_key[one.candidate.key]
        if not any(_dominates(other, one) and other.candidate.files == one.candidate.files for other in rivals):
            rivals.append(one)
    return [one for rivals in by_key.values() for one in rivals]


def _reach(problem: Problem) -> dict[str, set[str]]:
    """Needs that any candidate of a key could serve."""
    keys = {candidate.id: candidate.key for candidate in problem.candidates}
    reach: dict[str, set[str]] = defaultdict(set)
    for offer in problem.offers:
        reach[keys[offer.candidate]].add(offer.need)
    return reach


def _shared_files(problem: Problem) -> set[str]:
    """Files of several keys: leaving one candidate may not free them. Empty while the disk holds everything."""
    largest = sorted((sum(size for _, size in c.files) for c in problem.candidates), reverse=True)
    if problem.disk_bytes is None or sum(largest[: len(problem.needs)]) <= problem.disk_bytes:
        return set()
    users: dict[str, set[str]] = defaultdict(set)
    for candidate in problem.candidates:
        for name, _ in candidate.files:
            users[name].add(candidate.key)
    return {name for name, keys in users.items() if len(keys) > 1}


def _survivors(group: list[_Rated], rules: _Rules) -> set[str]:
    """Names left after comparing keys: a candidate goes when enough keys dominate it that one must be free."""
    ordered = sorted(group, key=_order)
    kept: set[str] = set()
    strong: list[_Rated] = []
    for one in ordered:
        keys: set[str] = set()
        served: set[str] = set()
        for other in strong:
            if other.candidate.key != one.candidate.key and _beats(other, one, rules):
                keys.add(other.candidate.key)
                served |= rules.reach[other.candidate.key]
                if len(keys) >= len(served):
                    break
        else:
            kept.add(one.candidate.id)
            strong.append(one)
    return kept


def _order(one: _Rated) -> tuple[int, int, str]:
    return (one.weight, -sum(one.values.values()), one.candidate.id)


def _dominates(better: _Rated, worse: _Rated) -> bool:
    return (
        all(better.values.get(need, -1) >= value for need, value in worse.values.items())
        and all(better.slots[need] <= slots for need, slots in worse.slots.items())
        and _takes_no_more(better, worse)
    )


def _takes_no_more(better: _Rated, worse: _Rated) -> bool:
    for pool, (fixed, per_slot, kept) in better.takes.items():
        other = worse.takes.get(pool)
        if other is None:
            if fixed or per_slot or kept:
                return False
        elif fixed > other[0] or per_slot > other[1] or kept > other[2]:
            return False
    return True


def _beats(better: _Rated, worse: _Rated, rules: _Rules) -> bool:
    """Dominance between keys: strict in value or memory, no larger on disk, and safe for diversity rules."""
    if better.disk_bytes > worse.disk_bytes or any(name in rules.shared_files for name, _ in worse.candidate.files):
        return False
    if not _dominates(better, worse):
        return False
    same = better.candidate.lineage == worse.candidate.lineage
    for need, value in worse.values.items():
        if need in rules.guarded and not same and better.values[need] < value + rules.margin:
            return False
    return better.weight < worse.weight or any(better.values[need] > value for need, value in worse.values.items())
