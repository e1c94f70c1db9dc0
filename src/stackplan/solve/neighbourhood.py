"""A good choice soon: take part of the known one away, put it together again otherwise, keep what is no worse.

Large neighbourhood search (Shaw, 1998; Ropke and Pisinger, 2006). What is put back is chosen by value less a share of
what the relaxation's prices make it cost, so that memory goes to who pays most for it. Every choice fits, in exact
integers. The sequence of chances is fixed: the same problem gives the same choice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from random import Random

from stackplan.problem import Candidate, Problem
from stackplan.solve.layout import NOBODY, Layout, layout_of
from stackplan.solve.packing import Fresh, Packing, fresh
from stackplan.solve.pricing import PriceList
from stackplan.solve.search import start_assignment

_SHARES = (0.0, 0.3, 0.6, 1.0, 1.5)  # of prices
_DEPTH = 80  # offers of a need that are tried
_FAR = 8.0  # how far down the offers what is forced is looked for, on average
_SKIPPED = 0.08  # of the offers, by chance
_STEPS = 300  # of a walk
_HALVED = ((36, 25), (9, 100), (3, _STEPS))  # how many go on, the best so far, and the steps of each
WALKED = sum(count * steps for count, steps in _HALVED)
_PLAIN = 4  # of so many starts one is put together from nothing
_WARMTH = 0.02  # of the value: how much worse what is kept may be at first, on average
_HARDLY = 0.5  # values are whole numbers: what is as near to the bound is the best there is
_DEAR = 1e15  # more than anything is worth: an offer that a split forbids


@dataclass(slots=True)
class _Search:
    layout: Layout
    ranked: list[list[list[Fresh]]]  # by share of prices and need, a few candidates, the best first
    ways: dict[int, list[int]]  # candidates by key
    enough: float  # nothing is worth more
    relaxed: list[tuple[float, int, tuple[int, ...]]]  # shares, candidates, and the needs that they serve so
    chance: Random = field(default_factory=lambda: Random(1))  # noqa: S311  (no secret: the same sequence each time)

    def upto(self, count: int) -> int:
        return int(self.chance.random() * count)

    def begun(self, count: int) -> Iterator[list[int]]:
        """Choices put together from nothing, and from what the relaxation runs part of."""
        for number in range(count):
            packing = Packing(self.layout)
            if number % _PLAIN:
                self._round(packing)
            if self._completed(packing):
                yield packing.chosen

    def halved(self, choices: Iterable[list[int]], share: float) -> list[int] | None:
        """The best end of walks from many choices: all a short way, the best of them further; None without any.

        Successive halving (Karnin, Koren and Somekh, 2013): most of the work goes to what was good soon.
        """
        ends = list(choices)
        for kept, steps in _HALVED:
            distinct = {tuple(one): one for one in sorted(ends, key=self.layout.value, reverse=True)}
            ends = [self.walk(Packing(self.layout, one), int(share * steps)) for one in list(distinct.values())[:kept]]
        return max(ends, key=self.layout.value, default=None)

    def _round(self, packing: Packing) -> None:
        """Run what the relaxation runs part of as far as it fits, by chance: the larger its share the sooner.

        Such an order of chance is a weighted one without replacement (Efraimidis and Spirakis, 2006).
        """
        order = sorted((-log(1.0 - self.chance.random()) / share, own, needs) for share, own, needs in self.relaxed)
        for _, own, needs in order:
            for need in needs:
                if packing.chosen[need] == NOBODY and packing.fits(need, own):
                    packing.add(need, own)

    def walked(self, known: Mapping[str, str], steps: int = _STEPS) -> dict[str, str]:
        """The best choice of a walk from a known one."""
        return self.layout.named(self.walk(Packing(self.layout, self.layout.numbered(known)), steps))

    def walk(self, now: Packing, steps: int = _STEPS) -> list[int]:
        """The best choice of a walk from ``now``, which takes what is worse less and less."""
        value = most = self.layout.value(now.chosen)
        best = now
        for left in range(steps, 0, -1):
            if most >= self.enough:
                break
            other = now.copy()
            if not self._changed(other):
                continue
            worth, warmth = self.layout.value(other.chosen), _WARMTH * most * left / steps
            if worth >= value + warmth * log(1.0 - self.chance.random()):
                now, value = other, worth
                if worth > most:
                    best, most = other, worth
        return best.chosen

    def _changed(self, packing: Packing) -> bool:
        """Make a choice another one near it; False where what is required finds no place."""
        move = (self._open, self._force, self._exchange)[self.upto(3)]
        return move(packing) and self._completed(packing)

    def _open(self, packing: Packing) -> bool:
        """A few needs unserved: one with those that share its candidate, and some others."""
        now = packing.chosen
        pivot, count = self.upto(len(now)), 1 + self.upto(max(2, len(now) // 2))
        gone = {pivot}
        if self.chance.random() < 0.6:
            gone |= {need for need, own in enumerate(now) if own == now[pivot] != NOBODY}
        while len(gone) < min(count, len(now)):
            gone.add(self.upto(len(now)))
        packing.drop(gone)
        return True

    def _force(self, packing: Packing) -> bool:
        """One candidate serves a need, whatever has to go for it."""
        now, layout = packing.chosen, self.layout
        need = self.upto(len(now))
        ranked = self._ranked()[need]
        if not ranked:
            return False
        own = ranked[min(len(ranked) - 1, int(-_FAR * log(1.0 - self.chance.random())))][1]
        gone = {other for other in layout.asking[own] if self._gains(now, other, own)} | {need}
        gone |= {n for n, one in enumerate(now) if one != NOBODY and layout.keys[one] == layout.keys[own]}
        if self.chance.random() < 0.7:
            gone |= {self.upto(len(now)) for _ in range(1 + self.upto(4))}
        return self._fitted(packing, gone, need, own)

    def _exchange(self, packing: Packing) -> bool:
        """Another way to run a model that runs, for all whom it may serve."""
        layout, running = self.layout, sorted(packing.slots)
        if not running:
            return False
        own = running[self.upto(len(running))]
        ways = self.ways[layout.keys[own]]
        other = ways[self.upto(len(ways))]
        needs = [need for need, one in enumerate(packing.chosen) if one == own]
        packing.drop(needs)
        for need in needs:
            if other in layout.values[need] and packing.fits(need, other):
                packing.add(need, other)
        return True

    def _fitted(self, packing: Packing, gone: set[int], need: int, own: int) -> bool:
        others = [other for other in range(len(packing.chosen)) if other not in gone]
        packing.drop(gone)
        while not packing.fits(need, own):
            if not others:
                return False
            packing.drop((others.pop(self.upto(len(others))),))
        packing.add(need, own)
        return True

    def _gains(self, now: list[int], need: int, own: int) -> bool:
        values = self.layout.values[need]
        return now[need] == NOBODY or values[own] >= values[now[need]]

    def _completed(self, packing: Packing) -> bool:
        """Give every need that is not served the best that fits, in an order of chance, the required ones first."""
        required, ranked = self.layout.required, self._ranked()
        unserved = [need for need, own in enumerate(packing.chosen) if own == NOBODY]
        order = sorted((not required[need], self.chance.random(), need) for need in unserved)
        for optional, _, need in order:
            own = self._best(packing, need, ranked[need])
            if own != NOBODY:
                packing.add(need, own)
            elif not optional:
                return False
        return True

    def _best(self, packing: Packing, need: int, ranked: Sequence[Fresh]) -> int:
        """What runs and serves best, or a better offer that fits."""
        best, most = packing.best_running(need)
        better = packing.first_free(ranked, most, self.chance.random, _SKIPPED)
        return best if better == NOBODY else better

    def _ranked(self) -> list[list[Fresh]]:
        return self.ranked[self.upto(len(_SHARES))]


def good_choice(problem: Problem, found: PriceList, share: float = 1.0) -> dict[str, str]:
    """The best choice of walks from many beginnings; empty where none is found that serves all that is required."""
    search = _search(problem, found)
    best = search.halved(search.begun(_HALVED[0][0]), share)
    if best is None:  # what is required leaves little room: the lightest first
        light = start_assignment(problem)
        return {} if light is None else search.walked(light)
    return search.layout.named(best)


def better_choice(problem: Problem, found: PriceList, known: Mapping[str, str], steps: int = _STEPS) -> dict[str, str]:
    """The best choice of a walk from the known one, at least as good as that."""
    search = _search(problem, found)
    return search.walked(known, steps)


def _search(problem: Problem, found: PriceList) -> _Search:
    layout = layout_of(problem)
    enough = found.value_bound - _HARDLY
    return _Search(layout, _rankings(layout, found), _ways(layout), enough, _relaxed(layout, found))


def _relaxed(layout: Layout, found: PriceList) -> list[tuple[float, int, tuple[int, ...]]]:
    """What the relaxation runs part of, with its largest share and the needs that it serves so."""
    numbers = {name: number for number, name in enumerate(layout.names)}
    needs = {name: number for number, name in enumerate(layout.needs)}
    serving: dict[int, list[tuple[float, int]]] = {}
    for (need, candidate), share in found.served.items():
        if candidate in numbers:
            serving.setdefault(numbers[candidate], []).append((share, needs[need]))
    return [(max(shares)[0], own, tuple(need for _, need in shares)) for own, shares in serving.items()]


def _ways(layout: Layout) -> dict[int, list[int]]:
    ways: dict[int, list[int]] = {}
    for own, key in enumerate(layout.keys):
        ways.setdefault(key, []).append(own)
    return ways


def _rankings(layout: Layout, found: PriceList) -> list[list[list[Fresh]]]:
    """By share of prices and need, its candidates by value less that share of what they cost alone."""
    kept = _undominated(layout)
    told = [_offers(layout, found, need, own) for need, own in enumerate(kept)]
    return [[_ranked(offers, share) for offers in told] for share in _SHARES]


def _offers(layout: Layout, found: PriceList, need: int, kept: Sequence[int]) -> list[tuple[float, Fresh]]:
    """Candidates of a need with what they cost."""
    name, slots = layout.needs[need], layout.slots[need]
    return [
        (min(_DEAR, _cost(found, layout.candidates[own], name, slots[own])), fresh(layout, need, own)) for own in kept
    ]


def _ranked(offers: Sequence[tuple[float, Fresh]], share: float) -> list[Fresh]:
    ordered = sorted((share * cost - one[0], one[1], one) for cost, one in offers)
    return [one for _, _, one in ordered[:_DEPTH]]


def _undominated(layout: Layout) -> list[list[int]]:
    """By need, its candidates that no other of the same key, tier and place serves as well with no more bytes."""
    fixed = [sum([take[1] + take[3] for take in takes]) for takes in layout.takes]
    each = [sum([take[2] for take in takes]) for takes in layout.takes]
    found: list[list[int]] = []
    for values, slots in zip(layout.values, layout.slots, strict=True):
        ordered = sorted((layout.alike[own], fixed[own] + each[own] * slots[own], -values[own], own) for own in values)
        chain, most, kept = NOBODY, -1, list[int]()
        for kind, _, value, own in ordered:
            if kind != chain:
                chain, most = kind, -1
            if -value > most:
                most = -value
                kept.append(own)
        found.append(kept)
    return found


def _cost(found: PriceList, candidate: Candidate, need: str, slots: int) -> float:
    """What the memory of a candidate costs that serves one need alone."""
    cost, tier = 0.0, candidate.tier
    for take in candidate.takes:
        pool, unit = take.pool, found.units[take.pool]
        if tier == "hot":
            cost += (found.memory[pool] + found.hot_beside_cold[pool]) * take.at(slots) / unit
        else:
            kept = take.kept_bytes / unit if tier == "warm" else 0.0
            turn = found.turn_cost(tier, candidate.swap_group, pool, need, candidate.key, take.at(slots) // unit)
            cost += found.memory[pool] * kept + turn
    return cost
