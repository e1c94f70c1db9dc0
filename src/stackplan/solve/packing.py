"""A choice under way: what runs, what it takes, and who still fits. Told in numbers, exact, and quick to change."""

from collections.abc import Callable, Iterable, Sequence

from stackplan.problem import TIERS
from stackplan.solve.layout import HOT, NOBODY, Layout

Fresh = tuple[int, int, int, tuple[tuple[int, int, int], ...]]
"""A candidate that does not run yet, as one need asks for it: value, number, key, and what it takes: the room that it
takes from, the place for turns whose bytes it may use as well, and bytes."""


def fresh(layout: Layout, need: int, own: int) -> Fresh:
    """The candidate as `Packing.first_free` looks at it."""
    pools, slots, tier = len(layout.budgets), layout.slots[need][own], layout.tiers[own]
    rooms: list[tuple[int, int, int]] = []
    for pool, fixed, per_slot, kept, place in layout.takes[own]:
        room = tier * pools + pool
        rooms += [(room, NOBODY, kept)] if kept else []
        rooms.append((room, place, kept + fixed + per_slot * slots))
    return layout.values[need][own], own, layout.keys[own], tuple(rooms)


class Packing:
    """Who serves whom so far, and what that takes. Never more than fits is added.

    Beside what is taken it keeps the room left to each tier in each pool. Whoever takes turns in a place may use its
    bytes as well, those of its second largest where it holds two.
    """

    __slots__ = ("_rooms", "_running", "_shared", "_sizes", "_taken", "chosen", "layout", "slots")

    def __init__(self, layout: Layout, chosen: Iterable[int] = ()) -> None:
        """Begin with what is chosen, which fits."""
        self.layout = layout
        self.chosen = [NOBODY] * len(layout.needs)
        self.slots: dict[int, int] = {}  # of what runs
        self._running: dict[int, int] = {}  # by key
        self._rooms = [*layout.budgets] * len(TIERS)
        self._taken = [0] * len(self._rooms)  # by tier and pool
        self._sizes: list[dict[int, int]] = [{} for _ in layout.twos]  # by place, bytes by candidate
        self._shared = [0] * (len(layout.twos) + 1)  # by place; the last for those that take no turns
        for need, own in enumerate(chosen):
            if own != NOBODY:
                self.add(need, own)

    def copy(self) -> "Packing":
        """The same once more, to change it."""
        other = Packing.__new__(Packing)
        other.layout, other.chosen, other.slots = self.layout, self.chosen[:], self.slots.copy()
        other._running, other._taken = self._running.copy(), self._taken[:]
        other._sizes, other._shared, other._rooms = self._sizes[:], self._shared[:], self._rooms[:]
        return other

    def fits(self, need: int, own: int) -> bool:
        """Whether the candidate may serve the need as well, with all that runs."""
        if own in self.slots:
            return self._fits_more(need, own)
        return self.first_free((fresh(self.layout, need, own),), NOBODY, lambda: 1.0, 0.0) == own

    def add(self, need: int, own: int) -> None:
        """Let the candidate serve the need."""
        before = self.slots.get(own, 0)
        slots = self.slots[own] = before + self.layout.slots[need][own]
        self._running[self.layout.keys[own]] = own
        self.chosen[need] = own
        self._resize(own, before, slots)
        for take in self.layout.takes[own]:
            self._measure(take[0])

    def drop(self, needs: Iterable[int]) -> None:
        """Let the needs go unserved."""
        fewer: dict[int, int] = {}
        for need in needs:
            own, self.chosen[need] = self.chosen[need], NOBODY
            if own != NOBODY:
                fewer[own] = fewer.get(own, 0) + self.layout.slots[need][own]
        for own, slots in fewer.items():
            self._leave(own, slots)
        for pool in {take[0] for own in fewer for take in self.layout.takes[own]}:
            self._measure(pool)

    def _leave(self, own: int, fewer: int) -> None:
        before = self.slots.pop(own)
        slots = before - fewer
        if slots:
            self.slots[own] = slots
        else:
            del self._running[self.layout.keys[own]]
        self._resize(own, before, slots)

    def best_running(self, need: int) -> tuple[int, int]:
        """What runs and serves the need best as well, the first of equals, and its value; -1 where nothing does."""
        values, best, most = self.layout.values[need], NOBODY, -1
        for own in self.slots:
            if own in values and values[own] > most and self._fits_more(need, own):
                best, most = own, values[own]
        return best, most

    def first_free(self, offers: Sequence[Fresh], most: int, chance: Callable[[], float], skipped: float) -> int:
        """The first of ``offers`` worth more than ``most`` that does not run yet and may; ``skipped`` are left out.

        What runs of these was found not to fit by `best_running`, which told ``most``.
        """
        running, left, shared = self._running, self._rooms, self._shared
        for value, own, key, rooms in offers:
            if value > most and key not in running:
                for room, place, size in rooms:
                    if size > left[room] + shared[place]:
                        break
                else:
                    if chance() >= skipped and self._has_disk(own):
                        return own
        return NOBODY

    def _resize(self, own: int, before: int, slots: int) -> None:
        """Give a candidate other slots; it does not run with none."""
        layout, pools = self.layout, len(self.layout.budgets)
        tier, taken = layout.tiers[own], self._taken
        begun = (slots > 0) - (before > 0)
        for pool, fixed, per_slot, kept, place in layout.takes[own]:
            if tier == HOT:
                taken[pool] += fixed * begun + per_slot * (slots - before)
            else:
                size = fixed + per_slot * slots if slots else 0
                taken[tier * pools + pool] += kept * begun + self._turn(place, own, size)

    def _measure(self, pool: int) -> None:
        """The room left in a pool."""
        layout, rooms, taken = self.layout, self._rooms, self._taken
        pools = len(layout.budgets)
        left = layout.budgets[pool] - taken[pool]
        warm, cold = taken[pools + pool], taken[2 * pools + pool]
        rooms[pool] = left - (warm if warm > cold else cold)  # noqa: FURB136  (twice as quick as max)
        rooms[pools + pool] = left - warm
        rooms[2 * pools + pool] = left - cold

    def _turn(self, place: int, own: int, size: int) -> int:
        """Take turns with ``size`` bytes, none to leave; by how many the place grows."""
        before = self._sizes[place]
        sizes = self._sizes[place] = {**before, own: size}
        if not size:
            del sizes[own]
        if self.layout.twos[place]:
            self._shared[place] = _two(sizes)[0]
            return sum(_two(sizes)) - sum(_two(before))
        most, least = max(sizes.values(), default=0), self._shared[place]
        self._shared[place] = most
        return most - least

    def _fits_more(self, need: int, own: int) -> bool:
        """Whether what runs may serve one need more."""
        layout, rooms = self.layout, self._rooms
        for other in layout.apart[need]:
            if self.chosen[other] == own:
                return False
        tier, pools, more = layout.tiers[own], len(layout.budgets), layout.slots[need][own]
        slots = self.slots[own] + more
        for pool, fixed, per_slot, _, place in layout.takes[own]:
            grown = per_slot * more if tier == HOT else self._more(place, own, fixed + per_slot * slots)
            if grown > rooms[tier * pools + pool]:
                return False
        return True

    def _more(self, place: int, own: int, size: int) -> int:
        """By how many bytes a place for turns grows when the candidate that is in it takes ``size`` there."""
        if not self.layout.twos[place]:
            return size - self._shared[place]
        sizes = self._sizes[place]
        return sum(_two({**sizes, own: size})) - sum(_two(sizes))

    def _has_disk(self, own: int) -> bool:
        layout = self.layout
        if layout.disk_bytes is None:
            return True
        files = {name: size for one in (*self.slots, own) for name, size in layout.candidates[one].files}
        return sum(files.values()) <= layout.disk_bytes


def _two(sizes: dict[int, int]) -> tuple[int, int]:
    """The two largest."""
    ordered = sorted((0, 0, *sizes.values()))
    return ordered[-2], ordered[-1]
