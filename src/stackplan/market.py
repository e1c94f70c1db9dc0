"""Which options could gain at given prices, told without making them.

Half a million options could be looked at in every round of pricing. What nobody has looked at closely is an outlook, a
bound of all that a prospect holds, and is opened only when that could gain. What is opened is an outline (what each
need gets of a base at best); its options, one for each context, are asked for when the outline could gain.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stackplan.bases import Base, BaseFinder
from stackplan.offered import Floats, Integers, Offered, Rows, Terms, joined, rows_of
from stackplan.options import Column, column_of
from stackplan.problem import TIERS
from stackplan.prospects import Prospect
from stackplan.sketches import outlook_of, sketch_of, terms_of
from stackplan.solve.pricing import PriceList
from stackplan.taken import Taken, mapped_in

TOLERANCE = 1.0  # thousandths of a utility point: what float prices may be off
_OPENED = 120  # prospects opened in one round
_ASKED = 120  # outlines whose options are asked for in one round
_ADDED = 150  # options added in one round
_OF_A_MODEL = 6

Option = tuple[int, int]  # its number, and that of its tier

Keep = Callable[[Base], Base | None]
"""What a narrowed space makes of a base: None where it has no place in it."""


def everything(base: Base) -> Base | None:
    """Keeps what there is."""
    return base


def kept_bases(prospect: Prospect, finder: BaseFinder, keep: Keep) -> list[Base]:
    """The bases of a prospect that a narrowed space has."""
    return [kept for base in finder.bases(prospect) if (kept := keep(base)) is not None]


@dataclass(slots=True)
class Outline:
    """A base that was opened, and its number; its options have numbers from ``first`` on, one a point of ``curve``."""

    base: Base
    number: int
    first: int = -1
    curve: tuple[tuple[int, Taken], ...] = ()


@dataclass(frozen=True, slots=True)
class Gaining:
    """Options outside that gain most at given prices, and the most that all that is outside could add."""

    options: tuple[Option, ...]
    missed: float


@dataclass(slots=True, repr=False)
class Market:
    """All ways to run all models of a space. ``keep`` narrows what is opened."""

    finder: BaseFinder
    keep: Keep
    terms: Terms
    prospects: tuple[Prospect, ...]
    _outlooks: Rows
    _outlined: Rows
    _optioned: Rows
    _opened: dict[int, list[Outline]] = field(default_factory=dict)
    _outlines: list[Outline] = field(default_factory=list)
    _owners: list[Outline] = field(default_factory=list)  # by option
    _known: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, len(TIERS)), dtype=bool))
    _factors: dict[int, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, prospects: Iterable[Prospect], finder: BaseFinder, keep: Keep = everything) -> "Market":
        """The market of a space, before anything is opened."""
        own = tuple(one for one in prospects if one.best and not finder.is_hopeless(one))
        terms = terms_of(own, finder)
        outlooks, nothing = rows_of([outlook_of(one, finder, terms) for one in own], terms), rows_of([], terms)
        return cls(finder, keep, terms, own, outlooks, nothing, nothing)

    @property
    def offered(self) -> int:
        """Options among what was opened: each base at each context, for each need and tier."""
        return sum(len(one.base.contexts) * len(one.base.merits) for one in self._outlines) * len(TIERS)

    @property
    def bases(self) -> list[Base]:
        """What was opened."""
        return [one.base for one in self._outlines]

    @property
    def closed(self) -> list[int]:
        """Prospects that nobody has looked at closely."""
        return [number for number in range(len(self.prospects)) if number not in self._opened]

    def can_serve(self, need: str) -> bool:
        """Whether anything may serve the need at all."""
        position = [one.id for one in self.finder.needs].index(need)
        own = (number for number, one in enumerate(self.prospects) if position in dict(one.best))
        return any(position in dict(one.base.merits) for number in own for one in self.opened(number))

    def opened(self, number: int) -> list[Outline]:
        """The outlines of a prospect, which is opened if it was not."""
        self.open([number])
        return self._opened[number]

    def open(self, numbers: Iterable[int]) -> None:
        """Look closely at prospects."""
        fresh: list[Outline] = []
        for number in numbers:
            if number not in self._opened:
                begun = len(self._outlines) + len(fresh)
                bases = kept_bases(self.prospects[number], self.finder, self.keep)
                self._opened[number] = [Outline(base, begun + place) for place, base in enumerate(bases)]
                fresh += self._opened[number]
        if fresh:
            self._outlines += fresh
            sketches = [sketch_of(one.base, self.finder, self.terms) for one in fresh]
            self._outlined = joined([self._outlined, rows_of(sketches, self.terms)])

    def best(self, found: PriceList) -> Gaining:
        """The options not known that may gain most: the best of each outline and tier, not too many of a model."""
        tiers = self._tiers(found)
        promising, bounds = self._promising(tiers, TOLERANCE)
        self.open(promising[:_OPENED].tolist())
        live = self._live(tiers, TOLERANCE, sparing=True)
        gains = np.where(self._known[live.options], -np.inf, live.gains)
        best = np.maximum.reduceat(gains, live.starts, axis=0) if len(live.starts) else gains
        missed = [
            _most(self._outlined.values[live.outlines], best.max(axis=1, initial=0.0)),
            _most(self._outlined.values[live.unasked], live.bounds),
            _most(self._outlooks.values[promising[_OPENED:]], bounds[_OPENED:]),
        ]
        return Gaining(tuple(self._varied(live, gains, best)), float(np.max(missed, axis=0).sum()))

    def above(self, found: PriceList, least: float) -> tuple[Integers, Floats]:
        """Every option that may gain more than ``least`` in some tier, and by tier what each may gain."""
        tiers = self._tiers(found)
        promising, _ = self._promising(tiers, least)
        self.open(promising.tolist())
        live = self._live(tiers, least)
        return live.options, live.gains

    def columns(self, options: Iterable[Option]) -> dict[str, Column]:
        """Options by name, with all that they offer; from now on they are known."""
        made: dict[str, Column] = {}
        for option, tier in options:
            self._known[option, tier] = True
            outline = self._owners[option]
            column = column_of(outline.base, *outline.curve[option - outline.first], TIERS[tier], self.finder)
            if column is not None:
                made[column.candidate.id] = column
        return made

    def options_of(self, outline: Outline) -> range:
        """The numbers of an outline's options, by context."""
        self._ask([outline])
        return range(outline.first, outline.first + len(outline.curve))

    def _tiers(self, found: PriceList) -> list[Offered]:
        return [Offered(found, tier, self.finder, self.terms) for tier in TIERS]

    def _promising(self, tiers: list[Offered], least: float) -> tuple[Integers, Floats]:
        """Closed prospects that may gain more than ``least``, the most promising first, and how much."""
        closed = np.array(self.closed, dtype=np.int64)
        rows = self._outlooks.some(closed)
        bounds = np.stack([tier.gains(rows) for tier in tiers]).max(axis=0)
        chosen = np.flatnonzero(bounds > least)
        chosen = chosen[np.argsort(-bounds[chosen], kind="stable")]
        return closed[chosen], bounds[chosen]

    def _live(self, tiers: list[Offered], least: float, *, sparing: bool = False) -> "_Live":
        """Options of outlines that may gain more than ``least``; ``sparing`` asks for few that nobody asked for."""
        bounds = np.stack([tier.gains(self._outlined) for tier in tiers], axis=1)
        highest = bounds.max(axis=1, initial=-np.inf)
        hopeful = np.flatnonzero(highest > least)
        fresh = hopeful[[self._outlines[number].first < 0 for number in hopeful]]
        fresh = fresh[np.argsort(-highest[fresh], kind="stable")]
        unasked = fresh[_ASKED:] if sparing else fresh[:0]
        outlines = np.setdiff1d(hopeful, unasked, assume_unique=True)
        self._ask([self._outlines[number] for number in outlines])
        outlines = outlines[[bool(self._outlines[number].curve) for number in outlines]]
        own = [self.options_of(self._outlines[number]) for number in outlines]
        sizes = np.array([len(one) for one in own], dtype=np.int64)
        options = np.array([option for one in own for option in one], dtype=np.int64)
        gains, owners = np.full((len(options), len(tiers)), -np.inf), np.repeat(outlines, sizes)
        for number, tier in enumerate(tiers):
            chosen = np.flatnonzero(bounds[owners, number] > least)
            gains[chosen, number] = tier.gains(self._optioned.some(options[chosen]))
        return _Live(outlines, options, gains, np.cumsum(sizes) - sizes, unasked, highest[unasked])

    def _ask(self, outlines: Iterable[Outline]) -> None:
        """Ask for the options of outlines that were not asked for."""
        fresh: list[Rows] = []
        for outline in outlines:
            if outline.first < 0:
                outline.first = len(self._owners)
                outline.curve = tuple(self.finder.curve(outline.base))
                self._owners += [outline] * len(outline.curve)
                fresh += [self._rows(outline)] if outline.curve else []
        if fresh:
            self._optioned = joined([self._optioned, *fresh])
            more = np.zeros((len(self._owners) - len(self._known), len(TIERS)), dtype=bool)
            self._known = np.concatenate([self._known, more])

    def _rows(self, outline: Outline) -> Rows:
        """The options of an outline as rows: its values less what a short context takes, its bytes at each context."""
        repeated = self._outlined.some(np.full(len(outline.curve), outline.number))
        mapped = mapped_in(self.finder.host)
        amounts = [taken.when_warm(mapped) for _, taken in outline.curve]
        for place, (pool, *_) in enumerate(amounts[0]):
            number = self.terms.pools[pool]
            own = np.array([amount[place][1:] for amount in amounts], dtype=np.int64)
            repeated.fixed[:, number], repeated.per_slot[:, number], repeated.kept[:, number] = own.T
        factors = np.stack([self._factor(context) for context, _ in outline.curve])
        return replace(repeated, values=repeated.values * factors)

    def _factor(self, context: int) -> Floats:
        known = self._factors.get(context)
        if known is None:
            told = [self.finder.rating.context_factor(need, context) for need in self.terms.needs]
            known = self._factors[context] = np.array(told)
        return known

    def _varied(self, live: "_Live", gains: Floats, best: Floats) -> Iterator[Option]:
        """The most gaining, not too many of one model: those are much alike."""
        chosen, tiers = (best > TOLERANCE).nonzero()
        taken: Counter[int] = Counter()
        ends = [*live.starts[1:], len(live.options)]
        for at in np.argsort(-best[chosen, tiers], kind="stable"):
            outline, tier = chosen[at], tiers[at]
            key = int(self._outlined.key[live.outlines[outline]])
            if taken[key] < _OF_A_MODEL and taken.total() < _ADDED:
                taken[key] += 1
                first = live.starts[outline]
                yield int(live.options[first + gains[first : ends[outline], tier].argmax()]), int(tier)


@dataclass(frozen=True, slots=True)
class _Live:
    """Outlines that may gain, their options one outline after the other, and by tier what each may gain.

    ``unasked`` outlines may gain as much as their ``bounds``; nobody asked for their options.
    """

    outlines: Integers
    options: Integers
    gains: Floats
    starts: Integers
    unasked: Integers
    bounds: Floats


def _most(values: Floats, gains: Floats) -> Floats:
    """For each need the most that rows which serve it may gain."""
    most: Floats = np.where(np.isfinite(values), np.maximum(gains, 0.0)[:, None], 0.0).max(axis=0, initial=0.0)
    return most
