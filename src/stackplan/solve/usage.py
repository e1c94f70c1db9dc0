"""What an assignment takes, in exact integers: the judge of every solver answer and of the local search."""

from collections import defaultdict
from collections.abc import Mapping

from stackplan.problem import Candidate, Problem, Usage


def slots_asked(problem: Problem, assignment: Mapping[str, str]) -> dict[str, int]:
    """Slots that each deployed candidate must have: those of its needs added up."""
    asked: dict[str, int] = defaultdict(int)
    for offer in problem.offers:
        if assignment.get(offer.need) == offer.candidate:
            asked[offer.candidate] += offer.slots
    return dict(asked)


def usage(problem: Problem, assignment: Mapping[str, str]) -> Usage:
    """Bytes that the assignment takes from each pool at the worst moment, and on disk."""
    asked = slots_asked(problem, assignment)
    chosen = [candidate for candidate in problem.candidates if candidate.id in asked]
    pools = {pool: _pool_bytes(problem, chosen, asked, pool) for pool in problem.pools}
    files = {name: size for candidate in chosen for name, size in candidate.files}
    return Usage(pools, sum(files.values()))


def memory_bytes(problem: Problem, assignment: Mapping[str, str]) -> int:
    """Bytes over all pools of everything deployed: what the third level of the objective counts."""
    asked = slots_asked(problem, assignment)
    return sum(
        take.at(asked[candidate.id]) + take.kept_bytes
        for candidate in problem.candidates
        if candidate.id in asked
        for take in candidate.takes
    )


def value(problem: Problem, assignment: Mapping[str, str]) -> int:
    """The second level: value of the offers taken, less diversity penalties."""
    total = sum(offer.value for offer in problem.offers if assignment.get(offer.need) == offer.candidate)
    lineage = {candidate.id: candidate.lineage for candidate in problem.candidates}
    for rule in problem.diversities:
        first = lineage.get(assignment.get(rule.first, ""), "")
        if first and first == lineage.get(assignment.get(rule.second, ""), ""):
            total -= rule.penalty
    return total


def _pool_bytes(problem: Problem, chosen: list[Candidate], asked: Mapping[str, int], pool: str) -> int:
    hot = kept = cold = 0
    turns: dict[str, list[int]] = defaultdict(list)
    for candidate in chosen:
        for take in candidate.takes:
            if take.pool != pool:
                continue
            size = take.at(asked[candidate.id])
            if candidate.tier == "hot":
                hot += size
            elif candidate.tier == "warm":
                kept += take.kept_bytes
                turns[candidate.swap_group].append(size)
            else:
                cold = max(cold, size)
    swapped = sum(
        sum(sorted(sizes)[-2:]) if group in problem.overlapping_groups else max(sizes) for group, sizes in turns.items()
    )
    return hot + max(kept + swapped, cold)
