"""A good choice soon: by moves, by a short search among the likeliest, or by HiGHS's own heuristics, cheapest first."""

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from stackplan.problem import Candidate, Offer, Problem
from stackplan.solve.exact import Exact, assignment_at, point_of
from stackplan.solve.formulation import formulate, value_terms
from stackplan.solve.index import Indexed, indexed
from stackplan.solve.pricing import PriceList
from stackplan.solve.rows import Programme
from stackplan.solve.search import fits, improved, start_assignment
from stackplan.solve.sided import NEVER
from stackplan.solve.simplex import Relaxation
from stackplan.solve.turns import levels_reached

Known = Mapping[str, str] | None

_CORE = 160  # candidates: more took longer and found little better (measured 2026-11 on stacks of 6 to 16 needs)
_LIGHT_GROUPS = 60
_QUICK_WORK = 2_000_000  # see `Relaxation.work`
_SPARED = 32768  # one part of a budget in so many is left free, more than what the solver's tolerance lets through


def first_choice(problem: Problem, _: PriceList, __: Known) -> dict[str, str] | None:
    """An assignment that fits, by moves from a greedy one."""
    return start_assignment(problem)


def quick_choice(problem: Problem, found: PriceList, known: Known) -> dict[str, str] | None:
    """The best assignment that a short search finds among the candidates of most profit."""
    index = indexed(_core(problem, found, known))
    if not index.offers:
        return None
    exact = Exact(index, False, NEVER, time.monotonic, work=_QUICK_WORK)
    cost = {column: -value for column, value in value_terms(index)}
    assignment = exact.minimum(cost, known, step=1.0).assignment
    return improved(problem, assignment) if assignment else None


def fresh_choice(problem: Problem, found: PriceList, _: Known) -> dict[str, str] | None:
    """What `good_choice` finds when it begins from nothing: at times that is better."""
    return good_choice(problem, found, None)


def good_choice(problem: Problem, found: PriceList, known: Known) -> dict[str, str] | None:
    """An assignment that fits and serves every required need; None when the heuristics find none."""
    core = _core(problem, found, known)
    spared = {pool: budget - budget // _SPARED for pool, budget in problem.pools.items()}
    index = indexed(replace(core, pools=spared))
    if not index.offers:
        return None
    programme = formulate(index)
    programme.cost = {column: -value for column, value in value_terms(index)}
    with Relaxation(programme) as relaxation:
        values = relaxation.whole(
            (programme.columns[name] for name in programme.integer), _start(programme, index, known)
        )
    if values is None:
        return None
    assignment = assignment_at(index, programme, values)
    return improved(problem, assignment) if fits(problem, assignment) else None


def _start(programme: Programme, index: Indexed, known: Known) -> dict[int, float]:
    if known is None:
        return {}
    names = [*point_of(index, known), *levels_reached(programme, index, known)]
    return {programme.columns[name]: 1.0 for name in names if name in programme.columns}


def _core(problem: Problem, found: PriceList, known: Known) -> Problem:
    """The candidates of most profit, a few for each need, model and tier before more of any; and light ones."""
    groups = sorted(_groups(problem, found), key=lambda group: group[0])
    kept = set((known or {}).values())
    kept |= {min(group, key=lambda one: (one[1], one[2]))[2] for group in groups[:_LIGHT_GROUPS]}
    depth = 0
    while len(kept) < _CORE and any(len(group) > depth for group in groups):
        kept |= {group[depth][2] for group in groups if len(group) > depth}
        depth += 1
    return replace(
        problem,
        candidates=tuple(candidate for candidate in problem.candidates if candidate.id in kept),
        offers=tuple(offer for offer in problem.offers if offer.candidate in kept),
    )


def _groups(problem: Problem, found: PriceList) -> list[list[tuple[float, int, str]]]:
    """For each need, model and tier the candidates as (-profit, bytes, name), most profit first."""
    offers: dict[str, list[Offer]] = defaultdict(list)
    for offer in problem.offers:
        offers[offer.candidate].append(offer)
    groups: dict[tuple[str, str, str], list[tuple[float, int, str]]] = defaultdict(list)
    for candidate in problem.candidates:
        for need, profit in found.profits(candidate, tuple(offers[candidate.id])).items():
            groups[(need, candidate.key, candidate.tier)].append((-profit, _weight(candidate), candidate.id))
    return [sorted(group) for group in groups.values()]


def _weight(candidate: Candidate) -> int:
    return sum(take.fixed_bytes + take.per_slot_bytes for take in candidate.takes)
