"""What models take over context lengths, from few questions to the estimator: a curve serves every file of a model."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from operator import add

from stackplan.architecture import Architecture
from stackplan.assess import Assess
from stackplan.bare import NOTHING, Bare, File, Largest, bare, like_of, renamed, separable, staged_largest, whole
from stackplan.configuration import Configuration
from stackplan.estimate.engines import STEPS
from stackplan.line_arrays import NONE, LineArrays, Row, drawn, row_of
from stackplan.serving import Placement, Unestimable

Excess = tuple[int, ...]  # bytes by pool that each slot beyond the first adds to buffers
Twin = tuple[Placement, Mapping[str, str]]  # a placement that takes as much, and what its pools are called here

_Key = tuple[object, ...]


@dataclass(slots=True, repr=False)
class Shape:
    """What one model takes without weights in one engine, place and KV type: by context and slots.

    A shape that is ``like`` another on a twin of its device has the bytes of that one in ``pools`` of other names.
    """

    configuration: Configuration
    assess: Assess
    like: "Shape | None" = None
    pools: Mapping[str, str] = field(default_factory=dict)
    _points: dict[tuple[int, int], Bare | Unestimable] = field(default_factory=dict)
    _lines: dict[tuple[int, ...], LineArrays] = field(default_factory=dict)
    _raised: dict[tuple[tuple[int, ...], Largest, int], LineArrays] = field(default_factory=dict)

    def at(self, context_tokens: int, slots: int = 1) -> Bare | Unestimable:
        """What the model takes with one context."""
        found = self._points.get((context_tokens, slots))
        if found is None:
            found = self._points[context_tokens, slots] = self._asked(context_tokens, slots)
        return found

    def arrays(self, contexts: tuple[int, ...], largest: Largest, slots: int) -> LineArrays:
        """What it takes over contexts, if there may be so many ``slots`` and ``largest`` tensors are staged."""
        key = (contexts, largest, slots)
        found = self._raised.get(key)
        if found is None:
            line, excess = self._line(contexts), self._excess(contexts, largest, slots) if slots > 1 else ()
            found = self._raised[key] = line.raised(excess) if any(excess) else line
        return found

    def _asked(self, context_tokens: int, slots: int) -> Bare | Unestimable:
        if self.like is not None:
            found = self.like.at(context_tokens, slots)
            return renamed(found, self.pools) if isinstance(found, Bare) else found
        configuration = moved(self.configuration, context_tokens, self.configuration.placement)
        if separable(configuration):
            largest = staged_largest(configuration.artifact, configuration.placement)
            return bare(configuration, slots, largest, self.assess.takes)
        taken = self.assess.takes(configuration, slots)
        return taken if isinstance(taken, Unestimable) else whole(taken)

    def _line(self, contexts: tuple[int, ...]) -> LineArrays:
        line = self._lines.get(contexts)
        if line is None:
            line = self._lines[contexts] = self._drawn(contexts)
        return line

    def _drawn(self, contexts: tuple[int, ...]) -> LineArrays:
        if self.like is not None:
            return self.like.arrays(contexts, (0, 0), 1).renamed(self.pools)
        if separable(self.configuration):
            found = knots(contexts, self._row, STEPS.get(self.configuration.engine, ()))
        else:  # a margin that is a share of everything is rounded at each context
            found = dict(enumerate(map(self._row, contexts)))
        first = self.at(contexts[0])
        return LineArrays.of(first, drawn(contexts, found)) if isinstance(first, Bare) else NONE

    def _row(self, context_tokens: int) -> Row | None:
        point = self.at(context_tokens)
        return row_of(point) if isinstance(point, Bare) else None

    def _excess(self, contexts: tuple[int, ...], largest: Largest, slots: int) -> Excess:
        """What slots beyond the first add to buffers, at the shortest or the longest context, whichever is more."""
        found = [slot_excess(self.at(end), self.at(end, slots), largest, slots) for end in (contexts[0], contexts[-1])]
        return tuple(map(max, *found)) if all(found) else next(filter(None, found), ())


@dataclass(slots=True, repr=False)
class Curves:
    """Remembers shapes: all files of a model in one engine, place and KV type fill one."""

    assess: Assess
    _shapes: dict[_Key, Shape] = field(default_factory=dict)
    _files: dict[_Key, File] = field(default_factory=dict)
    _twins: dict[Placement, Twin | None] = field(default_factory=dict)
    _alive: dict[int, Architecture | None] = field(default_factory=dict)  # so that identities stay theirs

    def file(self, configuration: Configuration) -> File:
        """What the configuration's file adds."""
        if not separable(configuration):
            return NOTHING
        own, ahead = configuration, configuration.ahead
        key = (own.artifact.id, own.placement, own.vision, ahead is not None and ahead.draft is None)
        found = self._files.get(key)
        if found is None:
            largest = staged_largest(own.artifact, own.placement)
            found = self._files[key] = File(self.assess.weights(own), largest, self.assess.vocabulary(own))
        return found

    def shape(self, configuration: Configuration, largest: Largest) -> Shape:
        """The shape that the configuration's file fills; it is shared by all that take as much without their files."""
        key = _key(configuration, largest)
        found = self._shapes.get(key)
        if found is None:
            shape = configuration.model.architecture
            self._alive.setdefault(id(shape), shape)
            found = self._shapes[key] = self._shape(configuration, largest)
        return found

    def _shape(self, configuration: Configuration, largest: Largest) -> Shape:
        own = configuration
        if own.placement not in self._twins:
            self._twins[own.placement] = self.assess.twin(own.placement)
        twin = self._twins[own.placement]
        if twin is None:
            return Shape(own, self.assess)
        placement, pools = twin
        like = self.shape(moved(own, own.context_tokens, placement), largest)
        return Shape(own, self.assess, like, pools)


def moved(configuration: Configuration, context_tokens: int, placement: Placement) -> Configuration:
    """The same with another context, elsewhere; quicker than `replace`, which looks every field up."""
    own = configuration
    way = (own.model, own.artifact, own.engine, own.mode, context_tokens, own.kv_type, placement)
    return Configuration(*way, own.vision, own.ahead, own.saved)


def _key(configuration: Configuration, largest: Largest) -> _Key:
    own, ahead = configuration, configuration.ahead
    way = (own.engine, own.mode, own.kv_type, ahead and (ahead.name, ahead.acceleration.draft_tokens))
    kept = (own.saved.cache_ram_bytes, own.saved.checkpoints)
    if not separable(configuration):
        return (own.artifact.id, way, kept, own.placement, own.vision)
    place, tiny = like_of(own.placement), (min(largest[0], 1), min(largest[1], 1))
    return (id(own.model.architecture), way, kept, place, tiny)


def slot_excess(one: Bare | Unestimable, most: Bare | Unestimable, largest: Largest, slots: int) -> Excess:
    """Bytes by pool that each slot beyond the first adds to buffers, on top of what ``one`` says of a slot.

    Buffers are convex in slots, so what the most slots exceed the line by, spread over them, covers every number.
    """
    if isinstance(one, Unestimable) or isinstance(most, Unestimable):
        return ()
    file = File((), largest)
    exact = map(add, most.fixed_with(file), most.per_slot)
    line = (own + slots * each for own, each in zip(one.fixed_with(file), one.per_slot, strict=True))
    return tuple(max(0, -(-(all_ - told) // (slots - 1))) for all_, told in zip(exact, line, strict=True))


def knots(contexts: tuple[int, ...], ask: Callable[[int], Row | None], steps: tuple[int, ...]) -> dict[int, Row | None]:
    """A curve from few questions, by position: what lies between two neighbours lies on the line between them.

    Memory over context is made of straight pieces (cells per token; windows that fill; the larger of two buffers).
    ``steps`` are contexts above which it jumps.
    """
    found = Knots(contexts, ask)
    borders = [0, *sorted({bisect_right(contexts, step) for step in steps}), len(contexts)]
    for start, stop in pairwise(borders):
        found.draw(start, stop - 1)
    return found.known


@dataclass(slots=True)
class Knots:
    """Where a curve was asked, by position in ``contexts``; None where nobody can tell."""

    contexts: tuple[int, ...]
    ask: Callable[[int], Row | None]
    known: dict[int, Row | None] = field(default_factory=dict)

    def at(self, position: int) -> Row | None:
        """The curve at a context, asked once."""
        if position not in self.known:
            self.known[position] = self.ask(self.contexts[position])
        return self.known[position]

    def draw(self, low: int, high: int) -> None:
        """Ask until the curve is straight between neighbours, from one position to another."""
        if low > high:
            return
        self.at(low), self.at(high)
        if high - low < 2 or self._is_straight(low, high):
            return
        bend = self._bend(low, high) if high - low > 2 else low
        self.draw(low, bend)
        self.draw(bend + 1, high)

    def _is_straight(self, low: int, high: int) -> bool:
        """Whether two between lie on the line, and all that are known."""
        inner = [position for position in self.known if low < position < high]
        samples = list(dict.fromkeys((*inner, (low + high) // 2, low + 1)))[: max(2, len(inner))]
        return all(self._on_line(low, high, position) for position in samples)

    def _on_line(self, low: int, high: int, position: int) -> bool:
        start, end, row = self.at(low), self.at(high), self.at(position)
        if start is None or end is None:
            return False
        span, past = self.contexts[high] - self.contexts[low], self.contexts[position] - self.contexts[low]
        return row == tuple([one + (other - one) * past // span for one, other in zip(start, end, strict=True)])

    def _bend(self, low: int, high: int) -> int:
        """The last position before the lines at both ends meet; the middle where they do not meet between them."""
        places = (low, low + 1, high - 1, high)
        rows = [row for row in map(self.at, places) if row is not None]
        start, second, last, end = (self.contexts[place] for place in places)
        for one, two, three, four in zip(*rows, strict=True) if len(rows) == len(places) else ():
            rise, fall = (two - one) * (end - last), (four - three) * (second - start)
            if rise != fall:
                meets = ((four - one) * (second - start) * (end - last) - fall * (end - start)) // (rise - fall)
                position = bisect_right(self.contexts, start + meets) - 1
                if low < position < high:
                    return position
        return (low + high) // 2
