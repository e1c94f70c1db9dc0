"""Memory pools as stacked bars: one glyph per kind of use, so that colour carries nothing alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stackplan.plan import Plan, PlannedDemand, PoolBudget
from stackplan.views.colour import paint


@dataclass(frozen=True, slots=True)
class Glyph:
    """How one kind of use is drawn; ``ascii`` is for terminals that know no block letters."""

    name: str
    sign: str
    ascii: str
    style: str


GLYPHS = (
    Glyph("weights", "█", "#", "blue"),
    Glyph("KV", "▓", "=", "magenta"),
    Glyph("compute, other", "▒", "+", "cyan"),
    Glyph("reserved", "╳", "x", "yellow"),  # noqa: RUF001  (a box drawing, meant as one)
    Glyph("free", "░", ".", "dim"),
)


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Bytes of one pool by kind of use; the parts add up to the capacity, or to more where a plan is over it."""

    weights_bytes: int
    kv_bytes: int
    other_bytes: int
    reserved_bytes: int
    capacity_bytes: int

    @property
    def taken_bytes(self) -> int:
        """Bytes that are not free."""
        return self.weights_bytes + self.kv_bytes + self.other_bytes + self.reserved_bytes

    @property
    def free_bytes(self) -> int:
        """Bytes left; below 0 where the pool is over its capacity."""
        return self.capacity_bytes - self.taken_bytes

    @property
    def parts(self) -> tuple[int, ...]:
        """Bytes in the order of `GLYPHS`."""
        return self.weights_bytes, self.kv_bytes, self.other_bytes, self.reserved_bytes, max(0, self.free_bytes)


def pool_use(plan: Plan, pool: PoolBudget) -> PoolUse:
    """What fills ``pool`` at the worst moment: everything HOT, and of each swap group the largest member.

    What the plan counts beyond its instances' own demands (mapped files of WARM models) is in ``other_bytes``.
    """
    loaded = list(_loaded(plan, pool.id))
    weights = sum(demand.weights_bytes for demand in loaded)
    cache = sum(demand.kv_bytes for demand in loaded)
    used = max(pool.used_bytes, sum(demand.total_bytes for demand in loaded))
    reserved = sum(line.bytes for line in pool.reserved)
    return PoolUse(weights, cache, used - weights - cache, reserved, pool.capacity_bytes)


def _loaded(plan: Plan, pool_id: str) -> Iterable[PlannedDemand]:
    largest: dict[str, PlannedDemand] = {}
    for instance in plan.instances:
        for demand in (each for each in instance.demand if each.pool == pool_id):
            if instance.tier == "hot":
                yield demand
            elif instance.tier == "warm":
                group = instance.swap_group or instance.id
                before = largest.get(group)
                largest[group] = demand if before is None or demand.total_bytes > before.total_bytes else before
    yield from largest.values()


def stacked_bar(parts: Sequence[int], width: int, *, colour: bool, ascii_only: bool = False) -> str:
    """``parts`` in the order of `GLYPHS` as exactly ``width`` letters; a part above 0 is never invisible."""
    drawn = (
        paint((glyph.ascii if ascii_only else glyph.sign) * count, glyph.style, colour=colour)
        for glyph, count in zip(GLYPHS, cells(parts, width), strict=True)
    )
    return "".join(drawn)


def cells(parts: Sequence[int], width: int) -> list[int]:
    """How many of ``width`` cells each part gets: largest remainders first, and one at least where it is above 0."""
    total = sum(parts)
    if not total:
        return [0] * (len(parts) - 1) + [width]
    counts = [part * width // total for part in parts]
    by_remainder = sorted(range(len(parts)), key=lambda place: (-(parts[place] * width % total), place))
    for place in by_remainder[: width - sum(counts)]:
        counts[place] += 1
    for place, part in enumerate(parts):
        if part and not counts[place] and max(counts) > 1:
            counts[counts.index(max(counts))] -= 1
            counts[place] = 1
    return counts


def legend(uses: Sequence[PoolUse], *, colour: bool, ascii_only: bool = False) -> str:
    """The symbols that the bars of ``uses`` show, and no others."""
    shown = (glyph for place, glyph in enumerate(GLYPHS) if any(use.parts[place] for use in uses))
    return "  ".join(
        f"{paint(glyph.ascii if ascii_only else glyph.sign, glyph.style, colour=colour)} {glyph.name}"
        for glyph in shown
    )
