"""The best choice of the whole option space, without writing the whole space down.

Half a million options are far more than a solver wants to see. Prices of the linear relaxation tell which of them could
matter: columns are added until none outside has a positive profit (column generation), then everything that could be
part of a better choice than the known one (`reach`) goes to the solver, and its optimum is the optimum of the space.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from stackplan.bases import BaseFinder
from stackplan.effort import QUICK, Effort, Stage
from stackplan.market import TOLERANCE, Market
from stackplan.meter import Meter, within
from stackplan.options import VALUE_PER_POINT, Column, Deployable, empty_problem
from stackplan.problem import Choice, NoChoice, Problem
from stackplan.reach import Reach, is_far, is_negligible, leaves_of, problem_of, within_reach
from stackplan.seeds import first_columns, lightest_columns
from stackplan.solve import solve
from stackplan.solve.lexicographic import known_choice, requirement_reward
from stackplan.solve.neighbourhood import WALKED, better_choice, good_choice
from stackplan.solve.pricing import PriceList, prices
from stackplan.solve.usage import value
from stackplan.values import replace
from stackplan.variants import variants

_ROUNDS = 30
_LEAST_WALK = 0.5  # of a whole one, however much was done before: with 0.3 plans of many roles lost 1 to 3 % (2026-11)
DEFAULT_SECONDS = 600.0  # for emergencies only: what a clock cuts off depends on the machine


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice with the problem that it solves and what its candidates mean.

    ``offered`` counts the options that were looked at; ``passed_over`` the ways to run a model (in one engine and
    place) of which a bound told that none of their options could matter. ``work`` is what it took.
    """

    answer: Choice | NoChoice
    problem: Problem
    deployables: dict[str, Deployable]
    offered: int
    passed_over: int
    work: Meter


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
    finder = market.finder
    empty, own = empty_problem(finder.host, finder.needs, finder.rating), effort.after(market.meter.seconds)
    choice = _Choice(market, empty, partial, seconds, own)
    choice.columns = first_columns(market)
    answer, problem = choice.made()
    if isinstance(answer, NoChoice) and choice.is_cut_short:
        choice.effort = replace(own, priced=inf)
        answer, problem = choice.made_again()
    if isinstance(answer, NoChoice):  # is it so, or did the seeds miss what little fits?
        choice.columns |= _by_name(lightest_columns(market))
        answer, problem = choice.made_again()
    deployables = {name: column.deployable for name, column in choice.columns.items()}
    return Chosen(answer, problem, deployables, market.offered, len(market.closed), market.meter)


@dataclass(slots=True)
class _Choice:
    """A choice being made, from the ``columns`` known so far; ``begun`` after so many seconds of work."""

    market: Market
    empty: Problem
    partial: bool
    seconds: float
    effort: Effort
    columns: dict[str, Column] = field(default_factory=dict)
    begun: float = 0.0
    is_cut_short: bool = False  # in want of time for more prices

    def made(self) -> tuple[Choice | NoChoice, Problem]:
        """The best choice, and the problem that it solves."""
        found = self._priced()
        known = None if found is None else self._walked(found)
        if found is not None and known is not None and self._serves(known):
            return self._searched(found, known)
        if self.partial and self._waived(known or {}):
            return self.made_again()
        problem = problem_of(self.empty, self.columns)
        answer = self._solved(problem, self.effort.stages[0])
        if found is not None and isinstance(answer, Choice):
            served = sum(1 for need in found.required if need in answer.assignment)
            answer = _bounded(answer, found.bound - found.reward * served + TOLERANCE)
        return answer, problem

    def made_again(self) -> tuple[Choice | NoChoice, Problem]:
        """The same once more with what is known by now, and as much work to do as at first."""
        self.begun = self.market.meter.seconds
        return self.made()

    def _waived(self, known: Mapping[str, str]) -> bool:
        """Ask no more for required needs that nothing at all can serve; whether there are any."""
        unserved = [need.id for need in self.empty.needs if need.required and need.id not in known]
        waived = {need for need in unserved if not self.market.can_serve(need)}
        needs = tuple(replace(need, required=need.required and need.id not in waived) for need in self.empty.needs)
        self.empty = replace(self.empty, needs=needs)
        return bool(waived)

    def _serves(self, known: Mapping[str, str]) -> bool:
        return {need.id for need in self.empty.needs if need.required} <= known.keys()

    def _priced(self) -> PriceList | None:
        """Prices at which what lies outside the columns adds next to nothing; adds columns on the way.

        The bound of the prices given covers what little is left outside.
        """
        found: PriceList | None = None
        reward = _reward(self.market.finder, self.empty)
        for number in range(_ROUNDS):
            found = prices(problem_of(self.empty, self.columns), reward, found)
            if found is None:
                return None
            outside = self.market.best(found)
            self.market.meter.add("relaxed", found.work)
            self.is_cut_short = self._left(self.effort.priced) < 0
            if number == _ROUNDS - 1 or self.is_cut_short or is_negligible(outside.missed, found):
                return replace(found, bound=found.bound + outside.missed)
            self.columns |= self.market.columns(outside.options)
        return None

    def _walked(self, found: PriceList) -> Mapping[str, str]:
        """A good choice among the columns and other ways to run the same models; empty where none is found."""
        self.columns |= variants(self.market, self.columns, found)
        whole = WALKED * len(self.empty.needs)
        share = min(1.0, max(_LEAST_WALK, within(self._left(self.effort.reached), "step") / whole))
        self.market.meter.add("step", share * whole)
        return good_choice(problem_of(self.empty, self.columns), found, share)

    def _searched(self, found: PriceList, known: Mapping[str, str]) -> tuple[Choice | NoChoice, Problem]:
        """The best of what is within reach, stage by stage until it is proved or a stage had too little work."""
        best: Choice | None = None
        problem, last, bound = self.empty, self.effort.stages[-1], found.value_bound + TOLERANCE
        for stage in self.effort.stages:
            reach, known = self._reached(found, known, stage)
            problem, outside = problem_of(self.empty, reach.columns), reach.ceiling + TOLERANCE
            self.market.meter.add("entered", len(problem.candidates))
            is_hopeless = not reach.is_whole and is_far(found, value(problem, known), stage)
            if is_hopeless or self._left(self.effort.done) < 0:
                best = _bounded(known_choice(problem, known), bound)
                continue
            inside = self._solved(problem, stage, known, outside)
            if isinstance(inside, NoChoice):
                return inside, problem
            self.market.meter.add("searched", inside.work)
            best = _bounded(inside, min(bound, max(outside, inside.bound)))
            if best.optimal or not (inside.optimal or stage.work < last.work):
                break
            bound, known = best.bound, best.assignment
        return best or NoChoice(()), problem

    def _solved(
        self, problem: Problem, stage: Stage, known: Mapping[str, str] | None = None, outside: float = -inf
    ) -> Choice | NoChoice:
        work = min(stage.work, within(self._left(self.effort.done), "searched")) if known else stage.work
        return solve(problem, partial=self.partial, seconds=self.seconds, hint=known, outside=outside, work=work)

    def _left(self, until: float) -> float:
        """Seconds of work that are left of so many since the choice was begun."""
        return until - (self.market.meter.seconds - self.begun)

    def _reached(self, found: PriceList, known: Mapping[str, str], stage: Stage) -> tuple[Reach, Mapping[str, str]]:
        """What a choice better than the known one could use, and the best known of that: each narrows the other."""
        until = self.begun + self.effort.reached
        halfway = (self.market.meter.seconds + until) / 2
        leaves = leaves_of(self.market, self.columns, self.empty, found, known, stage.parts, halfway)
        while True:
            reach = within_reach(self.market, self.columns, self.empty, leaves, known, stage, until)
            self.columns |= reach.columns
            problem = problem_of(self.empty, reach.columns)
            better = better_choice(problem, found, known, stage.steps)
            self.market.meter.add("step", stage.steps * len(self.empty.needs))
            if value(problem, better) <= value(problem, known) or self._left(self.effort.reached) < 0:
                return reach, better
            known = better


def _by_name(columns: Iterable[Column]) -> dict[str, Column]:
    return {column.candidate.id: column for column in columns}


def _bounded(choice: Choice, ceiling: float) -> Choice:
    """The choice with a bound that covers what was left out. Values are whole numbers."""
    if ceiling < choice.value + 1:
        return replace(choice, bound=choice.value, optimal=True, status="optimal")
    return replace(choice, bound=int(ceiling), optimal=False, status="feasible")


def _reward(finder: BaseFinder, empty: Problem) -> float:
    most = sum(need.priority for need in finder.needs) * 100 * VALUE_PER_POINT
    return float(most + requirement_reward(empty))
