"""What models take over context lengths, from few questions to the estimator: a curve serves every file of a model."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from operator import add

from stackplan.architecture import Architecture
from stackplan.assess import Assess
from stackplan.bare import NOTHING, Bare, File, Largest, bare, like_of, separable, staged_largest, whole
from stackplan.configuration import Configuration
from stackplan.serving import Placement, Unestimable

Excess = tuple[int, ...]  # bytes by pool that each slot beyond the first adds to buffers
Line = list[Bare | Unestimable]  # by context

_Key = tuple[int | str, str, str, str, tuple[str, int] | None, Placement, Largest | bool]


@dataclass(slots=True)
class Curves:
    """Remembers what models take without weights: by shape, engine, mode, KV type, placement, context and slots."""

    assess: Assess
    _points: dict[tuple[_Key, int, int], Bare | Unestimable] = field(default_factory=dict)
    _lines: dict[tuple[_Key, tuple[int, ...]], Line] = field(default_factory=dict)
    _raised: dict[tuple[_Key, tuple[int, ...], Excess], Line] = field(default_factory=dict)
    _alive: dict[int, Architecture | None] = field(default_factory=dict)  # so that identities stay theirs

    def file(self, configuration: Configuration) -> File:
        """What the configuration's file adds."""
        if separable(configuration):
            largest = staged_largest(configuration.artifact, configuration.placement)
            return File(self.assess.weights(configuration), largest)
        return NOTHING

    def at(self, configuration: Configuration, largest: Largest, slots: int = 1) -> Bare | Unestimable:
        """What the configuration takes without what its file adds."""
        key = (_key(configuration, largest), configuration.context_tokens, slots)
        found = self._points.get(key)
        if found is None:
            shape = configuration.model.architecture
            self._alive.setdefault(id(shape), shape)
            found = self._points[key] = self._asked(configuration, largest, slots)
        return found

    def _asked(self, configuration: Configuration, largest: Largest, slots: int) -> Bare | Unestimable:
        if separable(configuration):
            return bare(configuration, slots, largest, self.assess.takes)
        taken = self.assess.takes(configuration, slots)
        return taken if isinstance(taken, Unestimable) else whole(taken)

    def over(self, at: Callable[[int], Configuration], contexts: tuple[int, ...], largest: Largest, slots: int) -> Line:
        """What the configurations ``at`` each context take without their file, if there may be so many ``slots``."""
        first = at(contexts[0])
        key = _key(first, largest)
        line = self._lines.get((key, contexts))
        if line is None:
            line = self._lines[key, contexts] = self._line(first, at, contexts, largest)
        excess = self._excess([first, at(contexts[-1])], largest, slots)
        if not any(excess):
            return line
        if (key, contexts, excess) not in self._raised:
            self._raised[key, contexts, excess] = [raised(point, excess) for point in line]
        return self._raised[key, contexts, excess]

    def _line(
        self, first: Configuration, at: Callable[[int], Configuration], contexts: tuple[int, ...], largest: Largest
    ) -> Line:
        if not separable(first):  # a margin that is a share of everything is rounded anew at each context
            return [self.at(at(context), largest) for context in contexts]
        found = filled(contexts, lambda context: self.at(at(context), largest))
        return [found[context] for context in contexts]

    def _excess(self, ends: list[Configuration], largest: Largest, slots: int) -> Excess:
        """What slots beyond the first add to buffers, at the shortest or the longest context, whichever is more."""
        if slots < 2:
            return ()
        found = [slot_excess(self.at(end, largest), self.at(end, largest, slots), largest, slots) for end in ends]
        return tuple(map(max, *found)) if all(found) else next(filter(None, found), ())


def _key(configuration: Configuration, largest: Largest) -> _Key:
    ahead = configuration.ahead
    way = (
        configuration.engine,
        configuration.mode,
        configuration.kv_type,
        ahead and (ahead.name, ahead.acceleration.draft_tokens),
    )
    if not separable(configuration):
        return (configuration.artifact.id, *way, configuration.placement, configuration.vision)
    place, tiny = like_of(configuration.placement), (min(largest[0], 1), min(largest[1], 1))
    return (id(configuration.model.architecture), *way, place, tiny)


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
