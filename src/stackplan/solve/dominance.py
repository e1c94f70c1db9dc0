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
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stackplan.problem import Candidate, Problem

_ABSENT = -(2**62)  # below every value: what is not offered

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Rated:
    """Candidates as rows: value by need, slots by need, bytes by pool (fixed, per slot, kept), bytes on disk."""

    candidates: tuple[Candidate, ...]
    values: Integers
    slots: Integers
    takes: Integers
    disk_bytes: Integers
    weight: Integers
    keys: Integers
    lineages: Integers
    files: Integers

    def dominates(self, ones: Integers, other: int) -> NDArray[np.bool_]:
        """Which of ``ones`` offer every need of ``other`` as much, for no more slots and bytes."""
        asked = self.values[other] > _ABSENT
        worth = (self.values[np.ix_(ones, asked)] >= self.values[other, asked]).all(axis=1)
        fewer = (self.slots[np.ix_(ones, asked)] <= self.slots[other, asked]).all(axis=1)
        found: NDArray[np.bool_] = worth & fewer & (self.takes[ones] <= self.takes[other]).all(axis=1)
        return found


@dataclass(frozen=True, slots=True)
class _Rules:
    margin: int
    guarded: NDArray[np.bool_]  # by need
    reach: NDArray[np.bool_]  # needs by key
    sharing: NDArray[np.bool_]  # candidates that use a file of several keys


def undominated(problem: Problem) -> Problem:
    """The problem without dominated candidates and their offers."""
    rated = _rated(problem)
    rules = _rules(problem, rated)
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number in _ordered(rated):
        own = rated.candidates[number]
        groups[own.tier, own.swap_group].append(number)
    kept = {number for group in groups.values() for number in _survivors(rated, rules, _within_keys(rated, group))}
    names = {rated.candidates[number].id for number in kept}
    return replace(
        problem,
        candidates=tuple(candidate for candidate in problem.candidates if candidate.id in names),
        offers=tuple(offer for offer in problem.offers if offer.candidate in names),
    )


def _rated(problem: Problem) -> _Rated:
    offering = {offer.candidate for offer in problem.offers}
    candidates = tuple(candidate for candidate in problem.candidates if candidate.id in offering)
    rows = {candidate.id: row for row, candidate in enumerate(candidates)}
    needs = {need.id: column for column, need in enumerate(problem.needs)}
    pools = {pool: column for column, pool in enumerate(problem.pools)}
    values = np.full((len(candidates), len(needs)), _ABSENT, dtype=np.int64)
    slots = np.zeros((len(candidates), len(needs)), dtype=np.int64)
    for offer in problem.offers:
        values[rows[offer.candidate], needs[offer.need]] = offer.value
        slots[rows[offer.candidate], needs[offer.need]] = offer.slots
    takes = np.zeros((len(candidates), 3 * len(pools)), dtype=np.int64)
    for row, candidate in enumerate(candidates):
        for take in candidate.takes:
            first = 3 * pools[take.pool]
            takes[row, first : first + 3] = take.fixed_bytes, take.per_slot_bytes, take.kept_bytes
    return _Rated(
        candidates,
        values,
        slots,
        takes,
        np.array([sum(size for _, size in one.files) for one in candidates], dtype=np.int64),
        np.array([sum(t.fixed_bytes + t.per_slot_bytes for t in one.takes) for one in candidates], dtype=np.int64),
        _numbered(one.key for one in candidates),
        _numbered(one.lineage for one in candidates),
        _numbered(one.files for one in candidates),
    )


def _numbered(names: Iterable[object]) -> Integers:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _rules(problem: Problem, rated: _Rated) -> _Rules:
    told = {need for rule in problem.diversities for need in (rule.first, rule.second)}
    reach = np.zeros((int(rated.keys.max(initial=-1)) + 1, rated.values.shape[1]), dtype=bool)
    np.logical_or.at(reach, rated.keys, rated.values > _ABSENT)
    shared = _shared_files(problem)
    return _Rules(
        margin=sum(rule.penalty for rule in problem.diversities),
        guarded=np.array([need.id in told for need in problem.needs], dtype=bool),
        reach=reach,
        sharing=np.array([any(name in shared for name, _ in one.files) for one in rated.candidates], dtype=bool),
    )


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


def _ordered(rated: _Rated) -> list[int]:
    """The lightest first, of these the most valuable: who comes later dominates nobody before."""
    worth = np.where(rated.values > _ABSENT, rated.values, 0).sum(axis=1)
    return sorted(range(len(rated.candidates)), key=lambda n: (rated.weight[n], -worth[n], rated.candidates[n].id))


def _within_keys(rated: _Rated, group: list[int]) -> list[int]:
    """Those of a group that no other of the same key and files dominates, in its order."""
    rivals: dict[tuple[int, int], list[int]] = defaultdict(list)
    kept: list[int] = []
    for one in group:
        own = rivals[int(rated.keys[one]), int(rated.files[one])]
        if not own or not rated.dominates(np.array(own), one).any():
            own.append(one)
            kept.append(one)
    return kept


def _survivors(rated: _Rated, rules: _Rules, group: list[int]) -> list[int]:
    """Those left after comparing keys: a candidate goes when enough keys dominate it that one must be free."""
    kept: list[int] = []
    for one in group:
        beating = _beating(rated, rules, np.array(kept, dtype=np.int64), one)
        keys = np.unique(rated.keys[beating])
        if not _one_is_free(rules.reach[keys]):
            kept.append(one)
    return kept


def _one_is_free(reach: NDArray[np.bool_]) -> bool:
    """Whether some of the keys are as many as the needs that they could serve."""
    return any(reach[:count].any(axis=0).sum() <= count for count in range(1, len(reach) + 1))


def _beating(rated: _Rated, rules: _Rules, others: Integers, one: int) -> Integers:
    """Dominance between keys: strict in value or memory, no larger on disk, and safe for diversity rules."""
    if rules.sharing[one]:
        return others[:0]
    others = others[(rated.keys[others] != rated.keys[one]) & (rated.disk_bytes[others] <= rated.disk_bytes[one])]
    others = others[rated.dominates(others, one)]
    asked = rated.values[one] > _ABSENT
    guarded = asked & rules.guarded
    margins = rated.values[np.ix_(others, guarded)] >= rated.values[one, guarded] + rules.margin
    safe = (rated.lineages[others] == rated.lineages[one]) | margins.all(axis=1)
    more = (rated.values[np.ix_(others, asked)] > rated.values[one, asked]).any(axis=1)
    beating: Integers = others[safe & ((rated.weight[others] < rated.weight[one]) | more)]
    return beating
