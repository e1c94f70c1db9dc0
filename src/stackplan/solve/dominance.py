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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from stackplan.arrays import Integers, Truths
from stackplan.problem import Candidate, Problem

_ABSENT = -(2**62)  # below every value: what is not offered
_MANY = 2**62  # more slots than anything has
_BLOCK = 256  # candidates compared with all others at once


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

    def dominating(self, ones: Integers, others: Integers) -> Truths:
        """Which of ``ones`` offer every need of each of ``others`` as much, for no more slots and bytes."""
        found = np.ones((len(ones), len(others)), dtype=bool)
        for values, slots in zip(self.values.T, self.slots.T, strict=True):
            most = np.where(values[others] > _ABSENT, slots[others], _MANY)
            found &= (values[ones, None] >= values[others]) & (slots[ones, None] <= most)
        for takes in self.takes.T:
            found &= takes[ones, None] <= takes[others]
        return found


@dataclass(frozen=True, slots=True)
class _Rules:
    margin: int
    guarded: Truths  # by need
    reach: Truths  # needs by key
    sharing: Truths  # candidates that use a file of several keys


def undominated(problem: Problem) -> Problem:
    """The problem without dominated candidates and their offers."""
    rated = _rated(problem)
    rules = _rules(problem, rated)
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number in _ordered(rated):
        own = rated.candidates[number]
        groups[own.tier, own.swap_group].append(number)
    kept = {
        number for group in groups.values() for number in _survivors(rated, rules, _within_keys(rated, np.array(group)))
    }
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


def _within_keys(rated: _Rated, group: Integers) -> Integers:
    """Those of a group that no other of the same key and files dominates, in its order: who is before goes first."""
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, names in enumerate(zip(rated.keys[group].tolist(), rated.files[group].tolist(), strict=True)):
        alike[names].append(place)
    lost = np.zeros(len(group), dtype=bool)
    for places in alike.values():
        if len(places) > 1:
            own = group[places]
            lost[places] = np.triu(rated.dominating(own, own), 1).any(axis=0)
    return group[~lost]


def _survivors(rated: _Rated, rules: _Rules, group: Integers) -> list[int]:
    """Those left after comparing keys: a candidate goes when enough keys dominate it that one must be free."""
    kept = np.zeros(len(group), dtype=bool)
    for block in _blocks(group):
        beating = _beating(rated, rules, group, group[block])
        for place, column in enumerate(beating.T, block.start):
            others = group[kept & column]
            kept[place] = not len(others) or not _one_is_free(rules.reach[np.unique(rated.keys[others])])
    return [int(one) for one in group[kept]]


def _blocks(group: Integers) -> Iterator[slice]:
    return (slice(begin, begin + _BLOCK) for begin in range(0, len(group), _BLOCK))


def _one_is_free(reach: Truths) -> bool:
    """Whether some of the keys are as many as the needs that they could serve."""
    reached = np.logical_or.accumulate(reach, axis=0).sum(axis=1)
    return bool((reached <= np.arange(1, len(reach) + 1)).any())


def _beating(rated: _Rated, rules: _Rules, ones: Integers, others: Integers) -> Truths:
    """Dominance between keys: strict in value or memory, no larger on disk, and safe for diversity rules."""
    found = rated.dominating(ones, others) & ~rules.sharing[others]
    found &= rated.keys[ones, None] != rated.keys[others]
    found &= rated.disk_bytes[ones, None] <= rated.disk_bytes[others]
    safe = rated.lineages[ones, None] == rated.lineages[others]
    more = rated.weight[ones, None] < rated.weight[others]
    apart = np.ones_like(safe)
    for values, guarded in zip(rated.values.T, rules.guarded.tolist(), strict=True):
        asked = values[others] > _ABSENT
        more |= (values[ones, None] > values[others]) & asked
        if guarded:
            apart &= values[ones, None] >= np.where(asked, values[others] + rules.margin, _ABSENT)
    found &= (safe | apart) & more
    return found
