"""Drafts and prediction heads are chosen inside the budget, where they pay, and where roles allow them."""

import pytest
from tests.plan.adding_up import asked, breaches
from tests.plan.worlds import as_json, bundled, planned, raw, with_models, with_policy

from stackplan.catalog import Model
from stackplan.configuration import Configuration
from stackplan.diff import difference
from stackplan.estimate.speculation import can_predict
from stackplan.estimate.speed_draft import BY_DRAFT, proposed, verify_share
from stackplan.pipeline import World, space_of
from stackplan.plan import Instance, Plan, plan_from_json, plan_to_json
from stackplan.proposers import LEAST_SPEEDUP, Proposers, drafts_for
from stackplan.stack import RoleRequest
from stackplan.values import replace
from stackplan.vocabulary import Vocabulary, vocabulary_obstacle

TARGET, DRAFT = "qwen3-32b", "qwen3-0.6b"
WITH_HEAD = "qwen3.8-27b"


def world(models: list[str], *requests: RoleRequest, machine: str = "rtx-a6000-48gb") -> World:
    made = with_models(bundled(machine, "coding"), models)
    stack = replace(made.request.stack, roles=requests)
    return replace(made, request=replace(made.request, stack=stack))


FAST = RoleRequest("worker", model=TARGET, context_wish_tokens=16384, speed_wish=100)


def plan_of(made: World) -> Plan:
    plan = planned(made).plan
    assert plan is not None
    return plan


def only(plan: Plan) -> Instance:
    (instance,) = plan.instances
    return instance


def test_a_draft_is_planned_where_a_role_wants_more_speed_than_the_model_has() -> None:
    result = planned(world([TARGET, DRAFT], FAST))
    assert result.plan is not None
    plan, instance = result.plan, only(result.plan)
    gain = instance.acceleration
    assert gain is not None
    assert (gain.kind, gain.draft_model, gain.draft_artifact) == ("draft", DRAFT, instance.draft_artifact)
    (plain,) = [
        base.speed
        for base in result.space.bases
        if (base.artifact.id, base.placement, base.kv_type) == (instance.artifact, instance.placement, instance.kv_type)
        and base.ahead is None
    ]
    assert plain is not None
    assert instance.speed is not None
    assert instance.speed.decode_tokens_per_second == pytest.approx(plain.decode_tokens_per_second * gain.speedup)
    assert {artifact.id for artifact in plan.artifacts} == {instance.artifact, instance.draft_artifact}
    assert instance.disk_bytes == sum(artifact.file_bytes for artifact in plan.artifacts)


def test_a_plan_with_a_draft_adds_up_for_somebody_who_does_not_know_how_it_was_made() -> None:
    made = world([TARGET, DRAFT, WITH_HEAD], FAST, RoleRequest("code", model=WITH_HEAD, required=False))
    stack = {"roles": [{"role": "worker"}, {"role": "code", "required": False}]}
    result = planned(made)
    assert result.plan is not None
    assert any(instance.acceleration for instance in result.plan.instances)
    assert breaches(as_json(result), asked(stack, raw("catalog/roles.yaml")["roles"])) == []


def test_nothing_is_drafted_where_the_wished_speed_is_there() -> None:
    easy = replace(FAST, speed_wish=5, speed_floor=1)
    assert only(plan_of(world([TARGET, DRAFT], easy))).acceleration is None


def test_a_prediction_head_drafts_without_a_second_model() -> None:
    request = RoleRequest("worker", model=WITH_HEAD, context_wish_tokens=16384, speed_wish=100)
    plan = plan_of(world([WITH_HEAD], request))
    instance = only(plan)
    assert instance.acceleration is not None
    assert (instance.acceleration.kind, instance.prediction_head, instance.draft_artifact) == ("mtp", True, "")
    assert [artifact.id for artifact in plan.artifacts] == [instance.artifact]


def test_a_role_that_forbids_speculation_gets_none() -> None:
    request = RoleRequest("ingest", model=WITH_HEAD, context_floor_tokens=8192, speed_wish=100)
    made = world([WITH_HEAD], request)
    assert only(plan_of(made)).acceleration is None
    allowed = tuple(replace(role, speculation=True) for role in made.catalog.roles)
    sped = only(plan_of(replace(made, catalog=replace(made.catalog, roles=allowed))))
    assert sped.acceleration is not None


def test_a_forbidden_or_unlicensed_draft_is_not_used() -> None:
    made = world([TARGET, DRAFT], FAST)
    assert only(plan_of(with_policy(made, forbid=(DRAFT,)))).acceleration is None
    models = tuple(
        replace(model, licence=replace(model.licence, commercial=False)) if model.id == DRAFT else model
        for model in made.catalog.models
    )
    unlicensed = replace(made, catalog=replace(made.catalog, models=models))
    assert only(plan_of(unlicensed)).acceleration is not None
    assert only(plan_of(with_policy(unlicensed, commercial=True))).acceleration is None


def test_a_floor_of_speed_must_hold_without_a_draft() -> None:
    bases = space_of(world([TARGET, DRAFT], FAST)).bases
    plain = max(base.speed.decode_tokens_per_second for base in bases if base.speed and base.ahead is None)
    sped = max(base.speed.decode_tokens_per_second for base in bases if base.speed and base.ahead is not None)
    assert sped > 1.1 * plain
    easy = RoleRequest("helper", model=DRAFT, engine="llama.cpp")
    assert planned(world([TARGET, DRAFT], replace(FAST, speed_floor=1.1 * plain), easy)).plan is None


def test_every_way_that_is_offered_gains_even_when_little_is_accepted_and_there_are_two_at_most() -> None:
    ids = [TARGET, DRAFT, "qwen3-1.7b", WITH_HEAD, "qwen3.6-35b-a3b", "llama-3.3-70b-instruct", "llama-3.2-1b-instruct"]
    made = world(ids, RoleRequest("worker", speed_wish=200), machine="rtx-3090-ti")
    space = space_of(made)
    ways: dict[object, set[str]] = {}
    for base in space.bases:
        if base.ahead is not None:
            gain = base.ahead.acceleration
            assert 1 < gain.speedup_low <= gain.speedup <= gain.speedup_high
            ways.setdefault((base.artifact.id, base.placement, base.kv_type), set()).add(base.ahead.name)
    assert ways
    assert max(map(len, ways.values())) <= 2


def test_memory_that_a_draft_needs_decides_inside_the_joint_budget() -> None:
    """With exactly the bytes that the drafted plan takes, it stays."""
    made = world([TARGET, DRAFT], FAST)
    plan = plan_of(made)
    used = {pool.id: pool.used_bytes for pool in plan.host.pools}
    pools = tuple(
        replace(pool, capacity_bytes=pool.reserved_bytes + used[pool.id]) if pool.id != "ram" else pool
        for pool in made.host.pools
    )
    tight = replace(made, host=replace(made.host, pools=pools))
    assert only(plan_of(tight)).acceleration == only(plan).acceleration


def test_a_saved_plan_comes_back_and_a_difference_names_the_draft() -> None:
    drafted, alone = plan_of(world([TARGET, DRAFT], FAST)), plan_of(world([TARGET], FAST))
    assert plan_from_json(plan_to_json(drafted)) == drafted
    changes = [change for each in difference(alone, drafted).instances for change in each.fields]
    (change,) = [change for change in changes if change.name == "speculation"]
    assert change.before == ""
    assert only(drafted).draft_artifact in change.after


def model(made: World, name: str, **changes: object) -> Model:
    found = next(each for each in made.catalog.models if each.id == name)
    return replace(found, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, True),
        ({"vocabulary_size": 151936 - 128}, True),
        ({"vocabulary_size": 151936 - 129}, False),
        ({"vocabulary_size": 0}, False),
        ({"tokenizer": "another"}, False),
        ({"tokenizer": ""}, False),
        ({"parameters": 20 * 10**9}, False),
    ],
)
def test_a_draft_is_smaller_and_speaks_the_models_vocabulary(changes: dict[str, object], may: bool) -> None:
    made = bundled("rtx-3090", "everyday")
    assert drafts_for(model(made, DRAFT, **changes), model(made, TARGET)) is may
    assert not drafts_for(model(made, TARGET), model(made, DRAFT))


def test_vocabularies_of_headers_are_compared_by_kind_marks_and_size() -> None:
    target = Vocabulary("gpt2 qwen2", 151936, (False, None, False, None), "header")
    assert vocabulary_obstacle(target, target) == ""
    assert "tokenizer" in vocabulary_obstacle(target, replace(target, name="llama default"))
    assert "begin or end" in vocabulary_obstacle(target, replace(target, marks=(True, 1, False, None)))
    assert "128" in vocabulary_obstacle(target, replace(target, size=151936 + 129))
    assert vocabulary_obstacle(target, Vocabulary("qwen2-bpe", 151936)) == ""  # names of a catalog mean something else


def test_a_draft_is_read_by_the_engine_of_its_target_whichever_engine_was_asked_first() -> None:
    made = world([TARGET, DRAFT], FAST)
    proposers, target = space_of(made).finder.proposers, model(made, TARGET)
    for engine in ("vllm", "llama.cpp", "vllm"):
        for draft in proposers.drafts(target, engine):
            assert engine in draft.artifact.engines
    assert proposers.drafts(target, "llama.cpp")


def gains_of_all_drafts(proposers: Proposers, target: Configuration) -> dict[str, tuple[float, int]]:
    """Speed-up and bytes of every draft that gains even where little is accepted."""
    plain, found = proposers.assess.speed(target), dict[str, tuple[float, int]]()
    share = verify_share(proposers.host, target.placement)
    for draft in proposers.drafts(target.model, target.engine):
        own = (draft.model, draft.artifact, target.engine, "chat", target.context_tokens, "f16", target.placement)
        alone = proposers.assess.speed(Configuration(*own))
        assert plain is not None
        assert alone is not None
        cost = plain.decode_tokens_per_second / alone.decode_tokens_per_second
        gain = proposed("draft", proposers.assess.work(target), cost, BY_DRAFT, share)
        if gain.speedup_low > LEAST_SPEEDUP:
            found[draft.artifact.id] = (gain.speedup, draft.artifact.file_bytes)
    return found


def test_the_drafts_proposed_are_the_fastest_and_the_lightest_of_all_that_gain() -> None:
    made = bundled("rtx-a6000-48gb", "coding")
    stack = replace(made.request.stack, roles=(RoleRequest("worker", speed_wish=1000),))
    space = space_of(replace(made, request=replace(made.request, stack=stack)))
    proposers, compared, fewer = space.finder.proposers, 0, 0
    for prospect in space.prospects:
        served, place = prospect.served, prospect.placement
        target = Configuration(served.model, prospect.files[0], served.engine, served.mode, 8192, "f16", place)
        gains = gains_of_all_drafts(proposers, target) if not place.is_cut else {}
        ways = [ahead.name for ahead, _ in proposers.ways(target, proposers.assess.speed(target), space.finder.needs)]
        if ways and len(gains) > 1 and not can_predict(served.model.architecture):
            fastest = min(gains, key=lambda name: (-gains[name][0], gains[name][1]))
            lightest = min(gains, key=lambda name: (gains[name][1], name))
            assert set(ways) == {fastest, lightest}
            compared, fewer = compared + 1, fewer + (len(gains) > 2)
    assert compared > 10
    assert fewer
