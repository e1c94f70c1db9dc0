"""What is explained is true: every counterfactual is held against a plan made anew, every remedy is tried."""

import pytest

from stackplan.cli import run
from stackplan.counterfactual import Force, counterfactual
from stackplan.diff import objective
from stackplan.explain import explanation, refused, rivals
from stackplan.fixes import with_capacity
from stackplan.pipeline import Planned, plan_world
from stackplan.traded import traded_away
from stackplan.units import MIB
from stackplan.values import replace
from stackplan.views.explain import explanation_json, explanation_text
from stackplan.views.traded import traded_text
from tests.explain.snapshots import same_as_snapshot
from tests.explain.worlds import MODELS, arguments, machine, need, values, whole, world


@pytest.fixture(scope="module")
def planned() -> Planned:
    return plan_world(world())


@pytest.mark.parametrize("role", ["worker", "code"])
@pytest.mark.parametrize("model", MODELS)
def test_a_counterfactual_costs_what_a_plan_with_that_pin_costs(planned: Planned, role: str, model: str) -> None:
    outcome = counterfactual(planned, Force(role, model=model))
    pinned = plan_world(world(f"{role}.model={model}", f"{role}.required=true"))
    assert outcome.plan is not None
    assert pinned.plan is not None
    assert outcome.cost == outcome.least_cost == objective(planned.plan) - objective(pinned.plan)
    assert outcome.cost >= 0
    served = next(each for each in outcome.plan.roles if each.role == role)
    assert outcome.plan.instance(served.instance).model == model


def test_a_quantisation_and_a_tier_are_forced_as_pins_force_them(planned: Planned) -> None:
    better = planned.space.world.catalog.model("fern-8b").artifacts[1]
    outcome = counterfactual(planned, Force("worker", model="fern-8b", artifact=better.id, tier="warm"))
    pins = ("worker.model=fern-8b", f"worker.quant={better.quantisation}")
    asked = world(*pins)
    held = tuple(replace(r, tier_pinned=True) if r.role == "worker" else r for r in asked.request.stack.roles)
    stack = replace(asked.request.stack, roles=held)
    pinned = plan_world(replace(asked, request=replace(asked.request, stack=stack)))  # the role's own tier is HOT
    assert pinned.plan is not None
    assert outcome.plan is not None
    assert outcome.cost >= objective(planned.plan) - objective(pinned.plan)
    worker = next(each for each in outcome.plan.roles if each.role == "worker")
    instance = outcome.plan.instance(worker.instance)
    assert (instance.tier, instance.artifact) == ("warm", better.id)


def test_what_cannot_be_forced_names_the_pool_and_the_bytes_that_would_allow_it() -> None:
    on_card = ("code.required=true", "code.device=gpu0", "code.tier=hot", "worker.device=gpu0", "worker.tier=hot")
    tight = plan_world(whole(world(*on_card, "code.model=fern-8b")))
    outcome = counterfactual(tight, Force("worker", model="fern-15b"))
    assert outcome.plan is None
    assert set(outcome.conflict) == {"need worker", "need code", "pool gpu0"}
    assert [block.pool for block in outcome.blocks] == ["gpu0"]
    pinned = whole(world(*on_card, "code.model=fern-8b", "worker.model=fern-15b"))
    enough = pinned.host.pool("gpu0").capacity_bytes + outcome.blocks[0].missing_bytes
    assert plan_world(replace(pinned, host=with_capacity(pinned.host, "gpu0", enough))).plan is not None
    assert plan_world(replace(pinned, host=with_capacity(pinned.host, "gpu0", enough - 2 * MIB))).plan is None


def test_an_explanation_reads_as_its_snapshot(planned: Planned) -> None:
    code = need(planned, "code")
    told = tuple((rival, counterfactual(planned, rival.force)) for rival in rivals(planned, code))
    explained = explanation(planned, code, told, refused(planned, code))
    assert planned.plan is not None
    same_as_snapshot("explain-code", explanation_text(explained, planned.plan, colour=False, width=100))
    ranked = [each["points_alone"] for each in explanation_json(explained)["runners_up"] if each["kind"] == "model"]
    assert ranked == sorted(ranked, reverse=True)
    terms = explanation_json(explained)["served"]
    assert sum(term["points"] for term in terms["terms"]) == pytest.approx(terms["utility"])


def test_files_of_one_quantisation_are_told_apart_by_their_names() -> None:
    asked = world("worker.model=fern-8b")
    models = tuple(
        replace(m, artifacts=tuple(replace(file, quantisation="Q6_K") for file in m.artifacts))
        for m in asked.catalog.models
    )
    alike = plan_world(replace(asked, catalog=replace(asked.catalog, models=models)))
    told = [rival.label for rival in rivals(alike, need(alike, "worker")) if rival.kind == "quantisation"]
    assert told
    assert all(label.startswith("fern-8b Q6_K (meadow/fern-8b-gguf:") for label in told)
    assert len(told) == len(set(told))


def test_nearest_misses_are_models_without_any_option_and_say_the_bytes() -> None:
    small = plan_world(world("worker.quant=F16", "worker.context=64k"))
    told = refused(small, need(small, "worker"))
    offered = {
        base.served.model.id
        for base in small.space.bases
        if any(small.frame.needs[place].id == "worker" for place, _ in base.merits)
    }
    assert told.nearest
    assert all(refusal.shortfall_bytes > 0 and refusal.model not in offered for refusal in told.nearest)
    shortfalls = [refusal.shortfall_bytes for refusal in told.nearest]
    assert shortfalls == sorted(shortfalls)


def test_freeing_the_bytes_that_a_wish_misses_makes_a_plan_at_least_as_much_better(planned: Planned) -> None:
    traded = traded_away(planned)
    assert traded
    for one in traded:
        host = planned.space.world.host
        larger = with_capacity(host, one.pool, host.pool(one.pool).capacity_bytes + one.missing_bytes)
        again = plan_world(replace(planned.space.world, host=larger))
        assert again.plan is not None
        assert planned.plan is not None
        assert objective(again.plan) - objective(planned.plan) >= one.points - 0.01, one


def test_what_was_traded_away_reads_as_its_snapshot(planned: Planned) -> None:
    same_as_snapshot("traded", traded_text(traded_away(planned), colour=False, width=140))
    narrow = traded_text(traded_away(planned), colour=False, width=80)
    assert max(map(len, narrow.splitlines())) <= 80


def test_nothing_is_traded_away_where_every_wish_is_met() -> None:
    roomy = plan_world(world("worker.speed-wish=4", "code.speed-wish=6", vram=("gpu0=200GiB",)))
    assert traded_away(roomy) == ()


def test_the_command_explains_and_tells_progress_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*arguments("explain", "worker", machine()), "--runners-up", "1", "--json"]) == 0
    streams = capsys.readouterr()
    explained = values(streams.out)
    assert explained["role"] == "worker"
    assert "choosing again 1/" in streams.err


def test_a_role_that_nobody_asked_for_is_an_error_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments("explain", "watchdog", machine())) == 1
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.splitlines() == [
        "error[unknown-role]: the stack has no role 'watchdog'",
        "hint: roles of this stack: worker, code",
    ]
