"""Which options could gain at given prices, told without making them.

Half a million options are looked at in every round of pricing. So they are kept as outlines (what each need gets of a
base at best, what it takes at each context), outlines by model, and whole models are passed over where no need would
pay for the best of them.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from stackplan.bases import Base, BaseFinder
from stackplan.needs import RoleNeed
from stackplan.options import VALUE_PER_POINT, Column, candidate_name, column_of, may_be_in, swap_group
from stackplan.problem import TIERS, Tier
from stackplan.solve.pricing import PriceList
from stackplan.taken import Taken

_ROUNDED = 0.5  # values are rounded to whole thousandths
_NOBODY = float("-inf")
_ADDED = 150  # options added in one round
_OF_A_MODEL = 6

Amounts = tuple[tuple[str, int, int, int], ...]  # pool, fixed, per slot, kept while WARM and not loaded: bytes


@dataclass(slots=True)
class Outline:
    """A base in the units of prices: what each need gets of it at best, and what it takes at each context."""

    base: Base
    values: tuple[tuple[RoleNeed, float], ...]  # value in HOT at the wished context
    least: Amounts
    group: str
    curve: list[tuple[int, Taken, Amounts]] | None = None


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
    models: list[tuple[tuple[tuple[RoleNeed, float], ...], list[Outline]]]

    @classmethod
    def of(cls, bases: Sequence[Base], finder: BaseFinder) -> "Market":
        """The market of a space, before any curve is known."""
        outlines: dict[str, list[Outline]] = defaultdict(list)
        for base in bases:
            outlines[base.served.key].append(_outline_of(base, finder))
        return cls(finder, [(_best_values(group), group) for group in outlines.values()])

    def best(self, found: PriceList, least: float, known: Container[str]) -> list[Promise]:
        """For each outline and tier, the option not ``known`` that may gain most, if that is above ``least``.

        The best come first; names decide between equals.
        """
        promises: list[Promise] = []
        for some in self._promising(found, least):
            ordered = sorted(some, key=lambda promise: (-promise.gain, promise.context))
            promises += next(([promise] for promise in ordered if promise.name not in known), [])
        return sorted(promises, key=lambda promise: (-promise.gain, promise.name))

    def all(self, found: PriceList, least: float) -> Iterator[Promise]:
        """Every option that may gain more than ``least``."""
        for some in self._promising(found, least):
            yield from some

    def varied(self, promises: Sequence[Promise]) -> list[Promise]:
        """The first of them, not too many of one model: those are much alike."""
        taken: Counter[str] = Counter()
        chosen: list[Promise] = []
        for promise in promises:
            key = promise.outline.base.served.key
            taken[key] += 1
            if taken[key] <= _OF_A_MODEL:
                chosen.append(promise)
        return chosen[:_ADDED]

    def columns(self, promises: Iterable[Promise]) -> dict[str, Column]:
        """The options promised, by name, with all that they offer."""
        made = (column_of(p.outline.base, p.context, p.taken, p.tier, self.finder) for p in promises)
        return {column.candidate.id: column for column in made if column is not None}

    def _promising(self, found: PriceList, least: float) -> Iterator[list[Promise]]:
        for tier in TIERS:
            offered = _Offered(found, tier, self.finder)
            for values, outlines in self.models:
                if offered.willing(values) <= least:
                    continue
                for outline in outlines:
                    if offered.gain(outline, outline.least, None) > least:
                        some = [
                            Promise(gain, outline, tier, context, taken)
                            for context, taken, amounts in _curve_of(outline, self.finder)
                            if (gain := offered.gain(outline, amounts, context)) > least
                        ]
                        if some:
                            yield some


class _Offered:
    """What prices leave of options in one tier."""

    def __init__(self, found: PriceList, tier: Tier, finder: BaseFinder) -> None:
        self._found, self._tier, self._rating = found, tier, finder.rating
        self._shares = {
            need.id: (finder.rating.tier_factor(need, tier), found.need_price(need.id))
            for need in finder.needs
            if may_be_in(need, tier)
        }
        running = {pool: found.memory[pool] + found.hot_beside_cold[pool] for pool in found.units}
        self._hot = {pool: price / found.units[pool] for pool, price in running.items()}
        self._kept = {pool: found.memory[pool] / found.units[pool] for pool in found.units}
        self._barring = bool(found.barred_keys or found.barred_pairs or found.only)
        self._loose = sum(running.values()) + sum(found.memory.values())

    def willing(self, values: tuple[tuple[RoleNeed, float], ...]) -> float:
        """What needs would pay for the best of a model if memory were free, added up."""
        parts = [best * share[0] + _ROUNDED - share[1] for need, best in values if (share := self._shares.get(need.id))]
        most = max(parts, default=_NOBODY)
        return most if most <= 0.0 else sum(part for part in parts if part > 0.0)

    def gain(self, outline: Outline, amounts: Amounts, context: int | None) -> float:
        """What an option may gain at most; with no ``context``, any option of the outline."""
        most, welcome = _NOBODY, 0.0
        for need, best in outline.values:
            share = self._shares.get(need.id)
            if share is None or (self._barring and self._found.bars(need.id, outline.base.served.key)):
                continue
            value = best * share[0]
            if context is not None:
                value *= self._rating.context_factor(need, context)
            part = value + _ROUNDED - share[1] - self._ruled(outline, need)
            if part > most or part > 0.0:
                part -= self._serving(outline, need, amounts)
                most = max(most, part)
                if part > 0.0:
                    welcome += part
        key = self._found.key.get(outline.base.served.key, 0.0)
        return welcome + min(0.0, most) - key - self._running(amounts)  # -inf when no need may be in this tier

    def _ruled(self, outline: Outline, need: RoleNeed) -> float:
        """What rules between needs take off."""
        found, served = self._found, outline.base.served
        return found.apart.get((need.id, served.key), 0.0) + found.alike.get((need.id, served.model.lineage), 0.0)

    def _serving(self, outline: Outline, need: RoleNeed, amounts: Amounts) -> float:
        if self._tier == "hot":
            cost = sum(self._hot[pool] * per_slot for pool, _, per_slot, _ in amounts) * need.slots
            return max(0.0, cost - self._loose)
        found, cost = self._found, 0.0
        for pool, fixed, per_slot, _ in amounts:
            unit = found.units[pool]
            units = fixed // unit + per_slot * need.slots // unit
            cost += found.turn_cost(self._tier, outline.group, pool, need.id, outline.base.served.key, units)
        return cost

    def _running(self, amounts: Amounts) -> float:
        if self._tier == "hot":
            cost = sum(self._hot[pool] * (fixed + kept) for pool, fixed, _, kept in amounts)
        elif self._tier == "warm":
            cost = sum(self._kept[pool] * kept for pool, _, _, kept in amounts)
        else:
            return 0.0
        return max(0.0, cost - self._loose)


def speaks(need: RoleNeed) -> bool:
    """Whether the need stands for itself, or for the interchangeable needs of its pool as their first."""
    return not need.pool or need.id == f"{need.pool}-1"


def _best_values(outlines: list[Outline]) -> tuple[tuple[RoleNeed, float], ...]:
    best: dict[str, tuple[RoleNeed, float]] = {}
    for outline in outlines:
        for need, value in outline.values:
            if need.id not in best or value > best[need.id][1]:
                best[need.id] = (need, value)
    return tuple(best.values())


def _curve_of(outline: Outline, finder: BaseFinder) -> list[tuple[int, Taken, Amounts]]:
    """What the outline's base takes at each context; asked once."""
    if outline.curve is None:
        curve = finder.curve(outline.base)
        outline.curve = [(context, taken, _amounts(taken, finder)) for context, taken in curve]
    return outline.curve


def _outline_of(base: Base, finder: BaseFinder) -> Outline:
    needs = ((need, merit) for need, merit in ((finder.needs[p], merit) for p, merit in base.merits) if speaks(need))
    values = tuple((need, merit * need.priority * VALUE_PER_POINT) for need, merit in needs)
    return Outline(base, values, _amounts(base.least, finder), swap_group(base.configuration(base.contexts[0])))


def _amounts(taken: Taken, finder: BaseFinder) -> Amounts:
    takes = taken.for_tier("warm", finder.host)
    return tuple((take.pool, take.fixed_bytes, take.per_slot_bytes, take.kept_bytes) for take in takes)
