"""Measured beats derived: a plan uses what was measured of the same devices, engine, file and settings, and says so."""

import pytest
from tests.plan.test_choose import small_world
from tests.plan.worlds import planned, with_models

from stackplan.calibration import over_estimate
from stackplan.diff import difference
from stackplan.hardware import Basis
from stackplan.lock import lock_text, locked, read_lock
from stackplan.measurement import Figure, Measurement, machine_of, placement_classes
from stackplan.pipeline import World
from stackplan.plan import Instance, Plan, plan_from_json, plan_to_json
from stackplan.values import replace


@pytest.fixture(scope="module")
def world() -> World:
    """A small world in which some role writes."""
    for seed in range(100):
        made = small_world(seed)
        plan = planned(made).plan
        if plan and any(one.mode == "chat" and one.speed for one in plan.instances):
            return with_models(made, sorted({model.id for model in made.catalog.models}))
    raise AssertionError("no such world")


@pytest.fixture(scope="module")
def before(world: World) -> Plan:
    plan = planned(world).plan
    assert plan is not None
    return plan


def writing(plan: Plan) -> Instance:
    return next(one for one in plan.instances if one.mode == "chat" and one.speed)


def measured(world: World, plan: Plan, faster: float = 1.5, **changes: object) -> Measurement:
    """The writing instance of a plan, measured where it is planned."""
    one = writing(plan)
    assert one.speed is not None
    rate = one.speed.decode_tokens_per_second * faster
    layers = 0 if one.placement.is_cpu else one.placement.gpu_layers
    fields: dict[str, object] = {
        "machine": machine_of(world.host),
        "devices": placement_classes(one.placement, world.host),
        "engine": one.engine,
        "engine_version": world.catalog.engine(one.engine).version,
        "artifact": one.artifact,
        "mode": "chat",
        "context_tokens": one.context_tokens,
        "slots": one.slots,
        "kv_type": one.kv_type,
        "measured_at": "2026-11-21T08:00:00Z",
        "repeats": 5,
        "gpu_layers": layers,
        "split": one.placement.split if len(one.placement.devices) > 1 else (),
        "cpu_expert_layers": one.placement.cpu_expert_layers,
        "depth_tokens": 4096,
        "decode": Figure(rate, rate * 0.98, rate * 1.01),
        "draft": one.draft_artifact or ("mtp" if one.prediction_head else ""),
    }
    return Measurement(**(fields | changes))  # type: ignore[arg-type]


def replanned(world: World, *measurements: Measurement) -> Plan:
    plan = planned(replace(world, measurements=measurements)).plan
    assert plan is not None
    return plan


def test_without_measurements_a_plan_says_nothing_of_them(before: Plan) -> None:
    assert "measurements" not in plan_to_json(before)


def test_a_measured_speed_takes_the_place_of_the_derived_one(world: World, before: Plan) -> None:
    known = measured(world, before)
    after = replanned(world, known)
    one = next(each for each in after.instances if each.id == writing(before).id)
    assert known.decode
    assert one.speed
    assert one.speed.basis is Basis.MEASURED
    assert one.speed.decode_tokens_per_second == pytest.approx(known.decode.median)
    assert (one.speed.decode_low, one.speed.decode_high) == pytest.approx((known.decode.low, known.decode.high))
    assert after.measurements is not None
    (used,) = after.measurements.used
    assert (used.instance, used.digest, used.same_version, used.same_machine) == (one.id, known.digest, True, True)
    assert [note for note in after.notes if note not in before.notes] == [f"measured speeds: {one.id}"]


def test_the_same_measurements_give_the_same_bytes_in_any_order(world: World, before: Plan) -> None:
    some = [
        measured(world, before),
        measured(world, before, 1.2, context_tokens=1024),
        measured(world, before, 2, artifact="x:Y"),
    ]
    texts = {plan_to_json(replanned(world, *order)) for order in (some, some[::-1], [*some, some[0]])}
    assert len(texts) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"artifact": "other:Q4_K_M"},
        {"engine": "another"},
        {"kv_type": "iq4_nl"},
        {"devices": ("cuda:no such card",)},
        {"gpu_layers": 1},
        {"cpu_expert_layers": 3},
        {"draft": "tiny:Q8_0"},
        {"mode": "rerank", "prompt": Figure(1.0, 1.0, 1.0)},
        {"decode": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_measured_otherwise_changes_no_figure(world: World, before: Plan, change: dict[str, object]) -> None:
    after = replanned(world, measured(world, before, **change))  # type: ignore[arg-type]
    assert after.instances == before.instances
    assert after.measurements is None or not after.measurements.used


def test_the_same_engine_version_comes_first_and_another_is_marked(world: World, before: Plan) -> None:
    same = measured(world, before, 1.1)
    other = measured(world, before, 1.9, engine_version="b1", measured_at="2026-11-22T08:00:00Z")
    both = replanned(world, other, same)
    assert both.measurements is not None
    assert both.measurements.used[0].digest == same.digest
    alone = replanned(world, other)
    assert alone.measurements is not None
    assert not alone.measurements.used[0].same_version
    assert any("b1" in note and "planned" in note for note in alone.notes)


def test_then_this_machine_then_the_nearest_context_then_the_newest(world: World, before: Plan) -> None:
    elsewhere = measured(world, before, 1.1, machine="f" * 16, measured_at="2026-11-23T08:00:00Z")
    far = measured(world, before, 1.2, context_tokens=writing(before).context_tokens * 4)
    old = measured(world, before, 1.3, measured_at="2026-11-01T08:00:00Z")
    new = measured(world, before, 1.4)
    ranked = [new, old, far, elsewhere]
    while ranked:
        used = replanned(world, *ranked).measurements
        assert used is not None
        assert used.used[0].digest == ranked.pop(0).digest


def test_speed_in_a_short_context_is_carried_to_the_depth_that_plans_compare_at(world: World, before: Plan) -> None:
    deep = replanned(world, measured(world, before, depth_tokens=4096)).instances
    shallow = replanned(world, measured(world, before, depth_tokens=16)).instances
    rates = [next(i.speed for i in some if i.id == writing(before).id) for some in (shallow, deep)]
    assert rates[0]
    assert rates[1]
    assert rates[0].decode_tokens_per_second < rates[1].decode_tokens_per_second


def test_loading_is_believed_of_this_machine_only(world: World, before: Plan) -> None:
    here = replanned(world, measured(world, before, load_seconds=0.125))
    there = replanned(world, measured(world, before, load_seconds=0.125, machine="f" * 16))
    assert writing(here).speed.load_seconds == 0.125  # type: ignore[union-attr]
    assert writing(there).speed.load_seconds == writing(before).speed.load_seconds  # type: ignore[union-attr]
    assert any("another machine" in note for note in there.notes)


def test_more_memory_at_the_peak_than_was_counted_is_told(world: World, before: Plan) -> None:
    more = {"host_peak_bytes": 2**46, "device_peak_bytes": 2**46}
    one = measured(world, before, **more)  # type: ignore[arg-type]
    assert any("when measured" in note for note in replanned(world, one).notes)
    assert not any("when measured" in note for note in replanned(world, measured(world, before)).notes)
    assert over_estimate(before, writing(before), 1, 1) is None
    assert over_estimate(before, writing(before), None, None) is None


def test_plan_and_lock_with_measurements_are_read_back_as_they_were(world: World, before: Plan) -> None:
    after = replanned(world, measured(world, before))
    assert plan_from_json(plan_to_json(after)) == after
    assert read_lock(lock_text(locked(after))).plan == after
    assert read_lock(lock_text(locked(before))).plan == before


def test_a_difference_names_measurements_as_a_cause(world: World, before: Plan) -> None:
    causes = {cause.name for cause in difference(before, replanned(world, measured(world, before))).causes}
    assert causes == {"measurements"}


def test_a_way_of_running_that_proved_slow_is_left_for_another(world: World, before: Plan) -> None:
    crawling = replanned(world, measured(world, before, 1e-4))
    assert crawling.measurements is not None
    assert crawling.measurements.count == 1
    assert not crawling.measurements.used
    assert all(one.speed is None or one.speed.basis is not Basis.MEASURED for one in crawling.instances)
