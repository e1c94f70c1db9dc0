"""Every bundled machine with every bundled stack is planned, and every plan adds up; or it is said why not."""

from typing import Any

import pytest
from tests.plan.adding_up import asked, breaches, peak
from tests.plan.worlds import PROFILES, STACKS, as_json, bundled, plan_world, raw, with_policy

from stackplan.pipeline import World
from stackplan.problem import NoChoice

ROLES = raw("catalog/roles.yaml")["roles"]
QUICK = (
    ("rtx-3090-ti", "everyday"),
    ("dual-rtx-3090", "everyday"),
    ("apple-m4-max-64gb", "rag-services"),
    ("cpu-only", "coding"),
    ("rtx-a6000-48gb", "research"),
    ("epyc-512gb", "orchestrator"),
)
PRODUCT = [(profile, stack) for profile in PROFILES for stack in STACKS if (profile, stack) not in QUICK]


def wanted(world: World, stack: str) -> dict[str, Any]:
    policy = world.request.policy
    return asked(raw(f"profiles/stacks/{stack}.yaml"), ROLES, commercial=policy.commercial, forbid=policy.forbid)


def judge(world: World, stack: str) -> None:
    planned = plan_world(world)
    if planned.plan is None:
        assert isinstance(planned.chosen.answer, NoChoice)
        assert planned.chosen.answer.conflict
        return
    assert breaches(as_json(planned), wanted(world, stack)) == []


@pytest.mark.parametrize(("profile", "stack"), QUICK)
def test_a_bundled_plan_adds_up(profile: str, stack: str) -> None:
    judge(bundled(profile, stack), stack)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("profile", "stack"), PRODUCT)
def test_every_bundled_plan_adds_up(profile: str, stack: str) -> None:
    judge(bundled(profile, stack), stack)


def test_a_plan_for_business_adds_up_and_has_only_licences_that_allow_it() -> None:
    world = with_policy(bundled("rtx-4090", "rag-services"), commercial=True)
    plan = as_json(plan_world(world))
    assert breaches(plan, wanted(world, "rag-services")) == []
    assert all(artifact["commercial"] is True for artifact in plan["artifacts"])


def test_the_checker_finds_what_is_wrong() -> None:
    """What all of this rests on: a plan that breaks a promise does not pass."""
    world = bundled("rtx-3090-ti", "everyday")
    right, asked_for = as_json(plan_world(world)), wanted(world, "everyday")
    assert breaches(right, asked_for) == []
    for spoil in (_greedy, _twice_on_a_port, _forgotten_role, _short, _unlicensed, _stray_file, _overclaimed):
        plan = _copy(right)
        spoil(plan)
        assert breaches(plan, {**asked_for, "commercial": spoil is _unlicensed}) != [], spoil.__name__


def test_warm_instances_take_turns_and_cold_ones_start_when_they_are_out() -> None:
    sizes = {"a": ("hot", 5), "b": ("warm", 7), "c": ("warm", 9), "d": ("cold", 11)}
    part = {"weights_bytes": 0, "pool": "gpu0"}
    plan = {
        "instances": [
            {"tier": tier, "swap_group": "g" if tier == "warm" else "", "demand": [{**part, "total_bytes": size}]}
            for tier, size in sizes.values()
        ]
    }
    assert peak(plan, "gpu0", "ram") == 5 + 11
    plan["instances"].pop()
    assert peak(plan, "gpu0", "ram") == 5 + 9


def _copy(plan: dict[str, Any]) -> dict[str, Any]:
    import json  # noqa: PLC0415

    copied: dict[str, Any] = json.loads(json.dumps(plan))
    return copied


def _greedy(plan: dict[str, Any]) -> None:
    for demand in plan["instances"][0]["demand"]:
        demand["kv_bytes"] += 1 << 40
        demand["total_bytes"] += 1 << 40


def _twice_on_a_port(plan: dict[str, Any]) -> None:
    plan["instances"][0]["port"] = plan["instances"][1]["port"]


def _forgotten_role(plan: dict[str, Any]) -> None:
    plan["roles"].pop()


def _short(plan: dict[str, Any]) -> None:
    plan["roles"][0]["context_tokens"] = 1024


def _unlicensed(plan: dict[str, Any]) -> None:
    plan["artifacts"][0]["commercial"] = None


def _stray_file(plan: dict[str, Any]) -> None:
    plan["artifacts"].append({**plan["artifacts"][0], "id": "stray"})


def _overclaimed(plan: dict[str, Any]) -> None:
    plan["objective"][0]["value"] += 100
