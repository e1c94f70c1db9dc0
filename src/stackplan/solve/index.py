"""A problem with the look-ups that writing it as rows needs."""

from collections import defaultdict
from dataclasses import dataclass

from stackplan.problem import Candidate, Offer, Problem

_UNITS_PER_BUDGET = 262144


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


def indexed(problem: Problem) -> Indexed:
    """The problem with its look-ups; candidates that nobody may use are left out."""
    members = alike_needs(problem)
    merged = {need for group in members.values() for need in group[1:]}
    by_need: dict[str, list[Offer]] = {need.id: [] for need in problem.needs if need.id not in merged}
    by_candidate: dict[str, list[Offer]] = defaultdict(list)
    offers = tuple(offer for offer in problem.offers if offer.need not in merged)
    for offer in offers:
        by_need[offer.need].append(offer)
        by_candidate[offer.candidate].append(offer)
    return Indexed(
        problem,
        offers,
        {candidate.id: candidate for candidate in problem.candidates if candidate.id in by_candidate},
        {need: tuple(found) for need, found in by_need.items()},
        {candidate: tuple(found) for candidate, found in by_candidate.items()},
        {pool: unit_of(budget) for pool, budget in problem.pools.items()},
        members,
    )


def alike_needs(problem: Problem) -> dict[str, tuple[str, ...]]:
    """Groups of distinct needs that nothing else tells apart, by their first member."""
    required = {need.id: need.required for need in problem.needs}
    watched = {need for rule in problem.diversities for need in (rule.first, rule.second)}
    offered: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for offer in problem.offers:
        offered[offer.need].append((offer.candidate, offer.value, offer.slots))
    return {
        group[0]: group
        for group in problem.distinct
        if not watched & set(group) and len({(required[need], tuple(offered[need])) for need in group}) == 1
    }


def unit_of(budget: int) -> int:
    """Bytes of one unit of a budget: a power of two near 1/262144 of it."""
    return 1 << max(0, (budget // _UNITS_PER_BUDGET).bit_length() - 1)
