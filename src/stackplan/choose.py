"""The best choice of the whole option space, without writing the whole space down.

Half a million options are far more than a solver wants to see. Prices of the linear relaxation tell which of them could
matter: columns are added until none outside has a positive profit (column generation), then everything whose profit
is within the gap to the best known choice goes to the solver, and its optimum is the optimum of the space.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stackplan.bases import Base, BaseFinder
from stackplan.configuration import place_name
from stackplan.market import Market, Promise, speaks
from stackplan.options import VALUE_PER_POINT, Column, Deployable, column_of, columns_of, empty_problem
from stackplan.problem import TIERS, Choice, NoChoice, Problem
from stackplan.solve import solve
from stackplan.solve.lexicographic import best_value, requirement_reward
from stackplan.solve.pricing import PriceList, prices
from stackplan.solve.search import start_assignment
from stackplan.solve.usage import value

_SEEDS_PER_NEED = 3
_ADDED_PER_ROUND = 150
_ADDED_OF_A_MODEL = 6  # in one round: more are much alike
_NEAR = 200  # columns of which the best choice is found at once
_NEARBY, _WIDER = 0.01, 4  # of the bound: profits that are looked at first, and how much further if they are few
_ROUNDS = 20
_NODES = 60  # branch-and-bound nodes of one level
_MOST_SOLVED = 1500  # columns that are solved in about a second
_NEAR_SECONDS = 30.0  # for emergencies: work is bounded by nodes, which no slow machine changes
DEFAULT_SECONDS = 120.0
_NEGLIGIBLE = 0.0005  # of the bound: further rounds of pricing cost more than a slightly wider final circle
_TOLERANCE = 1.0  # thousandths of a utility point: what float prices may be off


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice with the problem that it solves and what its candidates mean. ``offered`` counts the whole space."""

    answer: Choice | NoChoice
    problem: Problem
    deployables: dict[str, Deployable]
    offered: int


def choose(
    finder: BaseFinder, bases: Sequence[Base], *, partial: bool = False, seconds: float = DEFAULT_SECONDS
) -> Chosen:
    """The best choice over every option of ``bases``, or the minimal conflict that forbids one.

    Where more options could matter than can be solved, or ``seconds`` run out, the best choice known is given with
    its true bound and ``optimal`` False.
    """
    market = Market.of(bases, finder)
    columns = _by_name(_seeds(bases, finder))
    answer, problem, columns = _from_seeds(market, columns, partial, seconds)
    if isinstance(answer, NoChoice):  # is it so, or did the seeds miss what little fits?
        columns |= _by_name(_lightest_columns(bases, finder))
        answer, problem, columns = _from_seeds(market, columns, partial, seconds)
    offered = sum(len(base.contexts) * len(base.merits) for base in bases) * len(TIERS)
    return Chosen(answer, problem, {name: column.deployable for name, column in columns.items()}, offered)


def _from_seeds(
    market: Market, columns: dict[str, Column], partial: bool, seconds: float
) -> tuple[Choice | NoChoice, Problem, dict[str, Column]]:
    finder = market.finder
    empty = empty_problem(finder.host, finder.needs, finder.rating)
    found = _priced(market, columns, empty, _reward(finder, empty))
    left_out, known = False, None
    if found is not None:
        known = _best_known(columns, empty, found, _first(finder))
        columns, left_out = _worth_solving(market, columns, known, empty, found)
    problem = _problem(empty, columns)
    answer = solve(problem, partial=partial, seconds=seconds, hint=known, nodes=_NODES)
    if left_out and found is not None and isinstance(answer, Choice):
        answer = _bounded(answer, found)
    return answer, problem, columns


def _by_name(columns: Iterable[Column]) -> dict[str, Column]:
    return {column.candidate.id: column for column in columns}


def _lightest_columns(bases: Sequence[Base], finder: BaseFinder) -> Iterator[Column]:
    """Each model's lightest file in each place, at the floors of required needs: if these serve none, none does."""
    required = {position for position, need in enumerate(finder.needs) if need.required}
    lightest: dict[tuple[str, bool, str, str], Base] = {}
    for base in sorted(bases, key=lambda base: (_weight(base), base.configuration(0).name)):
        if required & dict(base.merits).keys():
            key = (base.served.key, base.served.vision, place_name(base.placement), base.kv_type)
            lightest.setdefault(key, base)
    for base in lightest.values():
        floors = {finder.needs[position].context_floor_tokens for position in required & dict(base.merits).keys()}
        contexts = {min((c for c in base.contexts if c >= floor), default=0) for floor in floors}
        yield from (c for c in columns_of(base, finder) if c.deployable.configuration.context_tokens in contexts)


def _priced(market: Market, columns: dict[str, Column], empty: Problem, reward: float) -> PriceList | None:
    """Prices at which what lies outside ``columns`` adds next to nothing; grows ``columns`` on the way.

    The bound of the prices given covers what little the columns outside could still add.
    """
    for _ in range(_ROUNDS):
        found = prices(_problem(empty, columns), reward)
        if found is None:
            return None
        promises = market.best(found, _TOLERANCE, columns)
        missed = _most_added(promises)
        if missed <= _NEGLIGIBLE * abs(found.bound - found.reward * len(found.required)):
            return replace(found, bound=found.bound + missed)
        columns |= _by_name(_columns(_varied(promises), market.finder))
    return None


def _most_added(promises: Sequence[Promise]) -> float:
    """What columns outside could add together: for each need, the most profitable of those that serve it."""
    best: dict[str, float] = {}
    for promise in promises:
        for need, _ in promise.outline.values:
            best[need.id] = max(best.get(need.id, 0.0), promise.gain)
    return sum(best.values())


def _varied(promises: Sequence[Promise]) -> list[Promise]:
    """The most promising, not too many of one model."""
    taken: Counter[str] = Counter()
    chosen: list[Promise] = []
    for promise in promises:
        key = promise.outline.base.served.key
        if taken[key] < _ADDED_OF_A_MODEL:
            taken[key] += 1
            chosen.append(promise)
    return chosen[:_ADDED_PER_ROUND]


def _columns(promises: Iterable[Promise], finder: BaseFinder) -> Iterator[Column]:
    for promise in promises:
        column = column_of(promise.outline.base, promise.context, promise.taken, promise.tier, finder)
        if column is not None:
            yield column


def _best_known(
    columns: dict[str, Column], empty: Problem, found: PriceList, first: Mapping[str, str]
) -> Mapping[str, str] | None:
    """The best choice found quickly: by search over all columns, and nearly exactly over the likeliest."""
    whole = _problem(empty, columns)
    ordered = sorted(columns.values(), key=lambda column: (-_profit(found, column, first), column.candidate.id))
    near = _problem(empty, _by_name(ordered[:_NEAR]))
    required = {need.id for need in empty.needs if need.required}
    close = best_value(near, seconds=_NEAR_SECONDS)
    tried = [start_assignment(whole), close.assignment if close else None]
    fitting = [known for known in tried if known is not None and required <= known.keys()]
    return max(fitting, key=lambda known: value(whole, known), default=None)


def _worth_solving(
    market: Market, columns: dict[str, Column], known: Mapping[str, str] | None, empty: Problem, found: PriceList
) -> tuple[dict[str, Column], bool]:
    """Every column that some choice better than the known one could use, and whether any had to be left out."""
    if known is None:
        return columns, True
    earned = value(_problem(empty, columns), known) + found.reward * len(found.required)
    least = earned - found.bound - _TOLERANCE
    tried = max(least, -_NEARBY * abs(found.bound - found.reward * len(found.required)))
    chosen = _profitable(market, found, tried)
    while tried > least and len(chosen) < _MOST_SOLVED // 2:
        tried = max(least, _WIDER * tried)
        chosen = _profitable(market, found, tried)
    first = _first(market.finder)
    ordered = sorted(chosen.values(), key=lambda column: (-_profit(found, column, first), column.candidate.id))
    served = {name: columns[name] for name in known.values()}
    return _by_name(ordered[:_MOST_SOLVED]) | served, tried > least or len(ordered) > _MOST_SOLVED


def _bounded(choice: Choice, found: PriceList) -> Choice:
    """The choice with the bound of the whole space, of which only the most promising part was solved."""
    bound = int(found.bound - found.reward * len(found.required) + _TOLERANCE)
    if bound <= choice.value:
        return choice
    return replace(choice, bound=bound, optimal=False, status="feasible")


def _profitable(market: Market, found: PriceList, least: float) -> dict[str, Column]:
    """Columns with an offer whose profit is above ``least``, with those offers only."""
    first = _first(market.finder)
    kept = (_gainful(column, found, least, first) for column in _columns(market.all(found, least), market.finder))
    return _by_name(column for column in kept if column is not None)


def _gainful(column: Column, found: PriceList, least: float, first: Mapping[str, str]) -> Column | None:
    gains = _gains(column, found, first)
    offers = tuple(offer for offer in column.offers if gains[first[offer.need]] > least)
    return replace(column, offers=offers) if offers else None


def _gains(column: Column, found: PriceList, first: Mapping[str, str]) -> dict[str, float]:
    """Profits of the column's offers; interchangeable needs are told by their first."""
    offers = tuple(offer for offer in column.offers if first[offer.need] == offer.need)
    return found.profits(column.candidate, offers)


def _profit(found: PriceList, column: Column, first: Mapping[str, str]) -> float:
    return max(_gains(column, found, first).values(), default=float("-inf"))


def _first(finder: BaseFinder) -> dict[str, str]:
    """Each need's name, or that of the first of its pool."""
    return {need.id: f"{need.pool}-1" if need.pool else need.id for need in finder.needs}


def _seeds(bases: Sequence[Base], finder: BaseFinder) -> Iterator[Column]:
    """A few columns of every need to begin with: of the most worthy, the thriftiest and the lightest models."""
    for position in (p for p, need in enumerate(finder.needs) if speaks(need)):
        need = finder.needs[position].id
        offering = [(dict(base.merits)[position], base) for base in bases if position in dict(base.merits)]
        for rank in (_worth, _thrift, _lightness):
            models: set[str] = set()
            for _, base in sorted(offering, key=rank):
                if len(models) >= _SEEDS_PER_NEED:
                    break
                if base.served.key not in models:
                    columns = [c for c in columns_of(base, finder) if any(offer.need == need for offer in c.offers)]
                    models |= {base.served.key} if columns else set()
                    yield from columns[:3] + columns[3:][-3:]


def _worth(pair: tuple[float, Base]) -> tuple[float, str]:
    return (-pair[0], pair[1].configuration(0).name)


def _thrift(pair: tuple[float, Base]) -> tuple[float, str]:
    return (-pair[0] / (1 + _weight(pair[1])), pair[1].configuration(0).name)


def _lightness(pair: tuple[float, Base]) -> tuple[float, str]:
    return (_weight(pair[1]), pair[1].configuration(0).name)


def _weight(base: Base) -> int:
    return sum(pool.fixed_bytes + pool.per_slot_bytes for pool in base.least.pools)


def _reward(finder: BaseFinder, empty: Problem) -> float:
    most = sum(need.priority for need in finder.needs) * 100 * VALUE_PER_POINT
    return float(most + requirement_reward(empty))


def _problem(empty: Problem, columns: dict[str, Column]) -> Problem:
    ordered = [columns[name] for name in sorted(columns)]
    return replace(
        empty,
        candidates=tuple(column.candidate for column in ordered),
        offers=tuple(offer for column in ordered for offer in column.offers),
    )
