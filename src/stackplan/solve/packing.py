"""A choice under way: what runs, what it takes, and who still fits. Told in numbers, exact, and quick to add to."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stackplan.problem import TIERS, Candidate, Problem
from stackplan.solve.usage import Facts, facts_of

NOBODY = -1
_HOT, _WARM, _COLD = range(len(TIERS))

Held = tuple[int, int, int, int]  # pool, and bytes: fixed, per slot, kept


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A problem with needs, candidates, keys and pools as numbers; ``values`` and ``slots`` by need and candidate."""

    facts: Facts
    needs: tuple[str, ...]
    names: tuple[str, ...]
    required: tuple[bool, ...]
    slots: tuple[Mapping[int, int], ...]
    values: tuple[Mapping[int, int], ...]
    asking: tuple[tuple[int, ...], ...]  # by candidate, the needs that it is offered to
    apart: tuple[tuple[int, ...], ...]  # by need, those that must have another key
    tiers: tuple[int, ...]
    keys: tuple[int, ...]
    groups: tuple[tuple[int, bool], ...]  # by candidate: its swap group, and whether that holds two at a time
    takes: tuple[tuple[Held, ...], ...]
    files: tuple[tuple[tuple[str, int], ...], ...]
    budgets: tuple[int, ...]
    penalties: tuple[tuple[int, int, int], ...]
    lineages: tuple[str, ...]

    def numbered(self, assignment: Mapping[str, str]) -> list[int]:
        """An assignment as the number of each need's candidate."""
        places = {name: number for number, name in enumerate(self.names)}
        return [places[assignment[need]] if need in assignment else NOBODY for need in self.needs]

    def named(self, chosen: Iterable[int]) -> dict[str, str]:
        """The assignment that the numbers stand for."""
        return {need: self.names[own] for need, own in zip(self.needs, chosen, strict=True) if own != NOBODY}

    def value(self, chosen: Sequence[int]) -> int:
        """What the choice is worth, less penalties."""
        total = sum([self.values[need][own] for need, own in enumerate(chosen) if own != NOBODY])
        for first, second, penalty in self.penalties:
            one, other = chosen[first], chosen[second]
            if NOBODY not in (one, other) and self.lineages[one] == self.lineages[other] != "":
                total -= penalty
        return total


def layout_of(problem: Problem) -> Layout:
    """A problem in numbers."""
    facts, candidates = facts_of(problem), problem.candidates
    needs = tuple(need.id for need in problem.needs)
    place = {candidate.id: number for number, candidate in enumerate(candidates)}
    values: list[dict[int, int]] = [{} for _ in needs]
    slots: list[dict[int, int]] = [{} for _ in needs]
    asking: dict[int, list[int]] = defaultdict(list)
    for (need, name), asked in facts.slots.items():
        number = needs.index(need)
        values[number][place[name]] = facts.values[need, name]
        slots[number][place[name]] = asked
        asking[place[name]].append(number)
    pools, keys = list(problem.pools), _numbers(candidate.key for candidate in candidates)
    groups = _numbers(candidate.swap_group for candidate in candidates)
    return Layout(
        facts=facts,
        needs=needs,
        names=tuple(place),
        required=tuple(need in facts.required for need in needs),
        slots=tuple(slots),
        values=tuple(values),
        asking=tuple(tuple(asking[number]) for number in range(len(candidates))),
        apart=tuple(_apart(problem, needs, need) for need in needs),
        tiers=tuple(TIERS.index(candidate.tier) for candidate in candidates),
        keys=tuple(keys[candidate.key] for candidate in candidates),
        groups=tuple((groups[one.swap_group], one.swap_group in problem.overlapping_groups) for one in candidates),
        takes=tuple(_held(candidate, pools) for candidate in candidates),
        files=tuple(candidate.files for candidate in candidates),
        budgets=tuple(problem.pools.values()),
        penalties=tuple((needs.index(r.first), needs.index(r.second), r.penalty) for r in problem.diversities),
        lineages=tuple(candidate.lineage for candidate in candidates),
    )


@dataclass(slots=True)
class Packing:
    """Who serves whom so far, and what that takes. Only ever added to."""

    layout: Layout
    chosen: list[int]
    slots: dict[int, int] = field(default_factory=dict)  # of what runs
    _by_key: dict[int, int] = field(default_factory=dict)
    _hot: list[int] = field(init=False)
    _kept: list[int] = field(init=False)
    _cold: list[int] = field(init=False)
    _turns: list[dict[int, dict[int, int]]] = field(init=False)  # by pool and swap group, bytes by candidate
    _swapped: list[int] = field(init=False)
    _files: set[str] = field(default_factory=set)
    _disk: int = 0

    def __post_init__(self) -> None:
        """Begin with nothing, then take what is chosen as it is."""
        pools = len(self.layout.budgets)
        self._hot, self._kept, self._cold, self._swapped = ([0] * pools for _ in range(4))
        self._turns = [{} for _ in range(pools)]
        wanted, self.chosen = self.chosen, [NOBODY] * len(self.layout.needs)
        for need, own in enumerate(wanted):
            if own != NOBODY:
                self.add(need, own)

    def fits(self, need: int, own: int) -> bool:
        """Whether the candidate may serve the need as well, with all that runs."""
        layout, key = self.layout, self.layout.keys[own]
        if self._by_key.get(key, own) != own:
            return False
        for other in layout.apart[need]:
            if self.chosen[other] != NOBODY and layout.keys[self.chosen[other]] == key:
                return False
        before, tier = self.slots.get(own, 0), layout.tiers[own]
        slots = before + layout.slots[need][own]
        for pool, fixed, per_slot, kept in layout.takes[own]:
            hot, warm, cold = self._hot[pool], self._kept[pool] + self._swapped[pool], self._cold[pool]
            size = fixed + per_slot * slots
            if tier == _HOT:
                hot += size - fixed - per_slot * before if before else size
            elif tier == _COLD:
                cold = max(cold, size)
            else:
                warm += (0 if before else kept) + self._more(pool, own, size)
            if hot + max(warm, cold) > layout.budgets[pool]:
                return False
        return bool(before) or self._has_disk(own)

    def add(self, need: int, own: int) -> None:
        """Let the candidate serve the need."""
        layout = self.layout
        before, tier = self.slots.get(own, 0), layout.tiers[own]
        slots = self.slots[own] = before + layout.slots[need][own]
        for pool, fixed, per_slot, kept in layout.takes[own]:
            size = fixed + per_slot * slots
            if tier == _HOT:
                self._hot[pool] += size - fixed - per_slot * before if before else size
            elif tier == _COLD:
                self._cold[pool] = max(self._cold[pool], size)
            else:
                self._kept[pool] += 0 if before else kept
                self._swapped[pool] += self._more(pool, own, size)
                self._turns[pool].setdefault(layout.groups[own][0], {})[own] = size
        if not before:
            self._by_key[layout.keys[own]] = own
            self._disk += sum(size for name, size in layout.files[own] if name not in self._files)
            self._files.update(name for name, _ in layout.files[own])
        self.chosen[need] = own

    def _more(self, pool: int, own: int, size: int) -> int:
        """By how many bytes a swap group's place grows when the candidate takes ``size`` in it."""
        group, holds_two = self.layout.groups[own]
        sizes = self._turns[pool].get(group)
        if not sizes:
            return size
        if not holds_two:
            return max(0, size - max(sizes.values()))
        return sum(sorted({**sizes, own: size}.values())[-2:]) - sum(sorted(sizes.values())[-2:])

    def _has_disk(self, own: int) -> bool:
        most = self.layout.facts.problem.disk_bytes
        if most is None:
            return True
        return self._disk + sum(size for name, size in self.layout.files[own] if name not in self._files) <= most


def _numbers(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def _apart(problem: Problem, needs: tuple[str, ...], need: str) -> tuple[int, ...]:
    return tuple(needs.index(other) for group in problem.distinct if need in group for other in group if other != need)


def _held(candidate: Candidate, pools: list[str]) -> tuple[Held, ...]:
    return tuple(
        (pools.index(take.pool), take.fixed_bytes, take.per_slot_bytes, take.kept_bytes) for take in candidate.takes
    )
