"""What prices leave of the options in one tier: arithmetic that a round of pricing does a hundred thousand times."""

from dataclasses import dataclass

from stackplan.bases import Base, BaseFinder
from stackplan.needs import RoleNeed
from stackplan.options import may_be_in
from stackplan.problem import Tier
from stackplan.solve.pricing import PriceList
from stackplan.taken import Amounts, Taken

_ROUNDED = 0.5  # values are rounded to whole thousandths
_NOBODY = float("-inf")


@dataclass(slots=True)
class Outline:
    """A base in the units of prices: what each need gets of it at best, and what it takes at each context."""

    base: Base
    key: str
    lineage: str
    values: tuple[tuple[RoleNeed, float], ...]  # value in HOT at the wished context
    least: Amounts
    group: str
    curve: list[tuple[int, Taken, Amounts]] | None = None


class Offered:
    """One tier under one list of prices. Upper bounds throughout: what is rounded is rounded in favour of options."""

    def __init__(self, found: PriceList, tier: Tier, finder: BaseFinder) -> None:
        self.tier = tier
        self._found, self._context_factor = found, finder.rating.context_factor
        self._shares = {
            need.id: (finder.rating.tier_factor(need, tier), found.need_price(need.id) - _ROUNDED)
            for need in finder.needs
            if may_be_in(need, tier)
        }
        running = {pool: found.memory[pool] + found.hot_beside_cold[pool] for pool in found.units}
        self._hot = {pool: price / found.units[pool] for pool, price in running.items()}
        self._kept = {pool: found.memory[pool] / found.units[pool] for pool in found.units}
        self._barring = bool(found.barred_keys or found.barred_pairs or found.only)
        self._ruling = any(found.apart.values()) or any(found.alike.values())
        self._budgets = {pool.id: pool.budget_bytes for pool in finder.host.pools}
        self._loose = sum(running.values()) + sum(found.memory.values())

    def willing(self, values: tuple[tuple[RoleNeed, float], ...]) -> float:
        """What needs would pay for the best of a model if memory were free, added up."""
        parts = [best * share[0] - share[1] for need, best in values if (share := self._shares.get(need.id))]
        most = max(parts, default=_NOBODY)
        return most if most <= 0.0 else sum(part for part in parts if part > 0.0)

    def gain(self, outline: Outline, amounts: Amounts, context: int | None) -> float:
        """What an option may gain at most; with no ``context``, any option of the outline."""
        most, welcome, shares = _NOBODY, list[tuple[float, int]](), self._shares
        for need, best in outline.values:
            share = shares.get(need.id)
            if share is None or (self._barring and self._found.bars(need.id, outline.key)):
                continue
            value = best * share[0]
            if context is not None:
                value *= self._context_factor(need, context)
            part = value - share[1]
            if self._ruling:
                part -= self._ruled(outline, need)
            if part > most or part > 0.0:
                part -= self._serving(outline, need, amounts)
                if part > 0.0:
                    welcome.append((part, need.slots))
                most = max(most, part)
        key = self._found.key.get(outline.key, 0.0)
        together = self._together(welcome, amounts) if len(welcome) > 1 else sum([part for part, _ in welcome])
        return together + min(0.0, most) - key - self._running(amounts)  # -inf when no need may be in this tier

    def _together(self, welcome: list[tuple[float, int]], amounts: Amounts) -> float:
        """What those who would gain may gain together: no more than have their slots beside the weights."""
        total, asked = sum([part for part, _ in welcome]), sum([slots for _, slots in welcome])
        room = float(asked)
        for pool, fixed, per_slot, kept in amounts:
            if per_slot and (left := (self._budgets[pool] - fixed - kept) / per_slot) < room:
                room = left
        if room >= asked:
            return total
        gained = 0.0
        for part, slots in sorted(welcome, key=lambda one: -one[0] / one[1]):
            share = min(1.0, room / slots)
            gained += part * share
            room -= slots
            if room <= 0.0:
                break
        return gained

    def _ruled(self, outline: Outline, need: RoleNeed) -> float:
        """What rules between needs take off."""
        apart, alike = self._found.apart, self._found.alike
        return apart.get((need.id, outline.key), 0.0) + alike.get((need.id, outline.lineage), 0.0)

    def _serving(self, outline: Outline, need: RoleNeed, amounts: Amounts) -> float:
        cost, found = 0.0, self._found
        if self.tier == "hot":
            for pool, _, per_slot, _ in amounts:
                cost += self._hot[pool] * per_slot
            return max(0.0, cost * need.slots - self._loose)
        for pool, fixed, per_slot, _ in amounts:
            unit = found.units[pool]
            units = fixed // unit + per_slot * need.slots // unit
            cost += found.turn_cost(self.tier, outline.group, pool, need.id, outline.key, units)
        return cost

    def _running(self, amounts: Amounts) -> float:
        if self.tier == "hot":
            cost = sum([self._hot[pool] * (fixed + kept) for pool, fixed, _, kept in amounts])
        elif self.tier == "warm":
            cost = sum([self._kept[pool] * kept for pool, _, _, kept in amounts])
        else:
            return 0.0
        return max(0.0, cost - self._loose)
