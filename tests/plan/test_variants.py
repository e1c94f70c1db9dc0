"""Walks get lighter ways to run the models that the relaxation runs, which pricing alone would not propose."""

import pytest
from tests.plan.worlds import bundled

from stackplan.market import Market
from stackplan.options import Column, empty_problem
from stackplan.pipeline import Space, space_of
from stackplan.reach import problem_of
from stackplan.seeds import first_columns
from stackplan.solve.lexicographic import requirement_reward
from stackplan.solve.pricing import PriceList, prices
from stackplan.variants import variants

WORLDS = [("jetson-agx-orin-32gb", "coding"), ("rtx-3090", "agents")]


def priced(space: Space, market: Market) -> tuple[dict[str, Column], PriceList]:
    """A few rounds of pricing: the columns so far, and the relaxation's prices."""
    empty = empty_problem(space.finder.host, space.finder.needs, space.finder.rating)
    columns = first_columns(market)
    for _ in range(4):
        problem = problem_of(empty, columns)
        found = prices(problem, float(requirement_reward(problem)))
        assert found is not None
        columns |= market.columns(market.best(found).options)
    return columns, found


@pytest.mark.parametrize(("profile", "stack"), WORLDS)
def test_variants_are_of_models_that_the_relaxation_runs_and_some_are_lighter(profile: str, stack: str) -> None:
    space = space_of(bundled(profile, stack))
    market = space.market
    columns, found = priced(space, market)
    running = {columns[name].candidate.key for _, name in found.served}
    lightest = least_bytes(columns)
    other = variants(market, columns, found)
    assert {column.candidate.key for column in other.values()} <= running
    assert any(size < lightest.get(kind, 0) for kind, size in least_bytes(other).items())


def least_bytes(columns: dict[str, Column]) -> dict[tuple[str, str], int]:
    """By key and tier, the bytes of the lightest column."""
    least: dict[tuple[str, str], int] = {}
    for column in columns.values():
        own = column.candidate
        size = sum(take.fixed_bytes + take.per_slot_bytes + take.kept_bytes for take in own.takes)
        least[own.key, own.tier] = min(size, least.get((own.key, own.tier), size))
    return least
