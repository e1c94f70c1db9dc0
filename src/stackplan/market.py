"""Which options could gain at given prices, told without making them.

Half a million options are looked at in every round of pricing. So they are kept as outlines (what each need gets of a
base at best, what it takes at each context), outlines by model, and whole models are passed over where no need would
pay for the best of them.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from stackplan.bases import Base, BaseFinder
from stackplan.needs import RoleNeed
from stackplan.offered import Offered, Outline
from stackplan.options import VALUE_PER_POINT, Column, candidate_name, column_of, swap_group
from stackplan.problem import TIERS, Tier
from stackplan.solve.pricing import PriceList
from stackplan.taken import Amounts, Taken, mapped_in

TOLERANCE = 1.0  # thousandths of a utility point: what float prices may be off
_LOOKED_AT = 250  # outlines of which options are worked out in one round
_ADDED = 150  # options added in one round
_OF_A_MODEL = 6
_SLACK = 0.01  # of the bound: how far from gaining an outline is still near


Hopeful = tuple[float, Offered, Outline]  # what options of the outline may gain at most in the tier


@dataclass(frozen=True, slots=True)
class Promise:
    """An option that may gain: at most ``gain``, as an outline at one context in one tier."""

    gain: float
    outline: Outline
    tier: Tier
    context: int
    taken: Taken

    @property
    def name(self) -> str:
        """The name of its candidate."""
        return candidate_name(self.outline.base.configuration(self.context), self.tier)


@dataclass(slots=True)
class Market:
    """All outlines of a space, by model."""

    finder: BaseFinder
    mapped: str
    models: list[tuple[tuple[tuple[RoleNeed, float], ...], list[Outline]]]
    near: list[tuple[Tier, Outline]] = field(default_factory=list)

    @classmethod
    def of(cls, bases: Sequence[Base], finder: BaseFinder) -> "Market":
        """The market of a space, before any curve is known."""
        mapped = mapped_in(finder.host)
        outlines: dict[str, list[Outline]] = defaultdict(list)
        for base in bases:
            outlines[base.served.key].append(_outline_of(base, finder, mapped))
        return cls(finder, mapped, [(_best_values(group), group) for group in outlines.values()])

    def best(
        self, found: PriceList, known: Container[str], near: bool = False, most: float = _LOOKED_AT
    ) -> tuple[list[Promise], bool]:
        """For each outline and tier, the option not ``known`` that may gain most, best first; and whether it is all.

        Where more than ``most`` outlines may gain, only the likeliest are looked at closely. ``near`` looks only at
        outlines that were close to gaining when all were looked at last. Names decide between equals.
        """
        hopeful = sorted(self._hopeful(found, near), key=lambda one: -one[0])
        likely = _varied(hopeful) if len(hopeful) > most else hopeful
        promises = self._fresh(likely, known)
        if not promises and len(likely) < len(hopeful):
            likely, promises = hopeful, self._fresh(hopeful, known)
        return sorted(promises, key=lambda promise: (-promise.gain, promise.name)), len(likely) == len(hopeful)

    def all(self, found: PriceList, least: float) -> Iterator[Promise]:
        """Every option that may gain more than ``least``."""
        for gain, offered, outline in self._outlines(found, least):
            if gain > least:
                yield from self._promises(outline, offered, least)

    def columns(self, promises: Iterable[Promise]) -> dict[str, Column]:
        """The options promised, by name, with all that they offer."""
        made = (column_of(p.outline.base, p.context, p.taken, p.tier, self.finder) for p in promises)
        return {column.candidate.id: column for column in made if column is not None}

    def _fresh(self, hopeful: Sequence[Hopeful], known: Container[str]) -> list[Promise]:
        """Of each outline the option not known that may gain most."""
        promises: list[Promise] = []
        for _, offered, outline in hopeful:
            some = self._promises(outline, offered, TOLERANCE)
            ordered = sorted(some, key=lambda promise: (-promise.gain, promise.context))
            promises += next(([promise] for promise in ordered if promise.name not in known), [])
        return promises

    def _hopeful(self, found: PriceList, near: bool) -> Iterator[Hopeful]:
        """Outlines that may gain, with how much at most."""
        if near:
            tiers = {tier: Offered(found, tier, self.finder) for tier in TIERS}
            looked = ((tiers[tier].gain(one, one.least, None), tiers[tier], one) for tier, one in self.near)
        else:
            close = list(self._outlines(found, TOLERANCE - _SLACK * found.value_bound))
            self.near = [(offered.tier, outline) for _, offered, outline in close]
            looked = (one for one in close)
        return (one for one in looked if one[0] > TOLERANCE)

    def _outlines(self, found: PriceList, least: float) -> Iterator[Hopeful]:
        for tier in TIERS:
            offered = Offered(found, tier, self.finder)
            for values, outlines in self.models:
                if offered.willing(values) > least:
                    for outline in outlines:
                        gain = offered.gain(outline, outline.least, None)
                        if gain > least:
                            yield gain, offered, outline

    def _promises(self, outline: Outline, offered: Offered, least: float) -> list[Promise]:
        return [
            Promise(gain, outline, offered.tier, context, taken)
            for context, taken, amounts in self._curve_of(outline)
            if (gain := offered.gain(outline, amounts, context)) > least
        ]

    def _curve_of(self, outline: Outline) -> list[tuple[int, Taken, Amounts]]:
        """What the outline's base takes at each context; asked once."""
        if outline.curve is None:
            curve = self.finder.curve(outline.base)
            outline.curve = [(context, taken, taken.when_warm(self.mapped)) for context, taken in curve]
        return outline.curve


def varied(promises: Sequence[Promise]) -> list[Promise]:
    """The first of them, not too many of one model: those are much alike."""
    taken: Counter[str] = Counter()
    chosen: list[Promise] = []
    for promise in promises:
        taken[promise.outline.key] += 1
        if taken[promise.outline.key] <= _OF_A_MODEL:
            chosen.append(promise)
    return chosen[:_ADDED]


def speaks(need: RoleNeed) -> bool:
    """Whether the need stands for itself, or for the interchangeable needs of its pool as their first."""
    return not need.pool or need.id == f"{need.pool}-1"


def _varied(hopeful: Sequence[Hopeful]) -> list[Hopeful]:
    taken: Counter[tuple[str, str]] = Counter()
    chosen: list[Hopeful] = []
    for one in hopeful:
        key = (one[2].key, one[1].tier)
        taken[key] += 1
        if taken[key] <= _OF_A_MODEL:
            chosen.append(one)
    return chosen[:_LOOKED_AT]


def _best_values(outlines: list[Outline]) -> tuple[tuple[RoleNeed, float], ...]:
    best: dict[str, tuple[RoleNeed, float]] = {}
    for outline in outlines:
        for need, value in outline.values:
            if need.id not in best or value > best[need.id][1]:
                best[need.id] = (need, value)
    return tuple(best.values())


def _outline_of(base: Base, finder: BaseFinder, mapped: str) -> Outline:
    needs = ((need, merit) for need, merit in ((finder.needs[p], merit) for p, merit in base.merits) if speaks(need))
    values = tuple((need, merit * need.priority * VALUE_PER_POINT) for need, merit in needs)
    served, group = base.served, swap_group(base.configuration(base.contexts[0]))
    return Outline(base, served.key, served.model.lineage, values, base.least.when_warm(mapped), group)
