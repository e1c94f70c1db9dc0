"""A few columns of every need to begin pricing with."""

from collections.abc import Callable, Iterator, Sequence
from heapq import nsmallest

from stackplan.bases import Base
from stackplan.configuration import place_name
from stackplan.gaining import Option
from stackplan.market import Market
from stackplan.options import Column, columns_of
from stackplan.problem import TIERS
from stackplan.prospects import Prospect

_SEEDS_PER_NEED = 3
_TRIED = 3  # as many prospects for each seed, should some of them not fit

Offering = tuple[float, int, Prospect]  # points at most, and the number of the prospect


def first_columns(market: Market) -> dict[str, Column]:
    """A few columns of every need to begin with: of the most worthy, the thriftiest and the lightest models."""
    offering: dict[int, list[Offering]] = {}
    for number, prospect in enumerate(market.prospects):
        for position, points in prospect.best:
            if market.may(position, prospect.served.model):
                offering.setdefault(position, []).append((points, number, prospect))
    asked = [position for position, need in enumerate(market.finder.needs) if need.id in market.terms.places]
    return market.columns([option for p in asked for option in _first(market, p, offering.get(p, []))])


def _first(market: Market, position: int, offering: Sequence[Offering]) -> Iterator[Option]:
    whole = [one for one in offering if not one[2].placement.is_cut]
    for rank in (_worth, _thrift, _lightness):
        models: set[str] = set()
        for _, number, prospect in _foremost(whole or offering, rank):
            if len(models) < _SEEDS_PER_NEED and prospect.served.key not in models:
                options = _ends(market, number, position)
                models |= {prospect.served.key} if options else set()
                yield from options


def _ends(market: Market, number: int, position: int) -> list[Option]:
    """The shortest and the longest option of the base of a prospect that is worth most to a need, in each tier."""
    need = market.finder.needs[position]
    own = [one for one in market.opened(number) if position in dict(one.base.merits)]
    for outline in sorted(own, key=lambda one: (-dict(one.base.merits)[position], one.base.name))[:1]:
        options = market.options_of(outline)
        fitting = [option for option in options if outline.context(option) >= need.context_floor_tokens]
        return [(option, tier) for option in {*fitting[:1], *fitting[-1:]} for tier in range(len(TIERS))]
    return []


def _foremost(offering: Sequence[Offering], rank: Callable[[Offering], float]) -> list[Offering]:
    """Those of least rank; names decide between equals, and are put together for the few who come into question."""
    most, ranks = _SEEDS_PER_NEED * _TRIED, [rank(one) for one in offering]
    last = max(nsmallest(most, ranks), default=0.0)
    few = [(own, *_name(one[2]), one) for own, one in zip(ranks, offering, strict=True) if own <= last]
    return [one for *_, one in sorted(few, key=lambda each: each[:3])[:most]]


def _worth(one: Offering) -> float:
    return -one[0]


def _thrift(one: Offering) -> float:
    return -one[0] / (1 + one[2].least_weight_bytes)


def _lightness(one: Offering) -> float:
    return float(one[2].least_weight_bytes)


def _name(prospect: Prospect) -> tuple[str, str]:
    served = prospect.served
    return served.key, f"{served.engine} {served.vision} {place_name(prospect.placement)}"


def lightest_columns(market: Market) -> Iterator[Column]:
    """Each model's lightest file in each place, at the floors of required needs: if these serve none, none does."""
    finder = market.finder
    required = {position for position, need in enumerate(finder.needs) if need.required}
    market.open(range(len(market.prospects)))
    lightest: dict[tuple[str, bool, str, str], Base] = {}
    for base in sorted(market.bases, key=lambda base: (_weight(base), base.name)):
        if required & dict(base.merits).keys():
            key = (base.served.key, base.served.vision, place_name(base.placement), base.kv_type)
            lightest.setdefault(key, base)
    for base in lightest.values():
        floors = {finder.needs[position].context_floor_tokens for position in required & dict(base.merits).keys()}
        contexts = {min((c for c in base.contexts if c >= floor), default=0) for floor in floors}
        yield from (c for c in columns_of(base, finder) if c.deployable.configuration.context_tokens in contexts)


def _weight(base: Base) -> int:
    return sum(pool.fixed_bytes + pool.per_slot_bytes for pool in base.least.pools)
