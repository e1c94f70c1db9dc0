"""Routing is decided from the plan; the table in routing.yaml and the command say the same."""

import json
from dataclasses import replace

import pytest
import yaml
from tests.render.plans import cpu_only, services_stack, single_24gb

from stackplan.bundled import bundled_folder
from stackplan.catalog_index import load_catalog
from stackplan.errors import UserError
from stackplan.render import render_plan
from stackplan.render.routing import KINDS, NARROW, SERVICES, Depth, decide


def test_a_task_with_a_role_of_its_own_goes_there() -> None:
    decision = decide(single_24gb(), "math")
    assert (decision.role, decision.because) == ("math", "math is made for math")
    assert "worker" in decision.fallback


def test_deep_or_staged_work_goes_to_the_heaviest_model() -> None:
    for depth in (Depth.DEEP, Depth.STAGES):
        assert decide(single_24gb(), "general", depth=depth).role == "architect"


def test_parallel_agents_go_where_most_of_them_fit() -> None:
    decision = decide(single_24gb(), "general", agents=4)  # the watchdog has more slots, and another job
    assert (decision.role, decision.queued) == ("worker", 2)
    assert decide(single_24gb(), "review", agents=4).queued == 0


def test_everything_else_goes_to_the_general_role_and_then_to_paid_endpoints() -> None:
    decision = decide(single_24gb(), "general")
    assert decision.role == "worker"
    assert decision.remote == ("affordable", "premium")


def test_only_an_endpoint_of_its_kind_answers_search_rank_and_speech() -> None:
    assert decide(services_stack(), "rank").role == "reranker"
    assert decide(services_stack(), "rank").fallback == ("reranker-light",)
    assert decide(services_stack(), "speech").remote == ()
    with pytest.raises(UserError, match="no role of this plan serves 'rank'"):
        decide(cpu_only(), "rank")


@pytest.mark.parametrize(("kind", "agents"), [("gardening", 1), ("general", 0), ("general", -3)])
def test_nonsense_is_refused_with_the_choices(kind: str, agents: int) -> None:
    with pytest.raises(UserError):
        decide(single_24gb(), kind, agents)


def test_every_role_of_the_policy_is_in_the_catalog() -> None:
    roles = {role.id for role in load_catalog([bundled_folder("catalog")]).roles}
    assert {name for names in KINDS.values() for name in names} | set(NARROW) <= roles
    assert {kind for kinds in SERVICES.values() for kind in kinds} <= KINDS.keys()


def test_a_service_is_listed_when_every_step_has_a_role() -> None:
    document = yaml.safe_load(render_plan(services_stack(), ["routing"])["routing.yaml"])
    assert document["services"]["retrieval"] == [
        {"step": "search", "role": "embedding"},
        {"step": "rank", "role": "reranker"},
        {"step": "general", "role": "worker"},
    ]
    assert "retrieval" not in yaml.safe_load(render_plan(cpu_only(), ["routing"])["routing.yaml"])["services"]


def test_the_table_names_only_roles_of_the_plan(plan) -> None:
    document = yaml.safe_load(render_plan(plan, ["routing"])["routing.yaml"])
    roles = {role.role for role in plan.roles}
    assert document["routes"]
    for row in document["routes"]:
        assert row["task"] in KINDS
        assert {row["role"], *row["fallback"]} <= roles


def test_a_plan_of_one_role_still_answers() -> None:
    plan = cpu_only()
    alone = replace(plan, roles=plan.roles[:1])
    assert decide(alone, "code", agents=3, depth=Depth.DEEP).role == "worker"
    json.dumps(render_plan(alone, ["routing"]))
