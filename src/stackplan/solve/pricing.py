"""What a candidate could add to the best relaxed choice: prices of the linear relaxation applied to what is not in it.

With prices of a relaxation in which nothing outside has a positive profit, no choice that uses an outside candidate
is worth more than the relaxation's value plus that candidate's (negative) profit. So candidates whose profit falls
below (best known choice - relaxation's value) can be left out without losing the optimum: reduced-cost fixing, e.g.
Wolsey, Integer Programming, 2nd ed. (2020), section 7.6. tests/solve/test_pricing.py holds it against trying all.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from stackplan.problem import Candidate, Offer, Problem
from stackplan.solve.formulation import formulate, value_terms
from stackplan.solve.highs import relax
from stackplan.solve.index import Indexed, alike_needs, indexed

_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices of needs, memory, turns and rules, in value per unit; ``bound`` is the relaxation's value."""

    bound: float
    units: Mapping[str, int]
    need: Mapping[str, float]
    memory: Mapping[str, float]
    hot_beside_cold: Mapping[str, float]
    turn: Mapping[tuple[str, str, str], float]
    cold: Mapping[tuple[str, str], float]
    key: Mapping[str, float]
    alike: Mapping[tuple[str, str], float]
    apart: Mapping[tuple[str, str], float]
    known_groups: frozenset[tuple[str, str]]
    need_count: int
    reward: float
    required: frozenset[str]

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

    def turn_price(self, tier: str, group: str, pool: str, need: str) -> float:
        """Price of one unit of a pool while ``need`` is served by a WARM or COLD candidate that takes its turn."""
        if tier == "cold":
            return self.cold.get((pool, need), 0.0)
        if (group, pool) in self.known_groups:
            return self.turn.get((group, pool, need), 0.0)
        return self.memory[pool] / self.need_count  # a group's prices over its needs may add up to the pool's

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
            unit = self.units[take.pool]
            slots = take.per_slot_bytes * offer.slots // unit
            if candidate.tier == "hot":
                profit -= (self.memory[take.pool] + self.hot_beside_cold[take.pool]) * slots
            else:
                price = self.turn_price(candidate.tier, candidate.swap_group, take.pool, offer.need)
                profit -= price * (take.fixed_bytes // unit + slots)
        return profit


def prices(problem: Problem, reward: float) -> PriceList | None:
    """Prices of the problem's linear relaxation, in which serving a required need earns ``reward`` on top."""
    index = indexed(problem)
    programme = formulate(index, partial=True)
    programme.cost = {column: -value for column, value in _value_columns(index, reward).items()}
    found = relax(programme, seconds=_SECONDS)
    return None if found is None else _listed(index, -found.objective, found.rows, reward)


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


def _value_columns(index: Indexed, reward: float) -> dict[str, float]:
    required = {need.id for need in index.problem.needs if need.required}
    total: dict[str, float] = defaultdict(float)
    for column, value in value_terms(index):
        total[column] += value
    for offer in index.offers:
        if offer.need in required:
            total[f"serve|{offer.need}|{offer.candidate}"] += reward
    return total


def _listed(index: Indexed, bound: float, duals: Mapping[str, float], reward: float) -> PriceList:
    """Duals of a minimisation are at most 0 for upper limits; prices are their opposites."""
    problem = index.problem
    needs, pools = [need.id for need in problem.needs], list(problem.pools)
    groups = {c.swap_group for c in index.candidates.values() if c.tier == "warm"}
    keys = {candidate.key for candidate in index.candidates.values()}
    lineages = {candidate.lineage for candidate in index.candidates.values()}

    first = {need: group[0] for group in index.members.values() for need in group}

    def price(row: str) -> float:
        return max(0.0, -duals.get(row, 0.0))

    alike: dict[tuple[str, str], float] = defaultdict(float)
    for rule in problem.diversities:
        for lineage in lineages:
            told = price(f"alike|{rule.first}|{rule.second}|{lineage} told")
            for need in (rule.first, rule.second):
                alike[(need, lineage)] += told
    apart = {
        (need, key): price(f"{key} serves one of {'+'.join(group)}")
        for group in problem.distinct
        for need in group
        for key in keys
    }
    turn = {
        (group, pool, need): price(f"slot|{group}|{pool} holds whoever serves {need}")
        for group in groups
        for pool in pools
        for need in needs
    }
    return PriceList(
        bound=bound,
        units=index.units,
        need={need: price(f"role {first.get(need, need)} served") for need in needs},
        memory={pool: price(f"{pool} memory") for pool in pools},
        hot_beside_cold={pool: price(f"{pool} memory with a COLD instance") for pool in pools},
        turn=turn,
        cold={(pool, need): price(f"cold|{pool} holds whoever serves {need}") for pool in pools for need in needs},
        key={key: price(f"one instance of {key}") for key in keys},
        alike=alike,
        apart=apart,
        known_groups=frozenset((g, p) for g in groups for p in pools if any(turn[(g, p, n)] for n in needs)),
        need_count=len(needs),
        reward=reward,
        required=frozenset(need.id for need in problem.needs if need.required),
    )
