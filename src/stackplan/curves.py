"""What models take over context lengths, from few questions to the estimator: a curve serves every file of a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from operator import add

from stackplan.architecture import Architecture
from stackplan.assess import Assess
from stackplan.bare import NOTHING, Bare, File, Largest, bare, like_of, renamed, separable, staged_largest, whole
from stackplan.configuration import Configuration
from stackplan.line_arrays import LineArrays
from stackplan.serving import Unestimable

Excess = tuple[int, ...]  # bytes by pool that each slot beyond the first adds to buffers
Line = list[Bare | Unestimable]  # by context

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
    _lines: dict[tuple[int, ...], Line] = field(default_factory=dict)
    _raised: dict[tuple[tuple[int, ...], Excess], Line] = field(default_factory=dict)
    _arrays: dict[int, LineArrays] = field(default_factory=dict)  # by identity: lines are kept

    def at(self, context_tokens: int, slots: int = 1) -> Bare | Unestimable:
        """What the model takes with one context."""
        found = self._points.get((context_tokens, slots))
        if found is None:
            found = self._points[context_tokens, slots] = self._asked(context_tokens, slots)
        return found

    def over(self, contexts: tuple[int, ...], largest: Largest, slots: int) -> Line:
        """What it takes over contexts, if there may be so many ``slots`` and ``largest`` tensors are staged."""
        line = self._lines.get(contexts)
        if line is None:
            line = self._lines[contexts] = self._line(contexts)
        excess = self._excess(contexts, largest, slots) if slots > 1 else ()
        if not any(excess):
            return line
        if (contexts, excess) not in self._raised:
            self._raised[contexts, excess] = [raised(point, excess) for point in line]
        return self._raised[contexts, excess]

    def arrays(self, contexts: tuple[int, ...], largest: Largest, slots: int) -> LineArrays:
        """`over` as arrays."""
        line = self.over(contexts, largest, slots)
        found = self._arrays.get(id(line))
        if found is None:
            found = self._arrays[id(line)] = LineArrays.of(line)
        return found

    def _asked(self, context_tokens: int, slots: int) -> Bare | Unestimable:
        if self.like is not None:
            found = self.like.at(context_tokens, slots)
            return renamed(found, self.pools) if isinstance(found, Bare) else found
        configuration = at_context(self.configuration, context_tokens)
        if separable(configuration):
            largest = staged_largest(configuration.artifact, configuration.placement)
            return bare(configuration, slots, largest, self.assess.takes)
        taken = self.assess.takes(configuration, slots)
        return taken if isinstance(taken, Unestimable) else whole(taken)

    def _line(self, contexts: tuple[int, ...]) -> Line:
        if self.like is not None:
            line = self.like.over(contexts, (0, 0), 1)
            return [renamed(point, self.pools) if isinstance(point, Bare) else point for point in line]
        if not separable(self.configuration):  # a margin that is a share of everything is rounded at each context
            return [self.at(context) for context in contexts]
        found = filled(contexts, self.at)
        return [found[context] for context in contexts]

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
        twin = self.assess.twin(configuration.placement) if separable(configuration) else None
        if twin is None:
            return Shape(configuration, self.assess)
        placement, pools = twin
        like = self.shape(replace(configuration, placement=placement), largest)
        return Shape(configuration, self.assess, like, pools)


def at_context(configuration: Configuration, context_tokens: int) -> Configuration:
    """The same with another context; quicker than `replace`, which looks every field up."""
    own = configuration
    way = (own.model, own.artifact, own.engine, own.mode, context_tokens, own.kv_type, own.placement)
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


def filled(contexts: tuple[int, ...], ask: Callable[[int], Bare | Unestimable]) -> dict[int, Bare | Unestimable]:
    """A curve from few questions: where the middle lies on the line between two ends, so does everything between.

    Memory over context is made of straight pieces (cells per token; windows that fill; the larger of two buffers).
    """
    known: dict[int, Bare | Unestimable] = {}

    def at(position: int) -> Bare | Unestimable:
        context = contexts[position]
        if context not in known:
            known[context] = ask(context)
        return known[context]

    def fill(low: int, high: int) -> None:
        if high - low < 2:
            return
        middle = (low + high) // 2
        ends, between = (at(low), at(high)), at(middle)
        straight = all(
            _on_line(contexts[low], contexts[high], contexts[position], *ends) == at(position)
            for position in {middle, low + 1}
        )
        if straight and not isinstance(between, Unestimable):
            for position in range(low + 1, high):
                known[contexts[position]] = _on_line(contexts[low], contexts[high], contexts[position], *ends)
        else:
            fill(low, middle)
            fill(middle, high)

    at(0), at(len(contexts) - 1)
    fill(0, len(contexts) - 1)
    return known


def _on_line(
    low: int, high: int, context: int, start: Bare | Unestimable, end: Bare | Unestimable
) -> Bare | Unestimable:
    if isinstance(start, Unestimable) or isinstance(end, Unestimable):
        return start

    def between(one: int, other: int) -> int:
        return one + (other - one) * (context - low) // (high - low)

    return Bare(
        start.pools,
        tuple(map(between, start.fixed, end.fixed)),
        tuple(map(between, start.per_slot, end.per_slot)),
        start.weights,
        tuple(
            replace(one, room_bytes=between(one.room_bytes, other.room_bytes))
            for one, other in zip(start.staging, end.staging, strict=True)
        ),
    )


def raised(point: Bare | Unestimable, excess: Excess) -> Bare | Unestimable:
    """The same with more for each slot beyond the first: one slot takes what it took."""
    if isinstance(point, Unestimable):
        return point
    return Bare(
        point.pools,
        tuple(own - more for own, more in zip(point.fixed, excess, strict=True)),
        tuple(own + more for own, more in zip(point.per_slot, excess, strict=True)),
        point.weights,
        tuple(replace(one, room_bytes=one.room_bytes - excess[one.position]) for one in point.staging),
    )
