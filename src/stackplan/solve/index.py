"""A problem with the look-ups that writing it as rows needs."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from msgspec import Struct

from stackplan.arrays import Integers, Truths
from stackplan.problem import Candidate, Offer, Problem

_UNITS_PER_BUDGET = 262144


class Loaded(Struct, frozen=True):
    """Candidates of one tier that take from one pool, in whole units, and what they offer.

    Each part of a demand is rounded down. ``places`` are those of ``offers`` among the candidates.
    """

    candidates: Integers
    fixed: Integers
    kept: Integers
    offers: Integers
    places: Integers
    slots: Integers
    """Whole units that each offer takes for its slots."""

    def some(self, chosen: Truths) -> "Loaded":
        """Only the chosen candidates."""
        numbers, offered = np.cumsum(chosen) - 1, chosen[self.places]
        own = (self.candidates[chosen], self.fixed[chosen], self.kept[chosen])
        return Loaded(*own, self.offers[offered], numbers[self.places[offered]], self.slots[offered])


@dataclass(frozen=True, slots=True)
class Numbers:
    """Offers and candidates as numbers. The column of an offer has its number, those of candidates come after."""

    need: Integers  # by offer, the number of its need
    candidate: Integers  # by offer
    key: Integers  # by candidate
    keys: tuple[str, ...]
    several: Truths  # by candidate, whether it has more offers than one
    run: Integers  # by candidate, the column that says that it is deployed
    loaded: Mapping[tuple[str, str], Loaded]  # by pool and tier


@dataclass(frozen=True, slots=True)
class Indexed:
    """A problem with the look-ups that writing rows needs.

    Needs that must differ and are otherwise alike (a pool of embedders) are one need here, served ``copies`` times:
    six interchangeable needs would have 720 equal answers each. ``members`` names them by their first.
    """

    problem: Problem
    offers: tuple[Offer, ...]
    candidates: dict[str, Candidate]
    by_need: dict[str, tuple[Offer, ...]]
    by_candidate: dict[str, tuple[Offer, ...]]
    units: dict[str, int]
    members: dict[str, tuple[str, ...]]
    numbers: Numbers


def indexed(problem: Problem) -> Indexed:
    """The problem with its look-ups; candidates that nobody may use are left out."""
    members = alike_needs(problem)
    merged = {need for group in members.values() for need in group[1:]}
    by_need: dict[str, list[Offer]] = {need.id: [] for need in problem.needs if need.id not in merged}
    by_candidate: dict[str, list[Offer]] = defaultdict(list)
    offers = tuple(offer for offer in problem.offers if offer.need not in merged) if merged else problem.offers
    for offer in offers:
        by_need[offer.need].append(offer)
        by_candidate[offer.candidate].append(offer)
    candidates = {candidate.id: candidate for candidate in problem.candidates if candidate.id in by_candidate}
    units = {pool: unit_of(budget) for pool, budget in problem.pools.items()}
    return Indexed(
        problem,
        offers,
        candidates,
        {need: tuple(found) for need, found in by_need.items()},
        {candidate: tuple(found) for candidate, found in by_candidate.items()},
        units,
        members,
        _numbers(offers, tuple(candidates.values()), tuple(by_need), units),
    )


def _numbers(
    offers: tuple[Offer, ...], candidates: tuple[Candidate, ...], needs: tuple[str, ...], units: Mapping[str, int]
) -> Numbers:
    need_numbers = {need: number for number, need in enumerate(needs)}
    places = {candidate.id: number for number, candidate in enumerate(candidates)}
    need = np.array([need_numbers[offer.need] for offer in offers], dtype=np.int64)
    candidate = np.array([places[offer.candidate] for offer in offers], dtype=np.int64)
    slots = np.array([offer.slots for offer in offers], dtype=np.int64)
    keys: dict[str, int] = {}
    key = np.array([keys.setdefault(one.key, len(keys)) for one in candidates], dtype=np.int64)
    order = np.argsort(candidate, kind="stable")
    counts = np.bincount(candidate, minlength=len(candidates))
    several = counts > 1
    first = order[np.cumsum(counts) - counts] if len(candidates) else order
    run = np.where(several, len(offers) + np.cumsum(several) - 1, first)
    loaded = _loaded(candidates, units, candidate, slots, order)
    return Numbers(need, candidate, key, tuple(keys), several, run, loaded)


def _loaded(
    candidates: tuple[Candidate, ...], units: Mapping[str, int], offered: Integers, slots: Integers, order: Integers
) -> dict[tuple[str, str], Loaded]:
    takes: dict[tuple[str, str], list[tuple[int, int, int, int]]] = defaultdict(list)
    for number, candidate in enumerate(candidates):
        for take in candidate.takes:
            sizes = (number, take.fixed_bytes, take.per_slot_bytes, take.kept_bytes)
            takes[take.pool, candidate.tier].append(sizes)
    ordered, asked = offered[order], slots[order]
    loaded: dict[tuple[str, str], Loaded] = {}
    for (pool, tier), own in takes.items():
        unit, (taking, fixed, per_slot, kept) = units[pool], np.array(own, dtype=np.int64).T
        place_of = np.full(len(candidates), -1, dtype=np.int64)
        place_of[taking] = np.arange(len(taking))
        places = place_of[ordered]
        among = places >= 0
        places = places[among]
        each = per_slot[places] * asked[among] // unit
        loaded[pool, tier] = Loaded(taking, fixed // unit, kept // unit, order[among], places, each)
    return loaded


def alike_needs(problem: Problem) -> dict[str, tuple[str, ...]]:
    """Groups of distinct needs that nothing else tells apart, by their first member."""
    if not problem.distinct:
        return {}
    required = {need.id: need.required for need in problem.needs}
    watched = {need for rule in problem.diversities for need in (rule.first, rule.second)}
    offered: dict[str, list[tuple[str, int, int]]] = {need: [] for group in problem.distinct for need in group}
    for offer in problem.offers:
        if offer.need in offered:
            offered[offer.need].append((offer.candidate, offer.value, offer.slots))
    return {
        group[0]: group
        for group in problem.distinct
        if not watched & set(group) and len({(required[need], tuple(offered[need])) for need in group}) == 1
    }


def unit_of(budget: int) -> int:
    """Bytes of one unit of a budget: a power of two near 1/262144 of it."""
    return 1 << max(0, (budget // _UNITS_PER_BUDGET).bit_length() - 1)
