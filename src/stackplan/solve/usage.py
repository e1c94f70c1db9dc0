"""What an assignment takes, in exact integers: the judge of every solver answer and of the local search."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from stackplan.problem import Candidate, Offer, Problem, Usage


@dataclass(frozen=True, eq=False)  # no slots: what nobody asks for is never looked up
class Facts:
    """A problem with the look-ups that judging assignments needs."""

    problem: Problem

    @cached_property
    def candidates(self) -> Mapping[str, Candidate]:
        """Candidates by name."""
        return {candidate.id: candidate for candidate in self.problem.candidates}

    @cached_property
    def slots(self) -> Mapping[tuple[str, str], int]:
        """Slots by need and candidate."""
        return {(offer.need, offer.candidate): offer.slots for offer in self.problem.offers}

    @cached_property
    def values(self) -> Mapping[tuple[str, str], int]:
        """Values by need and candidate."""
        return {(offer.need, offer.candidate): offer.value for offer in self.problem.offers}

    @cached_property
    def required(self) -> frozenset[str]:
        """Needs that must be served."""
        return frozenset(need.id for need in self.problem.needs if need.required)

    @cached_property
    def named(self) -> Mapping[str, tuple[str, ...]]:
        """Candidates offered to each need."""
        named: dict[str, list[str]] = {need.id: [] for need in self.problem.needs}
        for offer in self.problem.offers:
            named[offer.need].append(offer.candidate)
        return {need: tuple(names) for need, names in named.items()}

    @cached_property
    def by_candidate(self) -> tuple[tuple[str, tuple[Offer, ...]], ...]:
        """Candidates with their offers, those of most value together first."""
        offers: dict[str, list[Offer]] = defaultdict(list)
        for offer in self.problem.offers:
            offers[offer.candidate].append(offer)
        ordered = sorted(offers.items(), key=lambda pair: (-sum(offer.value for offer in pair[1]), pair[0]))
        return tuple((name, tuple(own)) for name, own in ordered)

    @property
    def needs(self) -> Iterable[str]:
        """The needs in the problem's order."""
        return self.named.keys()

    def slots_asked(self, assignment: Mapping[str, str]) -> dict[str, int]:
        """Slots that each deployed candidate must have: those of its needs added up."""
        asked: dict[str, int] = defaultdict(int)
        for need, candidate in assignment.items():
            asked[candidate] += self.slots[(need, candidate)]
        return dict(asked)


class _ById:
    """A key that compares problems by identity: they are frozen, and hashing one reads all of it."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def __hash__(self) -> int:
        return id(self.problem)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.problem is self.problem


def facts_of(problem: Problem) -> Facts:
    """The look-ups of a problem, made once."""
    return _facts(_ById(problem))


@lru_cache(maxsize=8)
def _facts(key: _ById) -> Facts:
    return Facts(key.problem)


def usage(problem: Problem, assignment: Mapping[str, str]) -> Usage:
    """Bytes that the assignment takes from each pool at the worst moment, and on disk."""
    facts = facts_of(problem)
    asked = facts.slots_asked(assignment)
    chosen = [facts.candidates[name] for name in asked]
    pools = {pool: pool_bytes(problem, chosen, asked, pool) for pool in problem.pools}
    files = {name: size for candidate in chosen for name, size in candidate.files}
    return Usage(pools, sum(files.values()))


def memory_bytes(problem: Problem, assignment: Mapping[str, str]) -> int:
    """Bytes over all pools of everything deployed: what the third level of the objective counts."""
    facts = facts_of(problem)
    return sum(
        take.at(slots) + take.kept_bytes
        for name, slots in facts.slots_asked(assignment).items()
        for take in facts.candidates[name].takes
    )


def value(problem: Problem, assignment: Mapping[str, str], facts: Facts | None = None) -> int:
    """The second level: value of the offers taken, less diversity penalties."""
    facts = facts or facts_of(problem)
    total = sum(facts.values[(need, candidate)] for need, candidate in assignment.items())
    for rule in problem.diversities:
        first, second = assignment.get(rule.first), assignment.get(rule.second)
        if first and second and facts.candidates[first].lineage == facts.candidates[second].lineage != "":
            total -= rule.penalty
    return total


def overdrawn(facts: Facts, assignment: Mapping[str, str]) -> dict[str, int]:
    """Bytes by which an assignment exceeds the pools that it exceeds; the disk is one of them, by the name "disk"."""
    problem, asked = facts.problem, facts.slots_asked(assignment)
    used = [facts.candidates[name] for name in asked]
    over = {pool: pool_bytes(problem, used, asked, pool) - budget for pool, budget in problem.pools.items()}
    if problem.disk_bytes is not None:
        files = {name: size for candidate in used for name, size in candidate.files}
        over["disk"] = sum(files.values()) - problem.disk_bytes
    return {pool: size for pool, size in over.items() if size > 0}


def pool_bytes(problem: Problem, chosen: Iterable[Candidate], asked: Mapping[str, int], pool: str) -> int:
    """Bytes of one pool at the worst moment: HOT, and beside it the WARM ones in turn or the largest COLD one."""
    hot = kept = cold = 0
    turns: dict[str, list[int]] = {}
    for candidate in chosen:
        for take in candidate.takes:
            if take.pool != pool:
                continue
            size = take.at(asked[candidate.id])
            if candidate.tier == "hot":
                hot += size
            elif candidate.tier == "warm":
                kept += take.kept_bytes
                turns.setdefault(candidate.swap_group, []).append(size)
            else:
                cold = max(cold, size)
    swapped = sum(
        sum(sorted(sizes)[-2:]) if group in problem.overlapping_groups else max(sizes) for group, sizes in turns.items()
    )
    return hot + max(kept + swapped, cold)


def disk_may_bind(problem: Problem, candidates: Iterable[Candidate]) -> bool:
    """Whether the files of some choice among the candidates could be more than the disk holds."""
    if problem.disk_bytes is None:
        return False
    largest = sorted((sum(size for _, size in one.files) for one in candidates), reverse=True)
    return sum(largest[: len(problem.needs)]) > problem.disk_bytes
