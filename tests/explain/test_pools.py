"""Members of a pool are one another's equals: what one of them is held to costs what it costs for any other."""

import pytest

from stackplan.counterfactual import Counterfactual, Force, counterfactual
from stackplan.pipeline import Planned, plan_world
from stackplan.stack import RoleRequest
from stackplan.values import replace
from tests.plan.worlds import bundled

MODELS = ("bge-m3", "bge-large-en-v1.5", "all-minilm-l6-v2", "e5-large-v2")
NEAR = 1e-6


@pytest.fixture(scope="module")
def planned() -> Planned:
    made = bundled("rtx-3060-12gb", "everyday")
    roles = (RoleRequest("worker"), RoleRequest("embedder-pool", count=3))
    stack = replace(made.request.stack, roles=roles)
    return plan_world(replace(made, request=replace(made.request, stack=stack)))


@pytest.mark.parametrize("model", MODELS)
def test_whichever_member_is_held_the_same_is_lost(planned: Planned, model: str) -> None:
    def held(number: int) -> Counterfactual:
        return counterfactual(planned, Force(f"embedder-pool-{number}", model=model))

    first, second, third = held(1), held(2), held(3)
    assert first.plan is not None
    least = max(one.least_cost for one in (first, second, third))
    assert all(one.cost >= least - NEAR for one in (first, second, third)), "a bound is above what another member costs"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_some_member_runs_already_costs_nothing(planned: Planned, number: int) -> None:
    assert planned.plan is not None
    for role in planned.plan.roles:
        if role.role.startswith("embedder-pool"):
            model = planned.plan.instance(role.instance).model
            outcome = counterfactual(planned, Force(f"embedder-pool-{number}", model=model))
            assert outcome.least_cost <= NEAR
            assert outcome.cost <= NEAR
