"""A problem in numbers, for a search that puts thousands of choices together: no names are looked up on the way."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from stackplan.problem import TIERS, Candidate, Problem, Take, Tier
from stackplan.solve.usage import disk_may_bind

NOBODY = -1
HOT = TIERS.index("hot")

Named = TypeVar("Named", bound=Hashable)

Held = tuple[int, int, int, int, int]  # pool, bytes: fixed, per slot, kept; and the place where it takes turns, if any
Place = tuple[Tier, str, str]  # of a tier's swap group in a pool


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Needs, candidates, keys, pools, places for turns as numbers; ``values`` and ``slots`` by need and candidate."""

    needs: tuple[str, ...]
    names: tuple[str, ...]
    required: tuple[bool, ...]
    slots: tuple[Mapping[int, int], ...]
    values: tuple[Mapping[int, int], ...]
    asking: tuple[tuple[int, ...], ...]  # by candidate, the needs that it is offered to
    apart: tuple[tuple[int, ...], ...]  # by need, those that must have another key
    candidates: tuple[Candidate, ...]
    tiers: tuple[int, ...]
    keys: tuple[int, ...]
    takes: tuple[tuple[Held, ...], ...]
    alike: tuple[int, ...]  # by candidate: the same for those of one key, tier and group that take from the same pools
    twos: tuple[bool, ...]  # by place where WARM or COLD ones take turns, whether it holds two at a time
    budgets: tuple[int, ...]
    disk_bytes: int | None  # None also where every choice has room
    penalties: tuple[tuple[int, int, int], ...]

    def numbered(self, assignment: Mapping[str, str]) -> list[int]:
        """An assignment as the number of each need's candidate."""
        places = {name: number for number, name in enumerate(self.names)}
        return [places[assignment[need]] if need in assignment else NOBODY for need in self.needs]

    def named(self, chosen: Iterable[int]) -> dict[str, str]:
        """The assignment that the numbers stand for."""
        return {need: self.names[own] for need, own in zip(self.needs, chosen, strict=True) if own != NOBODY}

    def value(self, chosen: Sequence[int]) -> int:
        """What the choice is worth, less penalties."""
        total = 0
        for values, own in zip(self.values, chosen, strict=True):
            if own != NOBODY:
                total += values[own]
        for first, second, penalty in self.penalties:
            one, other = chosen[first], chosen[second]
            if NOBODY not in (one, other) and self._related(one, other):
                total -= penalty
        return total

    def _related(self, one: int, other: int) -> bool:
        return self.candidates[one].lineage == self.candidates[other].lineage != ""


def layout_of(problem: Problem) -> Layout:
    """A problem in numbers."""
    candidates = problem.candidates
    needs = {need.id: number for number, need in enumerate(problem.needs)}
    place = {candidate.id: number for number, candidate in enumerate(candidates)}
    values: list[dict[int, int]] = [{} for _ in needs]
    slots: list[dict[int, int]] = [{} for _ in needs]
    asking: dict[int, list[int]] = defaultdict(list)
    for offer in problem.offers:
        need, own = needs[offer.need], place[offer.candidate]
        if own not in values[need]:
            asking[own].append(need)
        values[need][own], slots[need][own] = offer.value, offer.slots
    keys = _numbers(candidate.key for candidate in candidates)
    pools = {pool: number for number, pool in enumerate(problem.pools)}
    turns = _numbers(_place(one, take) for one in candidates if one.tier != "hot" for take in one.takes)
    tiers = tuple(TIERS.index(candidate.tier) for candidate in candidates)
    alike = [(one.key, one.tier, one.swap_group, tuple(take.pool for take in one.takes)) for one in candidates]
    kinds = _numbers(alike)
    return Layout(
        needs=tuple(needs),
        names=tuple(place),
        required=tuple(need.required for need in problem.needs),
        slots=tuple(slots),
        values=tuple(values),
        asking=tuple(tuple(asking[number]) for number in range(len(candidates))),
        apart=tuple(_apart(problem, needs, need) for need in needs),
        candidates=candidates,
        tiers=tiers,
        keys=tuple(keys[candidate.key] for candidate in candidates),
        takes=tuple(_held(candidate, pools, turns) for candidate in candidates),
        alike=tuple(kinds[one] for one in alike),
        twos=tuple(tier == "warm" and group in problem.overlapping_groups for tier, group, _ in turns),
        budgets=tuple(problem.pools.values()),
        disk_bytes=problem.disk_bytes if disk_may_bind(problem, candidates) else None,
        penalties=tuple((needs[r.first], needs[r.second], r.penalty) for r in problem.diversities),
    )


def _numbers(names: Iterable[Named]) -> dict[Named, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def _apart(problem: Problem, needs: Mapping[str, int], need: str) -> tuple[int, ...]:
    return tuple(needs[other] for group in problem.distinct if need in group for other in group if other != need)


def _place(candidate: Candidate, take: Take) -> Place:
    return candidate.tier, candidate.swap_group if candidate.tier == "warm" else "", take.pool


def _held(candidate: Candidate, pools: Mapping[str, int], turns: Mapping[Place, int]) -> tuple[Held, ...]:
    """What a candidate takes; bytes are kept by WARM ones only."""
    return tuple(
        (
            pools[take.pool],
            take.fixed_bytes,
            take.per_slot_bytes,
            take.kept_bytes if candidate.tier == "warm" else 0,
            turns.get(_place(candidate, take), NOBODY),
        )
        for take in candidate.takes
    )
