"""A choice under way: what runs, what it takes, and who still fits. Told in numbers, exact, and quick to add to."""

from collections.abc import Callable, Collection, Sequence

from stackplan.solve.layout import COLD, HOT, NOBODY, Layout

Fresh = tuple[int, int, int, tuple[tuple[int, int, int], ...]]
"""A candidate that does not run yet, as one need asks for it: value, number, key, and what it takes: the room that it
takes from, the place for turns whose bytes it may use as well, and bytes."""


def fresh(layout: Layout, need: int, own: int) -> Fresh:
    """The candidate as `Packing.first_free` looks at it."""
    pools, slots, tier = len(layout.budgets), layout.slots[need][own], layout.tiers[own]
    rooms: list[tuple[int, int, int]] = []
    for pool, fixed, per_slot, kept, place in layout.takes[own]:
        size = fixed + per_slot * slots
        if tier == HOT:
            rooms.append((pool, NOBODY, size))
        elif tier == COLD:
            rooms.append((pools + pool, NOBODY, size))
        else:
            rooms += [(2 * pools + pool, NOBODY, kept)] if kept else []
            rooms.append((2 * pools + pool, place, kept + size))
    return layout.values[need][own], own, layout.keys[own], tuple(rooms)


class Packing:
    """Who serves whom so far, and what that takes. Only ever added to, and never more than fits.

    Beside what is taken it keeps the room left of each pool: for HOT ones, for COLD ones, for WARM ones. Whoever takes
    turns in a place may use its bytes as well, those of its second largest where it holds two.
    """

    def __init__(self, layout: Layout, chosen: Sequence[int], gone: Collection[int] = ()) -> None:
        """Begin with what is chosen, which fits, but for the needs that are ``gone``."""
        pools = len(layout.budgets)
        self.layout = layout
        self.chosen = [NOBODY if need in gone else own for need, own in enumerate(chosen)]
        self.slots: dict[int, int] = {}  # of what runs
        self._running: dict[int, int] = {}  # by key
        self._hot, self._warm, self._cold = [0] * pools, [0] * pools, [0] * pools
        self._turns: list[dict[int, int]] = [{} for _ in layout.turns]  # by place, bytes by candidate
        self._shared = [0] * (len(layout.turns) + 1)  # by place; the last for those that take no turns
        self._rooms = [*layout.budgets] * 3
        self._files: dict[str, int] = {}
        slots = self.slots
        for need, own in enumerate(self.chosen):
            if own != NOBODY:
                slots[own] = slots.get(own, 0) + layout.slots[need][own]
        self._begin_all()
        for pool in range(pools):
            self._measure(pool)

    def fits(self, need: int, own: int) -> bool:
        """Whether the candidate may serve the need as well, with all that runs."""
        if own in self.slots:
            return self._fits_more(need, own)
        return self.first_free((fresh(self.layout, need, own),), NOBODY, lambda: 1.0, 0.0) == own

    def add(self, need: int, own: int) -> None:
        """Let the candidate serve the need."""
        before, more = self.slots.get(own, 0), self.layout.slots[need][own]
        self.slots[own] = before + more
        if before:
            self._grow(own, before + more, more)
        else:
            self._begin(own, more)
        for take in self.layout.takes[own]:
            self._measure(take[0])
        self.chosen[need] = own

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
            if value > most and chance() >= skipped and key not in running:
                for room, place, size in rooms:
                    if size > left[room] + shared[place]:
                        break
                else:
                    if self._has_disk(own):
                        return own
        return NOBODY

    def _begin_all(self) -> None:
        """Run all that has slots: `_begin` for each, in one loop since nothing else takes as long."""
        layout, running, turns, shared = self.layout, self._running, self._turns, self._shared
        hot, warm, cold = self._hot, self._warm, self._cold
        for own, slots in self.slots.items():
            tier = layout.tiers[own]
            running[layout.keys[own]] = own
            for pool, fixed, per_slot, kept, place in layout.takes[own]:
                size = fixed + per_slot * slots
                if tier == HOT:
                    hot[pool] += size
                elif tier == COLD:
                    cold[pool] = max(cold[pool], size)
                elif layout.turns[place]:
                    warm[pool] += kept + self._turn(place, own, size)
                else:
                    turns[place][own] = size
                    more = size - shared[place]
                    warm[pool] += kept
                    if more > 0:
                        warm[pool] += more
                        shared[place] = size
            if layout.disk_bytes is not None:
                self._files.update(layout.candidates[own].files)

    def _begin(self, own: int, slots: int) -> None:
        """Run what did not run."""
        layout, tier = self.layout, self.layout.tiers[own]
        self._running[layout.keys[own]] = own
        if layout.disk_bytes is not None:
            self._files.update(layout.candidates[own].files)
        for pool, fixed, per_slot, kept, place in layout.takes[own]:
            size = fixed + per_slot * slots
            if tier == HOT:
                self._hot[pool] += size
            elif tier == COLD:
                self._cold[pool] = max(self._cold[pool], size)
            else:
                self._warm[pool] += kept + self._turn(place, own, size)

    def _grow(self, own: int, slots: int, more: int) -> None:
        """Run something with ``more`` slots than before."""
        tier = self.layout.tiers[own]
        for pool, fixed, per_slot, _, place in self.layout.takes[own]:
            size = fixed + per_slot * slots
            if tier == HOT:
                self._hot[pool] += per_slot * more
            elif tier == COLD:
                self._cold[pool] = max(self._cold[pool], size)
            else:
                self._warm[pool] += self._turn(place, own, size)

    def _measure(self, pool: int) -> None:
        """The room left in a pool."""
        rooms, pools, warm, cold = self._rooms, len(self._hot), self._warm[pool], self._cold[pool]
        left = self.layout.budgets[pool] - self._hot[pool]
        rooms[pool] = left - (warm if warm > cold else cold)  # noqa: FURB136  (twice as quick as max)
        rooms[pools + pool] = left
        rooms[2 * pools + pool] = left - warm

    def _turn(self, place: int, own: int, size: int) -> int:
        """Take turns with ``size`` bytes; by how many the place grows."""
        more, sizes = self._more(place, own, size), self._turns[place]
        sizes[own] = size
        self._shared[place] = _two(sizes)[0] if self.layout.turns[place] else max(sizes.values())
        return more

    def _fits_more(self, need: int, own: int) -> bool:
        """Whether what runs may serve one need more."""
        layout, tier, rooms, pools = self.layout, self.layout.tiers[own], self._rooms, len(self.layout.budgets)
        for other in layout.apart[need]:
            if self.chosen[other] == own:
                return False
        more = layout.slots[need][own]
        slots = self.slots[own] + more
        for pool, fixed, per_slot, _, place in layout.takes[own]:
            if tier == HOT:
                if per_slot * more > rooms[pool]:
                    return False
            elif tier == COLD:
                if fixed + per_slot * slots > rooms[pools + pool]:
                    return False
            elif self._more(place, own, fixed + per_slot * slots) > rooms[2 * pools + pool]:
                return False
        return True

    def _more(self, place: int, own: int, size: int) -> int:
        """By how many bytes a place for turns grows when the candidate takes ``size`` in it."""
        sizes = self._turns[place]
        if not sizes:
            return size
        if not self.layout.turns[place]:
            return max(0, size - self._shared[place])
        return sum(_two({**sizes, own: size})) - sum(_two(sizes))

    def _has_disk(self, own: int) -> bool:
        most = self.layout.disk_bytes
        return most is None or sum({**self._files, **dict(self.layout.candidates[own].files)}.values()) <= most


def _two(sizes: dict[int, int]) -> tuple[int, int]:
    """The two largest."""
    ordered = sorted((0, 0, *sizes.values()))
    return ordered[-2], ordered[-1]
