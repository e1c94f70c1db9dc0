"""Candidates that can never be needed, left out before the solver sees them.

A candidate is dominated when another of the same tier, swap group and key takes no more from any pool with any number
of slots, offers every need at least the same and is no larger on disk, unless it is strictly better on a level before
the disk and the disk holds everything. Of equals the first name stays. Replacing the dominated by the dominating one in
any choice is feasible (they exclude each other by their key) and makes it no worse, so the optimum stays
(tests/solve/test_dominance.py holds that against brute force).

Between different keys the replacement may be in use already. There a candidate goes only when so many different keys
before it dominate it that one of them must be free: as many as there are needs that those keys could serve, since every
other instance in use serves at least one of these needs, and the candidate in question another.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from stackplan.arrays import Integers, Truths
from stackplan.problem import Candidate, Problem
from stackplan.solve.usage import disk_may_bind
from stackplan.values import replace

_ABSENT = -(2**62)  # below every value: what is not offered
_MANY = 2**62  # more slots than anything has
_BLOCK = 256  # candidates compared with all others at once


@dataclass(frozen=True, slots=True)
class _Rated:
    """Candidates as rows: value by need, slots by need, bytes by pool (fixed, per slot, kept), bytes on disk.

    ``own_bytes`` are those of files that no other key uses, ``shared`` tells which others there are.
    ``places`` are those in an order in which nobody dominates who comes before.
    """

    candidates: tuple[Candidate, ...]
    values: Integers
    slots: Integers
    takes: Integers
    disk_bytes: Integers
    own_bytes: Integers
    shared: Integers
    places: Integers
    keys: Integers
    lineages: Integers

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
    scarce: bool  # whether the disk may be too small


def undominated(problem: Problem) -> Problem:
    """The problem without dominated candidates and their offers."""
    rated = _rated(problem)
    rules = _rules(problem, rated)
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number in np.argsort(rated.places).tolist():
        own = rated.candidates[number]
        groups[own.tier, own.swap_group].append(number)
    left = (_within_keys(rated, rules, np.array(group)) for group in groups.values())
    kept = {number for group in left for number in _survivors(rated, rules, group)}
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
    disk_bytes = np.array([sum(size for _, size in one.files) for one in candidates], dtype=np.int64)
    users = _users(problem)
    shared = [tuple((name, size) for name, size in one.files if len(users[name]) > 1) for one in candidates]
    return _Rated(
        candidates,
        values,
        slots,
        takes,
        disk_bytes,
        disk_bytes - np.array([sum(size for _, size in files) for files in shared], dtype=np.int64),
        _numbered(shared),
        _places(candidates, values, takes, disk_bytes),
        _numbered(one.key for one in candidates),
        _numbered(one.lineage for one in candidates),
    )


def _users(problem: Problem) -> dict[str, set[str]]:
    """The keys that use each file, whatever else one of them needs with it."""
    users: dict[str, set[str]] = defaultdict(set)
    for candidate in problem.candidates:
        for name, _ in candidate.files:
            users[name].add(candidate.key)
    return users


def _places(candidates: tuple[Candidate, ...], values: Integers, takes: Integers, disk_bytes: Integers) -> Integers:
    """The lightest first, of these the most valuable, then the smaller on disk: who comes later dominates nobody."""
    worth = np.where(values > _ABSENT, values, 0).sum(axis=1)
    names = np.argsort(np.argsort([candidate.id for candidate in candidates]))
    places = np.empty(len(candidates), dtype=np.int64)
    places[np.lexsort((names, disk_bytes, -worth, takes.sum(axis=1)))] = np.arange(len(candidates))
    return places


def _numbered(names: Iterable[object]) -> Integers:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _rules(problem: Problem, rated: _Rated) -> _Rules:
    told = {need for rule in problem.diversities for need in (rule.first, rule.second)}
    reach = np.zeros((int(rated.keys.max(initial=-1)) + 1, rated.values.shape[1]), dtype=bool)
    np.logical_or.at(reach, rated.keys, rated.values > _ABSENT)
    return _Rules(
        margin=sum(rule.penalty for rule in problem.diversities),
        guarded=np.array([need.id in told for need in problem.needs], dtype=bool),
        reach=reach,
        scarce=disk_may_bind(problem, rated.candidates),
    )


def _within_keys(rated: _Rated, rules: _Rules, group: Integers) -> Integers:
    """Those of a group that no other of the same key is worth more than, in its order: who is before goes first."""
    alike: dict[int, list[int]] = defaultdict(list)
    for place, key in enumerate(rated.keys[group].tolist()):
        alike[key].append(place)
    lost = np.zeros(len(group), dtype=bool)
    for places in alike.values():
        if len(places) > 1:
            own = group[places]
            lost[places] = np.triu(_replacing(rated, rules, own, own), 1).any(axis=0)
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
    """Dominance between keys: safe for diversity rules, and of two equals the first."""
    found = _replacing(rated, rules, ones, others) & (rated.places[ones, None] < rated.places[others])
    found &= rated.keys[ones, None] != rated.keys[others]
    apart = np.ones((len(ones), len(others)), dtype=bool)
    for values, guarded in zip(rated.values.T, rules.guarded.tolist(), strict=True):
        if guarded:
            apart &= values[ones, None] >= np.where(values[others] > _ABSENT, values[others] + rules.margin, _ABSENT)
    apart |= rated.lineages[ones, None] == rated.lineages[others]
    return found & apart


def _replacing(rated: _Rated, rules: _Rules, ones: Integers, others: Integers) -> Truths:
    """Who is as good as others in all that counts before the disk, and no larger there unless that is paid for."""
    found, worth = rated.dominating(ones, others), _no_larger(rated, ones, others)
    if not rules.scarce:
        worth |= _better(rated, ones, others)
    found &= worth
    return found


def _no_larger(rated: _Rated, ones: Integers, others: Integers) -> Truths:
    """Who is no larger on disk than what others would free: not the files that several keys use."""
    own = rated.own_bytes
    found = np.ones((len(ones), len(others)), dtype=bool)
    found &= (rated.shared[ones, None] == rated.shared[others]) & (own[ones, None] <= own[others])
    found |= rated.disk_bytes[ones, None] <= own[others]
    return found


def _better(rated: _Rated, ones: Integers, others: Integers) -> Truths:
    """Who is strictly better on a level before the disk, whichever of its needs an instance serves."""
    memory = rated.takes.sum(axis=1)
    dearer = np.ones((len(ones), len(others)), dtype=bool)
    for values in rated.values.T:
        dearer &= (values[ones, None] > values[others]) | (values[others] == _ABSENT)
    dearer |= memory[ones, None] < memory[others]
    return dearer
