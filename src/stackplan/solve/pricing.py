"""What a candidate could add to the best relaxed choice: prices of the linear relaxation applied to what is not in it.

With prices of a relaxation in which nothing outside has a positive profit, no choice that uses an outside candidate
is worth more than the relaxation's value plus that candidate's (negative) profit. So candidates whose profit falls
below (best known choice - relaxation's value) can be left out without losing the optimum: reduced-cost fixing, e.g.
Wolsey, Integer Programming, 2nd ed. (2020), section 7.6. tests/solve/test_pricing.py holds it against trying all.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from msgspec import Struct

from stackplan.problem import Candidate, Offer, Problem
from stackplan.solve.formulation import formulate
from stackplan.solve.index import Indexed, alike_needs, indexed
from stackplan.solve.names import (
    alike_column,
    alike_row,
    apart_row,
    cold_memory_row,
    key_row,
    level_told,
    memory_row,
    need_row,
    turn_row,
)
from stackplan.solve.rows import Named, Programme
from stackplan.solve.simplex import Ended, Relaxation
from stackplan.solve.turns import cold_place, levels_of, warm_place
from stackplan.values import replace

_Asked = tuple[str, str, str, str, str]  # tier, swap group, pool, need, and for a merged need the key
_SOME = 1e-6  # of a need: less is how a solver says nothing

Steps = tuple[tuple[int, ...], tuple[float, ...]]  # levels in units, and what reaching so many of them costs


class Turn(Struct, frozen=True):
    """What it costs to take a turn: ``price`` a unit and what reaching ``steps`` costs; ``most`` units are too many."""

    most: float
    price: float
    steps: Steps | None = None

    def cost(self, units: int) -> float:
        """What it costs that somebody takes so many units in their turn."""
        if units >= self.most:
            return math.inf
        cost = self.price * units
        return cost if self.steps is None else cost + self.steps[1][bisect_right(self.steps[0], units)]


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices of needs, memory, turns and rules, in value per unit; ``bound`` is the relaxation's value."""

    bound: float
    units: Mapping[str, int]
    need: Mapping[str, float]
    memory: Mapping[str, float]
    hot_beside_cold: Mapping[str, float]
    turn: Mapping[tuple[str, str], float]
    levels: Mapping[tuple[str, str], Steps]
    key: Mapping[str, float]
    alike: Mapping[tuple[str, str], float]
    apart: Mapping[tuple[str, str], float]
    places: frozenset[str]
    merged: frozenset[str]
    need_count: int
    reward: float
    required: frozenset[str]
    barred_keys: frozenset[str] = frozenset()
    barred_pairs: frozenset[tuple[str, str]] = frozenset()
    only: Mapping[str, str] = field(default_factory=dict)
    below: Mapping[str, int] = field(default_factory=dict)
    ended: Ended = field(default_factory=lambda: ({}, {}))
    served: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """By need and candidate the share of the need that the relaxation lets it serve, where any."""
    work: int = 0
    """What it took, see `Relaxation.work`."""
    _turns: dict[_Asked, Turn] = field(init=False, repr=False, compare=False, default_factory=dict)

    @property
    def value_bound(self) -> float:
        """The bound without the rewards of required needs."""
        return self.bound - self.reward * len(self.required)

    def bars(self, need: str, key: str) -> bool:
        """Whether the part of the space that these prices are of has no instance of ``key`` serve ``need``."""
        return key in self.barred_keys or (need, key) in self.barred_pairs or self.only.get(need, key) != key

    def profits(self, candidate: Candidate, offers: tuple[Offer, ...]) -> dict[str, float]:
        """For each need, an upper bound of what is gained when the candidate is deployed and serves that need."""
        parts = {offer.need: self._offer_profit(candidate, offer) for offer in offers}
        running = self.key.get(candidate.key, 0.0) + sum(
            self._fixed_price(candidate, take.pool, take.fixed_bytes, take.kept_bytes) for take in candidate.takes
        )
        welcome = sum(max(0.0, part) for part in parts.values()) - running
        return {need: welcome + min(0.0, part) for need, part in parts.items()}

    def need_price(self, need: str) -> float:
        """What a need costs to serve, less the reward where it is required."""
        return self.need[need] - (self.reward if need in self.required else 0.0)

    def dearer(self, factor: float) -> "PriceList":
        """Memory and turns for ``factor`` times as much; being served costs a need nothing."""
        levels = {
            place: (steps, tuple([factor * cost for cost in costs])) for place, (steps, costs) in self.levels.items()
        }
        return replace(
            self,
            need={need: self.reward if need in self.required else 0.0 for need in self.need},
            memory={pool: factor * cost for pool, cost in self.memory.items()},
            hot_beside_cold={pool: factor * cost for pool, cost in self.hot_beside_cold.items()},
            turn={turn: factor * cost for turn, cost in self.turn.items()},
            levels=levels,
        )

    def turn_cost(self, tier: str, group: str, pool: str, need: str, key: str, units: int) -> float:
        """What it costs that ``need`` is served by a WARM or COLD candidate that takes so many units in its turn."""
        return self.turn_of(tier, group, pool, need, key).cost(units)

    def turn_of(self, tier: str, group: str, pool: str, need: str, key: str) -> Turn:
        """What turns in a place cost a need, whatever their size."""
        asked = (tier, group, pool, need, key if need in self.merged else "")
        turn = self._turns.get(asked)
        if turn is None:
            turn = self._turns[asked] = self._told_turn(*asked)
        return turn

    def _told_turn(self, tier: str, group: str, pool: str, need: str, key: str) -> Turn:
        place = cold_place(pool) if tier == "cold" else warm_place(group, pool)
        most = self.below.get(place, math.inf)
        if place not in self.places:  # its prices over needs may add up to the pool's
            return Turn(most, 0.0 if tier == "cold" else self.memory[pool] / self.need_count)
        steps = self.levels.get((place, f"{need} by {key}" if need in self.merged else need))
        return Turn(most, self.turn.get((place, need), 0.0), steps)

    def _fixed_price(self, candidate: Candidate, pool: str, fixed_bytes: int, kept_bytes: int) -> float:
        unit = self.units[pool]
        if candidate.tier == "hot":
            return (self.memory[pool] + self.hot_beside_cold[pool]) * (fixed_bytes // unit)
        return self.memory[pool] * (kept_bytes // unit) if candidate.tier == "warm" else 0.0

    def _offer_profit(self, candidate: Candidate, offer: Offer) -> float:
        profit = offer.value - self.need_price(offer.need)
        profit -= self.apart.get((offer.need, candidate.key), 0.0) + self.alike.get(
            (offer.need, candidate.lineage), 0.0
        )
        for take in candidate.takes:
            unit, pool = self.units[take.pool], take.pool
            slots = take.per_slot_bytes * offer.slots // unit
            if candidate.tier == "hot":
                profit -= (self.memory[pool] + self.hot_beside_cold[pool]) * slots
            else:
                units = take.fixed_bytes // unit + slots
                profit -= self.turn_cost(candidate.tier, candidate.swap_group, pool, offer.need, candidate.key, units)
        return profit


def prices(problem: Problem, reward: float, before: PriceList | None = None) -> PriceList | None:
    """Prices of the problem's linear relaxation, in which serving a required need earns ``reward`` on top.

    ``before`` are prices of a problem much like it, to begin from.
    """
    index, programme = priced_programme(problem, reward)
    if not index.offers:
        return None
    with Relaxation(programme) as relaxation:
        if before is not None:
            relaxation.begin_near(programme, before.ended)
        found = relaxation.solve()
        ended = relaxation.ended(programme)
    if found is None:
        return None
    duals = dict(zip(programme.rows, found.prices, strict=True))
    shares = zip(index.offers, found.values, strict=False)
    served = {(offer.need, offer.candidate): share for offer, share in shares if share > _SOME}
    return replace(listed(index, -found.objective, duals, reward), ended=ended, served=served, work=relaxation.work)


def priced_programme(problem: Problem, reward: float) -> tuple[Indexed, Programme]:
    """The programme whose relaxation makes prices: nobody has to be served, but required needs earn ``reward``."""
    index = indexed(problem)
    programme = formulate(index, partial=True)
    programme.cost = _costs(index, programme, reward)
    return index, programme


def within(problem: Problem, found: PriceList, least: float) -> Problem:
    """The problem with only the offers whose profit is at least ``least``, and their candidates."""
    own: dict[str, list[Offer]] = defaultdict(list)
    for offer in problem.offers:
        own[offer.candidate].append(offer)
    first = {need: group[0] for group in alike_needs(problem).values() for need in group}
    kept: set[tuple[str, str]] = set()
    for candidate in problem.candidates:
        offers = tuple(offer for offer in own[candidate.id] if first.get(offer.need, offer.need) == offer.need)
        kept |= {(need, candidate.id) for need, gain in found.profits(candidate, offers).items() if gain >= least}
    chosen = tuple(o for o in problem.offers if (first.get(o.need, o.need), o.candidate) in kept)
    used = {offer.candidate for offer in chosen}
    candidates = tuple(candidate for candidate in problem.candidates if candidate.id in used)
    return replace(problem, candidates=candidates, offers=chosen)


def _costs(index: Indexed, programme: Programme, reward: float) -> dict[int, float]:
    """What columns cost: the opposite of the values of offers and of the rewards of required needs, and penalties."""
    required = {need.id: reward for need in index.problem.needs if need.required}
    costs = {number: -(offer.value + required.get(offer.need, 0.0)) for number, offer in enumerate(index.offers)}
    for rule in index.problem.diversities:
        for lineage in {candidate.lineage for candidate in index.problem.candidates if candidate.lineage}:
            costs[programme.numbers[alike_column(rule.first, rule.second, lineage)]] = float(rule.penalty)
    return costs


def listed(index: Indexed, bound: float, duals: Mapping[Named, float], reward: float) -> PriceList:
    """Duals of a minimisation are at most 0 for upper limits; prices are their opposites."""
    problem = index.problem
    pools = list(problem.pools)
    groups = {c.swap_group for c in index.candidates.values() if c.tier == "warm"}
    places = {warm_place(group, pool): pool for group in groups for pool in pools}
    places |= {cold_place(pool): pool for pool in pools}
    keys = {candidate.key for candidate in index.candidates.values()}
    first = {need: group[0] for group in index.members.values() for need in group}

    def price(row: Named) -> float:
        return max(0.0, -duals.get(row, 0.0))

    def toll(row: Named) -> float:
        """The price of a row that a split may have given a lower limit too: then it may reward."""
        return -duals.get(row, 0.0)

    turn = {
        (place, need): found for place in places for need in index.by_need if (found := price(turn_row(place, need)))
    }
    levels = _levels(index, places, duals)
    return PriceList(
        bound=bound,
        units=index.units,
        need={need.id: toll(need_row(first.get(need.id, need.id))) for need in problem.needs},
        memory={pool: price(memory_row(pool)) for pool in pools},
        hot_beside_cold={pool: price(cold_memory_row(pool)) for pool in pools},
        turn=turn,
        levels=levels,
        key={key: toll(key_row(key)) for key in keys},
        alike=_alike(index, price),
        apart={
            (need, key): price(apart_row(key, group)) for group in problem.distinct for need in group for key in keys
        },
        places=frozenset(place for place, _ in [*turn, *levels]),
        merged=frozenset(index.members),
        need_count=len(problem.needs),
        reward=reward,
        required=frozenset(need.id for need in problem.needs if need.required),
    )


def _levels(index: Indexed, places: Mapping[str, str], duals: Mapping[Named, float]) -> dict[tuple[str, str], Steps]:
    """For each place and need, what reaching its levels costs; for a merged need by the model that serves it."""
    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for row, dual in duals.items():
        if dual < 0.0 and (told := level_told(row)) is not None:
            place, number, one = told
            found[place, one][number] = -dual
    steps: dict[tuple[str, str], Steps] = {}
    for (place, one), prices in found.items():
        pool = places[place]
        levels = levels_of(index.problem.pools[pool] // index.units[pool])
        each = [prices.get(number, 0.0) for number in range(len(levels))]
        steps[place, one] = (levels, tuple(accumulate(each, initial=0.0)))
    return steps


def _alike(index: Indexed, price: Callable[[Named], float]) -> dict[tuple[str, str], float]:
    lineages = {candidate.lineage for candidate in index.candidates.values()}
    alike: dict[tuple[str, str], float] = defaultdict(float)
    for rule in index.problem.diversities:
        for lineage in lineages:
            told = price(alike_row(rule.first, rule.second, lineage))
            for need in (rule.first, rule.second):
                alike[(need, lineage)] += told
    return alike
