"""The best choice of the whole option space, without writing the whole space down.

Half a million options are far more than a solver wants to see. Prices of the linear relaxation tell which of them could
matter: columns are added until none outside has a positive profit (column generation), then everything that could be
part of a better choice than the known one (`reach`) goes to the solver, and its optimum is the optimum of the space.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from stackplan.bases import BaseFinder
from stackplan.effort import QUICK, Effort
from stackplan.market import TOLERANCE, Market
from stackplan.options import VALUE_PER_POINT, Column, Deployable, empty_problem
from stackplan.problem import Choice, NoChoice, Problem
from stackplan.reach import is_negligible, problem_of, within_reach
from stackplan.seeds import first_columns, lightest_columns
from stackplan.solve import solve
from stackplan.solve.lexicographic import requirement_reward
from stackplan.solve.pricing import PriceList, prices
from stackplan.solve.primal import first_choice, fresh_choice, good_choice, quick_choice
from stackplan.solve.usage import value

_ROUNDS = 30
_CLOSE = 0.01  # of the bound: a first choice that near needs no costlier search
DEFAULT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice with the problem that it solves and what its candidates mean.

    ``offered`` counts the options that were looked at; ``passed_over`` the ways to run a model (in one engine and
    place) of which a bound told that none of their options could matter.
    """

    answer: Choice | NoChoice
    problem: Problem
    deployables: dict[str, Deployable]
    offered: int
    passed_over: int


def choose(
    market: Market,
    *,
    partial: bool = False,
    seconds: float = DEFAULT_SECONDS,
    effort: Effort = QUICK,
) -> Chosen:
    """The best choice over every option of a market, or the minimal conflict that forbids one.

    Where more options could matter than can be solved, or ``seconds`` run out, the best choice known is given with
    its true bound and ``optimal`` False.
    """
    columns = first_columns(market)
    answer, problem, columns = _from_seeds(market, columns, partial, seconds, effort)
    if isinstance(answer, NoChoice):  # is it so, or did the seeds miss what little fits?
        columns |= _by_name(lightest_columns(market))
        answer, problem, columns = _from_seeds(market, columns, partial, seconds, effort)
    deployables = {name: column.deployable for name, column in columns.items()}
    return Chosen(answer, problem, deployables, market.offered, len(market.closed))


def _from_seeds(
    market: Market, columns: dict[str, Column], partial: bool, seconds: float, effort: Effort
) -> tuple[Choice | NoChoice, Problem, dict[str, Column]]:
    finder = market.finder
    empty = empty_problem(finder.host, finder.needs, finder.rating)
    found = _priced(market, columns, empty, _reward(finder, empty))
    known = None if found is None else _best_known(columns, empty, found)
    if found is None or known is None:
        problem = problem_of(empty, columns)
        answer = solve(problem, partial=partial, seconds=seconds, hint=known, work=effort.work)
        return answer if found is None else _bounded(answer, found.value_bound), problem, columns
    for stage in (QUICK, effort) if effort.work > QUICK.work else (effort,):
        reach = within_reach(market, columns, empty, found, known, stage)
        problem = problem_of(empty, reach.columns)
        answer = _bounded(solve(problem, partial=partial, seconds=seconds, hint=known, work=stage.work), reach.ceiling)
        if isinstance(answer, NoChoice) or answer.optimal:
            break
        known, columns = answer.assignment, {**columns, **reach.columns}
    return answer, problem, reach.columns


def _by_name(columns: Iterable[Column]) -> dict[str, Column]:
    return {column.candidate.id: column for column in columns}


def _priced(market: Market, columns: dict[str, Column], empty: Problem, reward: float) -> PriceList | None:
    """Prices at which what lies outside ``columns`` adds next to nothing; grows ``columns`` on the way.

    The bound of the prices given covers what little the columns outside could still add.
    """
    found: PriceList | None = None
    for number in range(_ROUNDS):
        found = prices(problem_of(empty, columns), reward, found)
        if found is None:
            return None
        outside = market.best(found)
        if number == _ROUNDS - 1 or is_negligible(outside.missed, found):
            return replace(found, bound=found.bound + outside.missed)
        columns |= market.columns(outside.options)
    return None


def _best_known(columns: dict[str, Column], empty: Problem, found: PriceList) -> Mapping[str, str] | None:
    """The best choice found quickly among the columns that made the prices."""
    whole = problem_of(empty, columns)
    required = {need.id for need in empty.needs if need.required}
    best: Mapping[str, str] | None = None
    for search in (first_choice, quick_choice, fresh_choice, good_choice):
        tried = search(whole, found, best)
        if tried is not None and required <= tried.keys():
            best = max((one for one in (best, tried) if one is not None), key=lambda one: value(whole, one))
        if best is not None and value(whole, best) >= (1.0 - _CLOSE) * found.value_bound:
            break
    return best


def _bounded(choice: Choice | NoChoice, ceiling: float) -> Choice | NoChoice:
    """The choice with a bound that covers what was left out."""
    if isinstance(choice, NoChoice) or ceiling + TOLERANCE < choice.value + 1:  # values are whole numbers
        return choice
    bound = max(choice.bound, int(ceiling + TOLERANCE))
    return replace(choice, bound=bound, optimal=False, status="feasible")


def _reward(finder: BaseFinder, empty: Problem) -> float:
    most = sum(need.priority for need in finder.needs) * 100 * VALUE_PER_POINT
    return float(most + requirement_reward(empty))
