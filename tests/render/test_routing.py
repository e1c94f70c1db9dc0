"""Routing is decided from the plan; the table in routing.yaml and the command say the same."""

import json

import pytest
import yaml
from tests.render.plans import cpu_only, services_stack, single_24gb

from stackplan.bundled import bundled_folder
from stackplan.catalog_index import load_catalog
from stackplan.errors import UserError
from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.render.routing import decide, kinds, service, services
from stackplan.render.routing_policy import Depth, routing_policy
from stackplan.values import replace


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
    policy = routing_policy()
    assert {name for task in policy.tasks.values() for name in task.roles} | policy.narrow <= roles
    modes = {role.id: role.mode for role in load_catalog([bundled_folder("catalog")]).roles}
    assert all(modes[name] == task.endpoint for task in policy.tasks.values() for name in task.roles)


def test_a_service_is_listed_when_every_step_has_a_role() -> None:
    document = yaml.safe_load(render_plan(services_stack(), ["routing"])["routing.yaml"])
    steps = [(step["step"], step["role"]) for step in document["services"]["retrieval"]]
    assert steps == [("search", "embedding"), ("rank", "reranker"), ("general", "worker")]
    assert document["services"]["retrieval"][1]["because"] == "reranker is made for rank"
    assert "retrieval" not in yaml.safe_load(render_plan(cpu_only(), ["routing"])["routing.yaml"])["services"]


def test_the_table_is_small_and_still_says_all(plan) -> None:
    """What has no row of its own is answered by the plain one, as the file says."""
    rows = yaml.safe_load(render_plan(plan, ["routing"])["routing.yaml"])["routes"]
    listed = {(row["task"], row["agents"], row["depth"]): row["role"] for row in rows}
    for task in {row["task"] for row in rows}:
        for agents, depth in ((1, "plain"), (1, "stages"), (1, "deep"), (4, "plain")):
            told = listed.get((task, agents, depth), listed[(task, 1, "plain")])
            assert told == decide(plan, task, agents, Depth(depth)).role
    assert len(rows) < 4 * len({row["task"] for row in rows})


def test_the_table_names_only_roles_of_the_plan(plan) -> None:
    document = yaml.safe_load(render_plan(plan, ["routing"])["routing.yaml"])
    roles = {role.role for role in plan.roles}
    assert document["routes"]
    for row in document["routes"]:
        assert row["task"] in kinds(plan)
        assert {row["role"], *row["fallback"]} <= roles


def slotted(plan: Plan, **slots: int) -> Plan:
    """The plan with so many slots for some of its instances, by model."""
    changed = {name.replace("_", "-"): number for name, number in slots.items()}
    return replace(plan, instances=tuple(replace(one, slots=changed.get(one.id, one.slots)) for one in plan.instances))


def test_agents_go_to_the_smallest_model_that_holds_them_all() -> None:
    """With equal slots the small pool takes them, and the heavy model stays free for what needs it."""
    plan = slotted(single_24gb(), worker_32b=4, coder_7b=4, eye_4b=1, maths_7b=1, giant_120b=4)
    hot = replace(plan, instances=tuple(replace(one, tier="hot", swap_group="") for one in plan.instances))
    decision = decide(hot, "general", agents=4)
    assert (decision.role, decision.queued) == ("code", 0)
    assert decision.because == "4 of 4 agents run there at the same time"


def test_agents_of_one_kind_go_to_the_pool_member_with_most_slots() -> None:
    plan = slotted(services_stack(), generator_14b=2)
    several = replace(plan, roles=tuple(replace(role, role=f"{role.role}-1", pool=role.role) for role in plan.roles))
    decision = decide(several, "worker", agents=2)
    assert (decision.role, decision.because) == ("worker-1", "worker-1 is made for worker")


def test_a_role_of_ones_own_is_a_kind_of_task() -> None:
    plan = single_24gb()
    own = replace(plan, roles=(*plan.roles, replace(plan.roles[0], role="chemistry")))
    assert decide(own, "chemistry").role == "chemistry"


def test_mathematics_goes_to_the_heaviest_model_where_nobody_is_made_for_it() -> None:
    plan = single_24gb()
    without = replace(plan, roles=tuple(role for role in plan.roles if role.role != "math"))
    decision = decide(without, "math")
    assert (decision.role, decision.because) == ("architect", "without math it asks for the heaviest model")


def test_pictures_go_only_to_models_that_see() -> None:
    decision = decide(single_24gb(), "image")
    assert (decision.role, decision.fallback) == ("vision", ())
    with pytest.raises(UserError, match="no role of this plan serves 'image'"):
        decide(cpu_only(), "image")


def test_fallbacks_are_local_first_and_hold_each_model_once() -> None:
    decision = decide(single_24gb(), "general", depth=Depth.DEEP)
    plan = single_24gb()
    instances = [next(one.instance for one in plan.roles if one.role == name) for name in decision.fallback]
    assert len(instances) == len(set(instances))
    assert decision.remote == ("affordable",)


def everything() -> Plan:
    """A plan with every role that a service asks for, on the models of one made by hand."""
    plan = services_stack()
    by_mode = {role.mode: role for role in reversed(plan.roles)}
    seeing = tuple(replace(one, vision=one.mode == "chat") for one in plan.instances)
    names = {"chat": ("worker", "helper", "architect", "agent", "watchdog", "ingest", "vision", "ocr")}
    chat = tuple(replace(by_mode["chat"], role=name, inputs=("text", "image")) for name in names["chat"])
    others = tuple(role for role in plan.roles if role.mode != "chat")
    return replace(plan, instances=seeing, roles=(*chat, *others))


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("agent-orchestrator", ["helper", "architect", "agent", "watchdog"]),
        ("prompt-forms", ["helper", "worker"]),
        ("retrieval", ["embedding", "reranker", "worker"]),
        ("deep-research", ["helper", "embedding", "reranker", "ingest", "worker"]),
        ("multimodal-search", ["vision", "embedding", "reranker", "worker"]),
        ("extract-worker", ["ocr", "ingest"]),
        ("media-transcription", ["speech", "ingest"]),
    ],
)
def test_every_service_preset_names_a_role_and_a_reason_for_each_step(name: str, roles: list[str]) -> None:
    steps = service(everything(), name)
    assert [step.role for step in steps] == roles
    assert all(step.because for step in steps)
    assert routing_policy().services[name].title
    assert services(everything())[name] == steps


def test_an_unknown_service_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError) as refusal:
        service(single_24gb(), "laundry")
    assert "deep-research" in refusal.value.hint


def test_a_plan_of_one_role_still_answers() -> None:
    plan = cpu_only()
    alone = replace(plan, roles=plan.roles[:1])
    assert decide(alone, "code", agents=3, depth=Depth.DEEP).role == "worker"
    json.dumps(render_plan(alone, ["routing"]))
