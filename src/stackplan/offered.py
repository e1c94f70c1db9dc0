"""What prices leave of options in one tier: one line of arithmetic, done for all of them at once."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from stackplan.arrays import Floats, Integers
from stackplan.bases import BaseFinder
from stackplan.option_rows import Rows, Terms
from stackplan.options import may_be_in
from stackplan.problem import Tier
from stackplan.solve.pricing import PriceList, Turn
from stackplan.solve.turns import cold_place, levels_of, warm_place

_ROUNDED = 0.5  # values are rounded to whole thousandths


class Offered:
    """One tier under one list of prices. Upper bounds throughout: what is rounded is rounded in favour of options."""

    def __init__(self, found: PriceList, tier: Tier, finder: BaseFinder, terms: Terms) -> None:
        self.tier = tier
        self._found, self._terms = found, terms
        here = [may_be_in(need, tier) for need in terms.needs]
        self._factor = np.array([finder.rating.tier_factor(need, tier) for need in terms.needs])
        prices = [found.need_price(need.id) - _ROUNDED for need in terms.needs]
        self._price = np.where(here, prices, np.inf)
        self._slots = np.array([need.slots for need in terms.needs], dtype=np.int64)
        self._keys = self._by(terms.keys, lambda key: found.key.get(key, 0.0))
        running = {pool: found.memory[pool] + found.hot_beside_cold[pool] for pool in terms.pools}
        self._hot = self._by(terms.pools, lambda pool: running[pool] / found.units[pool])
        self._kept = self._by(terms.pools, lambda pool: found.memory[pool] / found.units[pool])
        self._loose = sum(running.values()) + sum(found.memory.values())
        budgets = {pool.id: pool.budget_bytes for pool in finder.host.pools}
        self._budgets = self._by(terms.pools, budgets.__getitem__)
        self._rules = self._ruled()
        self._turns = None if tier == "hot" else _Turns(found, tier, terms, budgets)

    def gains(self, rows: Rows) -> Floats:
        """What each row may gain at most; -inf where no need may be in this tier."""
        parts, welcome = self._parts(rows)
        gains: Floats = welcome + np.minimum(0.0, parts.max(axis=1))
        return gains

    def profits(self, rows: Rows) -> Floats:
        """What each row may gain at most where it serves a need, by row and need."""
        parts, welcome = self._parts(rows)
        profits: Floats = welcome[:, None] + np.minimum(0.0, parts)
        return profits

    def _parts(self, rows: Rows) -> tuple[Floats, Floats]:
        """What each row gains of each need, and of all who gain by it, less what running it costs."""
        parts = rows.values * self._factor - self._price
        for table, own in self._rules:
            parts -= table[getattr(rows, own)]
        if self._turns is None:
            slot = _weighed(rows.per_slot, self._hot)
            parts -= np.maximum(0.0, slot[:, None] * self._slots - self._loose)
        else:
            parts -= self._turns.costs(rows)
        several = parts.copy() if self._terms.apart else parts
        for first, *others in self._terms.apart:
            several[:, first] = several[:, [first, *others]].max(axis=1)
            several[:, others] = -np.inf
        together = np.maximum(several, 0.0).sum(axis=1)
        self._fit(rows, several, together)
        return parts, together - self._keys[rows.key] - self._running(rows)

    def _running(self, rows: Rows) -> Floats:
        cost: Floats = np.zeros(len(rows))
        if self.tier == "hot":
            cost = _weighed(rows.fixed, self._hot) - self._loose
        elif self.tier == "warm" and self._terms.mapped >= 0:
            cost = rows.kept * self._kept[self._terms.mapped] - self._loose
        return np.maximum(0.0, cost, out=cost)

    def _fit(self, rows: Rows, parts: Floats, together: Floats) -> None:
        """Lower ``together`` where not all who would gain have their slots beside the weights: a knapsack of slots."""
        several = np.flatnonzero((parts > 0.0).sum(axis=1) > 1)
        if not len(several):
            return
        fixed, per_slot = rows.fixed[several], rows.per_slot[several]
        if self.tier == "warm" and self._terms.mapped >= 0:
            fixed[:, self._terms.mapped] += rows.kept[several] - rows.loaded[several]
        left = np.where(per_slot > 0, (self._budgets - fixed) / np.maximum(per_slot, 1), np.inf)
        room, gaining = left.min(axis=1), parts[several] > 0.0
        tight = (room < (gaining * self._slots).sum(axis=1)).nonzero()[0]
        worth = np.where(gaining[tight], parts[several[tight]], 0.0)
        order = np.argsort(-worth / self._slots, axis=1, kind="stable")
        worth, slots = np.take_along_axis(worth, order, axis=1), self._slots[order]
        before = np.cumsum(slots, axis=1) - slots
        share = np.clip((room[tight, None] - before) / slots, 0.0, 1.0)
        together[several[tight]] = (worth * share).sum(axis=1)

    def _ruled(self) -> list[tuple[Floats, str]]:
        """What rules between needs take off, and what no part of the space allows, by key and by lineage."""
        found, terms = self._found, self._terms
        tables: list[tuple[Floats, str]] = []
        if any(found.apart.values()):
            tables.append((self._table(terms.keys, lambda key, need: found.apart.get((need, key), 0.0)), "key"))
        if any(found.alike.values()):
            tables.append((self._table(terms.lineages, lambda own, need: found.alike.get((need, own), 0.0)), "lineage"))
        if found.barred_keys or found.barred_pairs or found.only:
            barred = self._table(terms.keys, lambda key, need: np.inf if found.bars(need, key) else 0.0)
            tables.append((barred, "key"))
        return tables

    def _table(self, names: dict[str, int], told: Callable[[str, str], float]) -> Floats:
        return np.array([[told(name, need.id) for need in self._terms.needs] for name in names])

    @staticmethod
    def _by(names: Iterable[str], told: Callable[[str], float]) -> Floats:
        return np.array([told(name) for name in names], dtype=np.float64)


def _weighed(amounts: Integers, prices: Floats) -> Floats:
    """Amounts times prices, added up pool by pool: a library's product of matrices rounds as each processor likes."""
    total: Floats = np.zeros(len(amounts))
    for pool, price in enumerate(prices):
        total = total + amounts[:, pool] * price
    return total


class _Price(Struct, frozen=True):
    """What turns in one pool cost one need, by swap group (and key, where the need is several alike)."""

    unit_price: Floats | None
    steps: Floats | None
    most: Floats | None


class _Turns:
    """What taking turns costs, by pool and need."""

    def __init__(self, found: PriceList, tier: Tier, terms: Terms, budgets: dict[str, int]) -> None:
        self._found, self._tier, self._terms = found, tier, terms
        self._slots = [need.slots for need in terms.needs]
        self._levels = {pool: np.array(levels_of(size // found.units[pool])) for pool, size in budgets.items()}
        self._prices = {(pool, need.id): self._price(pool, need.id) for pool in terms.pools for need in terms.needs}

    def costs(self, rows: Rows) -> Floats:
        """What each need pays for being served in turn with others, by row."""
        costs = np.zeros((len(rows), len(self._slots)))
        for pool, number in self._terms.pools.items():
            asked = [self._prices[pool, need.id] for need in self._terms.needs]
            if not any(asked):
                continue
            shift = self._found.units[pool].bit_length() - 1  # a unit is a power of two
            mapped = self._tier == "warm" and number == self._terms.mapped
            fixed = rows.fixed[:, number] - rows.loaded if mapped else rows.fixed[:, number]
            for slots in sorted(set(self._slots)):
                units = (fixed >> shift) + ((rows.per_slot[:, number] * slots) >> shift)
                reached = np.searchsorted(self._levels[pool], units, side="right")
                for place, price in enumerate(asked):
                    if price and self._slots[place] == slots:
                        self._add(costs[:, place], price, rows, units, reached)
        return costs

    @staticmethod
    def _add(costs: Floats, price: _Price, rows: Rows, units: Integers, reached: Any) -> None:
        if price.unit_price is not None:
            costs += price.unit_price[rows.group] * units
        if price.steps is not None:
            costs += price.steps[rows.group, rows.key if price.steps.shape[1] > 1 else 0, reached]
        if price.most is not None:
            costs[units >= price.most[rows.group]] = np.inf

    def _price(self, pool: str, need: str) -> _Price | None:
        found, groups = self._found, self._terms.groups
        turns = [found.turn_of(self._tier, group, pool, need, "") for group in groups]
        most, prices = np.array([turn.most for turn in turns]), np.array([turn.price for turn in turns])
        unit_price = prices if prices.any() else None
        steps = self._by_key(pool, need) if need in found.merged else self._steps(pool, turns)
        limit = most if np.isfinite(most).any() else None
        told = any(each is not None for each in (unit_price, steps, limit))
        return _Price(unit_price, steps, limit) if told else None

    def _steps(self, pool: str, turns: Sequence[Turn]) -> Floats | None:
        none = (0.0,) * (len(self._levels[pool]) + 1)
        told = [[turn.steps[1] if turn.steps else none] for turn in turns]
        return np.array(told) if any(turn.steps for turn in turns) else None

    def _by_key(self, pool: str, need: str) -> Floats | None:
        """Steps of a need that is several alike: each key has its own."""
        terms, found = self._terms, self._found
        places = {
            cold_place(pool) if self._tier == "cold" else warm_place(group, pool): number
            for group, number in terms.groups.items()
        }
        steps = np.zeros((len(terms.groups), len(terms.keys), len(self._levels[pool]) + 1))
        for (place, one), (_, costs) in found.levels.items():
            key = one.removeprefix(f"{need} by ")
            if place in places and key != one and key in terms.keys:
                own = slice(None) if self._tier == "cold" else places[place]
                steps[own, terms.keys[key]] = costs
        return steps if steps.any() else None
