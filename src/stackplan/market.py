"""Which options could gain at given prices, told without making them.

Half a million options could be looked at in every round of pricing. What nobody has looked at is told by bounds: a
prospect by the best of its files and the lightest, each file by its bare weights and the speed that reading them
allows. A file that could gain is rated: its lot says what each way to run it is worth. A lot that could gain is opened:
outlines say what each need gets of a base at best. The options of an outline, one for each context, are asked for when
it could gain.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np

from stackplan.arrays import Floats, Integers, Truths
from stackplan.bases import Base, BaseFinder
from stackplan.catalog import Artifact, Model
from stackplan.dominated import Undominated
from stackplan.gaining import Gaining, Live, Option, in_turn, most_of_each, tops, varied
from stackplan.line_arrays import Points
from stackplan.meter import Meter, within
from stackplan.narrowing import May, anything, narrowed
from stackplan.offered import Offered
from stackplan.option_rows import Rows, Terms, amounts_at, joined, rows_of
from stackplan.options import Column, column_of
from stackplan.outlines import Outline
from stackplan.problem import TIERS
from stackplan.prospects import Prospect
from stackplan.shelves import Shelf
from stackplan.sketches import files_of, lot_sketch, outlooks_of, sketch_of, terms_of
from stackplan.solve.pricing import PriceList
from stackplan.surpassed import surpassed
from stackplan.values import replace
from stackplan.ways import Lot

TOLERANCE = 1.0  # thousandths of a utility point: what float prices may be off
_LOOKED = 240  # prospects looked into in one round
_RATED = 240  # files rated in one round
_OPENED = 120  # lots opened in one round
_ASKED = 120  # outlines whose options are asked for in one round
_CLOSE = 3  # outlines of a model that may have its best option

FileOf = tuple[int, Artifact]  # with the number of its prospect


@dataclass(slots=True, repr=False)
class Market:
    """All ways to run all models of a space, as far as they ``may`` serve anybody."""

    finder: BaseFinder
    may: May
    terms: Terms
    prospects: tuple[Prospect, ...]
    _outlooks: Shelf[Prospect]
    _files: Shelf[FileOf]
    _lots: Shelf[Lot]
    _outlined: Rows
    _optioned: Rows
    _files_of: dict[int, list[int]] = field(default_factory=dict)  # by prospect
    _lots_of: dict[int, list[int]] = field(default_factory=dict)  # by prospect
    _undominated: dict[int, Undominated] = field(default_factory=dict)  # by prospect
    _outlines_of: dict[int, list[Outline]] = field(default_factory=dict)  # by lot
    _outlines: list[Outline] = field(default_factory=list)
    _owners: list[Outline] = field(default_factory=list)  # by option
    _known: Truths = field(default_factory=lambda: np.zeros((0, len(TIERS)), dtype=bool))
    _factors: dict[int, Floats] = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)

    @classmethod
    def of(cls, prospects: Iterable[Prospect], finder: BaseFinder, may: May = anything) -> "Market":
        """The market of a space, before anything is opened."""
        own = tuple(finder.hopeful([one for one in prospects if one.best]))
        terms = terms_of(own, finder)
        outlooks, files, lots = Shelf[Prospect].of(terms), Shelf[FileOf].of(terms), Shelf[Lot].of(terms)
        market = cls(finder, may, terms, own, outlooks, files, lots, rows_of([], terms), rows_of([], terms))
        market.meter.add("space")
        market.meter.add("prospect", len(own))
        outlooks.add(own, market._barred(outlooks_of(own, terms), ((one.served.model, None) for one in own)))
        return market

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
        """Prospects of which no file was rated."""
        rated = {number for (number, _), taken in zip(self._files.items, self._files.taken, strict=True) if taken}
        return [number for number in range(len(self.prospects)) if number not in rated]

    def can_serve(self, need: str) -> bool:
        """Whether anything may serve the need at all."""
        position = [one.id for one in self.finder.needs].index(need)
        own = (number for number, one in enumerate(self.prospects) if position in dict(one.best))
        return any(position in dict(one.base.merits) for number in own for one in self.opened(number))

    def opened(self, number: int) -> list[Outline]:
        """The outlines of a prospect, which is opened if it was not."""
        self.open([number])
        return [outline for lot in self._lots_of[number] for outline in self._outlines_of[lot]]

    def open(self, numbers: Sequence[int]) -> None:
        """Look closely at all that prospects hold."""
        self._look(np.array(numbers, dtype=np.int64))
        self._rate(np.array([file for number in numbers for file in self._files_of[number]], dtype=np.int64))
        self._open(np.array([lot for number in numbers for lot in self._lots_of[number]], dtype=np.int64))

    def _look(self, numbers: Integers) -> None:
        """Look into prospects: the files whose weights fit."""
        taken = self._outlooks.take(numbers)
        self.meter.add("look", len(taken))
        files = [(number, file) for number, prospect in taken for file in prospect.files]
        told = ((prospect.served.model, file) for _, prospect in taken for file in prospect.files)
        rows = self._barred(files_of([prospect for _, prospect in taken], self.terms), told)
        fitting = np.flatnonzero(self.finder.fits(rows.fixed))
        begun = len(self._files.items)
        for number, _ in taken:
            self._files_of[number], self._lots_of[number], self._undominated[number] = [], [], Undominated()
        for place, fits in enumerate(fitting.tolist()):
            self._files_of[files[fits][0]].append(begun + place)
        self._files.add([files[fits] for fits in fitting.tolist()], rows.some(fitting))

    def _rate(self, numbers: Integers) -> None:
        """Rate files: their lots, smaller files first."""
        begun, lots = len(self._lots.items), list[Lot]()
        taken = self._files.take(np.sort(numbers))
        self.meter.add("rate", len(taken))
        for _, (number, file) in taken:
            lot = self.finder.lot(self.prospects[number], file, self._undominated[number])
            if lot is not None:
                self._lots_of[number].append(begun + len(lots))
                lots.append(lot)
        rows = rows_of([lot_sketch(lot, self.finder, self.terms) for lot in lots], self.terms)
        self._lots.add(lots, self._barred(rows, ((lot.served.model, lot.ways[0].artifact) for lot in lots)))

    def _open(self, numbers: Integers) -> None:
        """Open lots: their outlines."""
        begun, fresh = len(self._outlines), list[Outline]()
        for number, lot in self._lots.take(numbers):
            kept = narrowed(self.finder.bases_of(lot), self.may)
            own = [Outline(base, begun + len(fresh) + place) for place, base in enumerate(kept)]
            self._outlines_of[number] = own
            self.meter.add("base", len(lot.ways))
            fresh += own
        if fresh:
            self._outlines += fresh
            sketches = [sketch_of(one.base, self.finder, self.terms) for one in fresh]
            self._outlined = joined([self._outlined, rows_of(sketches, self.terms)])

    def _barred(self, rows: Rows, told: Iterable[tuple[Model, Artifact | None]]) -> Rows:
        """Rows worth nothing to needs that they may not serve."""
        if self.may is anything or not len(rows):
            return rows
        columns = [place for place, need in enumerate(self.finder.needs) if need.id in self.terms.places]
        barred = np.array([[not self.may(column, *each) for column in columns] for each in told])
        return replace(rows, values=np.where(barred, -np.inf, rows.values))

    def best(self, found: PriceList) -> Gaining:
        """The options not known that may gain most: the best of each outline and tier, not too many of a model."""
        tiers = self._tiers(found)
        unlooked, outlooks = self._outlooks.promising(tiers, TOLERANCE)
        self._look(unlooked[:_LOOKED])
        unrated, files = self._files.promising(tiers, TOLERANCE)
        self._rate(unrated[:_RATED])
        unopened, lots = self._lots.promising(tiers, TOLERANCE)
        self._open(unopened[:_OPENED])
        live = self._live(tiers, TOLERANCE, _ASKED)
        gains = np.where(self._known[live.options], -np.inf, live.gains)
        best = np.maximum.reduceat(gains, live.starts, axis=0) if len(live.starts) else gains
        missed = [
            most_of_each(self._outlined.values[live.outlines], best.max(axis=1, initial=0.0)),
            most_of_each(self._outlined.values[live.unasked], live.bounds),
            most_of_each(self._outlooks.rows.values[unlooked[_LOOKED:]], outlooks[_LOOKED:]),
            most_of_each(self._files.rows.values[unrated[_RATED:]], files[_RATED:]),
            most_of_each(self._lots.rows.values[unopened[_OPENED:]], lots[_OPENED:]),
        ]
        return Gaining(tuple(varied(live, gains, best, TOLERANCE)), float(np.max(missed, axis=0).sum()))

    def above(self, found: PriceList, least: float, until: float = inf) -> tuple[Integers, Floats, float]:
        """Every option that may gain more than ``least`` in some tier, and by tier what each may gain.

        Looks into nothing more when so many seconds of work were done; last the most that what is left may gain.
        """
        tiers, missed = self._tiers(found), -inf
        for shelf, into in ((self._outlooks, self._look), (self._files, self._rate), (self._lots, self._open)):
            missed = max(missed, in_turn(*shelf.promising(tiers, least), into, lambda: self.meter.seconds < until))
        live = self._live(tiers, least, int(min(len(self._outlines), within(until - self.meter.seconds, "ask"))))
        return live.options, live.gains, max(missed, live.bounds.max(initial=-inf))

    def best_of_each(self, lists: Iterable[PriceList], keys: Collection[str]) -> list[Option]:
        """At each list of prices the option that each of some models gains most by in each tier, of what was opened."""
        tiers = [tier for found in lists for tier in self._tiers(found)]
        own = np.flatnonzero(np.isin(self._outlined.key, [self.terms.keys[key] for key in sorted(keys)]))
        close = {row for row, _ in tops(self._outlined.some(own), tiers, _CLOSE)}
        outlines = [self._outlines[number] for number in own[sorted(close)]]
        self._ask(outlines)
        options = [option for outline in outlines for option in outline.options]
        found = tops(self._optioned.some(options), tiers, 1)
        return list(dict.fromkeys((options[row], TIERS.index(tier.tier)) for row, tier in found))

    def lasting(self, options: Sequence[Option], lists: Iterable[PriceList], least: float) -> list[Option]:
        """Those of options that no other one surpasses in any choice worth more than ``least``; see `surpassed`."""
        numbers, tiers = np.array(options, dtype=np.int64).reshape(-1, 2).T
        rows = self._optioned.some(numbers)
        matters = np.zeros(rows.values.shape, dtype=bool)
        for found in lists:
            for tier, offered in enumerate(self._tiers(found)):
                own = np.flatnonzero(tiers == tier)
                matters[own] |= offered.profits(rows.some(own)) > least - found.bound - TOLERANCE
        lost = surpassed(rows, tiers, *self._told(numbers.tolist()), matters, self.terms)
        return [option for option, pointless in zip(options, lost.tolist(), strict=True) if not pointless]

    def _told(self, options: Sequence[int]) -> tuple[Integers, Integers]:
        """The contexts of options, and a number for their files."""
        owners = [self._owners[option] for option in options]
        bases, files = {owner.number: owner.base for owner in owners}, dict[object, int]()
        held = {number: files.setdefault(base.files, len(files)) for number, base in bases.items()}
        contexts = [owner.context(option) for owner, option in zip(owners, options, strict=True)]
        return np.array(contexts), np.array([held[owner.number] for owner in owners])

    def columns(self, options: Iterable[Option]) -> dict[str, Column]:
        """Options by name, with all that they offer; from now on they are known."""
        made: dict[str, Column] = {}
        for option, tier in options:
            self._known[option, tier] = True
            outline = self._owners[option]
            context, taken = outline.point(option)
            column = column_of(outline.base, context, taken, TIERS[tier], self.finder)
            if column is not None:
                made[column.candidate.id] = column
        self.meter.add("column", len(made))
        return made

    def options_of(self, outline: Outline) -> range:
        """The numbers of an outline's options, by context."""
        self._ask([outline])
        return outline.options

    def _tiers(self, found: PriceList) -> list[Offered]:
        self.meter.add("list")
        self.meter.add("row", len(self._outlooks.rows) + len(self._files.rows) + len(self._lots.rows))
        return [Offered(found, tier, self.finder, self.terms) for tier in TIERS]

    def _live(self, tiers: list[Offered], least: float, most: int) -> Live:
        """Options of outlines that may gain more than ``least``; asks for the ``most`` likeliest of new ones."""
        bounds = np.stack([tier.gains(self._outlined) for tier in tiers], axis=1)
        highest = bounds.max(axis=1, initial=-np.inf)
        hopeful = np.flatnonzero(highest > least)
        fresh = hopeful[[self._outlines[number].first < 0 for number in hopeful]]
        fresh = fresh[np.argsort(-highest[fresh], kind="stable")]
        unasked = fresh[most:]
        outlines = np.setdiff1d(hopeful, unasked, assume_unique=True)
        self._ask([self._outlines[number] for number in outlines])
        outlines = outlines[[bool(self._outlines[number].points) for number in outlines]]
        own = [self._outlines[number].options for number in outlines]
        sizes = np.array([len(one) for one in own], dtype=np.int64)
        options = np.array([option for one in own for option in one], dtype=np.int64)
        gains, owners = np.full((len(options), len(tiers)), -np.inf), np.repeat(outlines, sizes)
        for number, tier in enumerate(tiers):
            chosen = np.flatnonzero(bounds[owners, number] > least)
            gains[chosen, number] = tier.gains(self._optioned.some(options[chosen]))
        keys = self._outlined.key[owners]
        self.meter.add("row", len(bounds) + len(options))
        return Live(outlines, options, gains, np.cumsum(sizes) - sizes, unasked, highest[unasked], keys)

    def _ask(self, outlines: Iterable[Outline]) -> None:
        """Ask for the options of outlines that were not asked for."""
        told: list[tuple[int, Points]] = []
        for outline in outlines:
            if outline.first < 0:
                self.meter.add("ask")
                outline.first, outline.points = len(self._owners), self.finder.points(outline.base)
                self._owners += [outline] * len(outline.points)
                told += [(outline.number, outline.points)] if outline.points else []
        if told:
            self._optioned = joined([self._optioned, self._rows(told)])
            more = np.zeros((len(self._owners) - len(self._known), len(TIERS)), dtype=bool)
            self._known = np.concatenate([self._known, more])

    def _rows(self, told: Sequence[tuple[int, Points]]) -> Rows:
        """The options of outlines as rows: values less what a short context takes, bytes at each context."""
        numbers = np.repeat([number for number, _ in told], [len(points) for _, points in told])
        factors = np.array([self._factor(context) for _, points in told for context in points.contexts])
        repeated, amounts = self._outlined.some(numbers), amounts_at([points for _, points in told], self.terms)
        return Rows(repeated.values * factors, repeated.key, repeated.lineage, repeated.group, *amounts)

    def _factor(self, context: int) -> Floats:
        known = self._factors.get(context)
        if known is None:
            told = [self.finder.rating.context_factor(need, context) for need in self.terms.needs]
            known = self._factors[context] = np.array(told)
        return known
