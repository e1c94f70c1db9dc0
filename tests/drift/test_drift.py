"""Drift: each kind of difference is found, named and has a next step; what agrees is silent."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from tests.render.plans import PLANS

from stackplan.bundled import bundled_folder
from stackplan.catalog_index import load_catalog
from stackplan.drift import catalog_drift, files_drift, host_drift, lock_drift, measurement_drift, upstream_drift
from stackplan.hardware import Basis, Reservation
from stackplan.lock import LockedFile, locked
from stackplan.measurement import Figure, Measurement, machine_of, placement_classes
from stackplan.plan import Instance, Plan, PlannedMeasurements, UsedMeasurement
from stackplan.reservations import HELD_BY_OTHERS
from stackplan.units import GIB
from stackplan.values import replace

PLAN = PLANS["dual-24gb"]
LOCK = locked(PLAN)


def kinds(found: tuple) -> list[str]:
    assert all(one.hint and one.message for one in found)
    return [one.kind for one in found]


def with_use(plan: Plan, used_bytes: int) -> Plan:
    pools = tuple(replace(pool, used_bytes=used_bytes) for pool in plan.host.pools)
    return replace(plan, host=replace(plan.host, pools=pools))


def holding(plan: Plan, size: int):
    """The planned machine while somebody holds ``size`` bytes of its first card."""
    machine = plan.host.machine
    line = Reservation(HELD_BY_OTHERS, size, Basis.MEASURED)
    pools = (replace(pool, reserved=(*pool.reserved, line)) if pool.id == "gpu0" else pool for pool in machine.pools)
    return replace(machine, pools=tuple(pools))


def test_a_lock_of_the_plan_agrees_with_it_and_another_plans_is_stale() -> None:
    assert "stale-lock" not in kinds(lock_drift(PLAN, LOCK))
    changed = replace(PLAN.instances[0], context_tokens=1024)
    assert "stale-lock" in kinds(lock_drift(replace(PLAN, instances=(changed, *PLAN.instances[1:])), LOCK))


def test_what_is_not_pinned_is_told_until_it_is() -> None:
    assert kinds(lock_drift(PLAN, LOCK)) == ["not-pinned"] * 4
    files = (LockedFile("big-70b-Q4_K_M.gguf", 1, "d" * 64),)
    pinned = locked(PLAN, [replace(LOCK.artifact("big-70b:Q4_K_M"), revision="c" * 40, files=files)])
    assert kinds(lock_drift(PLAN, pinned)) == ["not-pinned"] * 3


def test_a_changed_and_a_missing_file_are_named() -> None:
    found = files_drift({"a": "1", "b": "2", "own": "3"}, {"a": "1", "b": "x", "c": "4"})
    assert [(one.kind, one.file) for one in found] == [("file-changed", "b"), ("file-missing", "c")]


def test_the_planned_machine_itself_has_not_drifted() -> None:
    assert host_drift(PLAN, PLAN.host.machine, running=False) == ()


def test_a_card_that_is_gone_is_told_with_its_pool() -> None:
    machine = PLAN.host.machine
    less = replace(machine, devices=machine.devices[:-1], pools=machine.pools[:-1])
    assert kinds(host_drift(PLAN, less, running=False)) == ["device-gone", "pool-gone"]


def test_four_gigabytes_held_by_somebody_are_told_where_the_plan_needs_them() -> None:
    tight = with_use(PLAN, 21 * GIB)
    (found,) = host_drift(tight, holding(tight, 4 * GIB), running=False)
    assert (found.kind, found.subject) == ("memory-held", "gpu0")
    assert "others hold 4.0 GiB" in found.message
    roomy = with_use(PLAN, 10 * GIB)
    assert host_drift(roomy, holding(roomy, 4 * GIB), running=False) == ()


def test_what_the_running_stack_itself_holds_is_no_drift() -> None:
    tight = with_use(PLAN, 21 * GIB)
    assert host_drift(tight, holding(tight, 20 * GIB), running=True) == ()


def test_a_smaller_pool_is_told() -> None:
    machine = PLAN.host.machine
    pools = tuple(replace(pool, capacity_bytes=pool.capacity_bytes * 9 // 10) for pool in machine.pools)
    assert kinds(host_drift(PLAN, replace(machine, pools=pools), running=False)) == ["pool-smaller"] * 3


@given(st.integers(0, 24 * GIB), st.integers(0, 24 * GIB))
def test_memory_is_told_exactly_when_the_plan_no_longer_fits(used_bytes: int, held_bytes: int) -> None:
    plan = with_use(PLAN, used_bytes)
    host = holding(plan, held_bytes)
    told = {one.subject for one in host_drift(plan, host, running=False)}
    assert told == {pool.id for pool in host.pools if pool.budget_bytes < used_bytes}


def measured(instance: Instance, **changes: object) -> Measurement:
    """An instance of the plan as a bench on the planned machine finds it: as fast and as large as planned."""
    machine, speed = PLAN.host.machine, instance.speed
    assert speed is not None
    rate = speed.decode_tokens_per_second
    fields: dict[str, object] = {
        "machine": machine_of(machine),
        "devices": placement_classes(instance.placement, machine),
        "engine": instance.engine,
        "engine_version": PLAN.engine(instance.engine).version,
        "artifact": instance.artifact,
        "mode": instance.mode,
        "context_tokens": instance.context_tokens,
        "slots": instance.slots,
        "kv_type": instance.kv_type,
        "measured_at": "2026-11-21T08:00:00Z",
        "repeats": 3,
        "gpu_layers": instance.placement.gpu_layers,
        "split": instance.placement.split if len(instance.placement.devices) > 1 else (),
        "cpu_expert_layers": instance.placement.cpu_expert_layers,
        "decode": Figure(rate, rate, rate),
        "prompt": Figure(rate, rate, rate),
        "device_peak_bytes": sum(demand.total_bytes for demand in instance.demand),
    }
    return Measurement(**(fields | changes))  # type: ignore[arg-type]


def on_a_card() -> Instance:
    return next(one for one in PLAN.instances if one.mode == "chat" and one.placement.devices)


def test_what_was_measured_as_planned_or_better_is_no_drift() -> None:
    fast = Figure(500.0, 499.0, 501.0)
    for one in (measured(on_a_card()), measured(on_a_card(), decode=fast, device_peak_bytes=1)):
        assert measurement_drift(PLAN, [one], PLAN.host.machine) == ()


def test_what_was_measured_slower_or_larger_than_planned_is_told() -> None:
    slow = Figure(1.5, 1.4, 1.6)
    (slower,) = measurement_drift(PLAN, [measured(on_a_card(), decode=slow)], PLAN.host.machine)
    assert (slower.kind, slower.subject) == ("measured-slower", on_a_card().id)
    assert "1.5 tokens/s" in slower.message
    larger = measurement_drift(PLAN, [measured(on_a_card(), device_peak_bytes=2**40)], PLAN.host.machine)
    assert kinds(larger) == ["measured-larger"]


def test_what_was_measured_elsewhere_or_with_another_engine_version_says_nothing_of_this_plan() -> None:
    slow = Figure(1.5, 1.4, 1.6)
    for change in ({"engine_version": "b1"}, {"machine": "f" * 16}, {"kv_type": "q4_0"}):
        assert measurement_drift(PLAN, [measured(on_a_card(), decode=slow, **change)], PLAN.host.machine) == ()


def test_a_plan_that_rests_on_a_forgotten_measurement_is_told() -> None:
    one = measured(on_a_card())
    used = UsedMeasurement(on_a_card().id, one.digest, "b1", True, True, one.measured_at)
    rests = replace(PLAN, measurements=PlannedMeasurements(1, "0" * 16, (used,)))
    assert measurement_drift(rests, [one], PLAN.host.machine) == ()
    assert kinds(measurement_drift(rests, [], PLAN.host.machine)) == ["measurement-gone"]


def catalog_lock():
    """A lock whose first artifact is one of the bundled catalog's, with what the catalog says."""
    catalog = load_catalog((bundled_folder("catalog"),))
    model = next(model for model in catalog.models if model.artifacts and model.date)
    artifact = model.artifacts[0]
    planned = replace(
        PLAN.artifacts[0],
        id=artifact.id,
        model=model.id,
        licence=model.licence.id,
        commercial=model.licence.commercial,
        file_bytes=artifact.file_bytes,
    )
    return catalog, model, locked(replace(PLAN, artifacts=(planned,)))


def test_the_catalog_that_was_planned_with_agrees() -> None:
    catalog, model, lock = catalog_lock()
    assert catalog_drift(lock, catalog, date.fromisoformat(model.date), 365) == ()


def test_old_records_changed_records_and_models_that_are_gone_are_told() -> None:
    catalog, model, lock = catalog_lock()
    today = date.fromisoformat(model.date)
    assert kinds(catalog_drift(lock, catalog, today.replace(year=today.year + 2), 365)) == ["catalog-old"]
    closed = replace(model, licence=replace(model.licence, commercial=None, id="changed"))
    changed = replace(catalog, models=(closed,))
    assert kinds(catalog_drift(lock, changed, today, 365)) == ["catalog-changed"] * 2
    assert kinds(catalog_drift(lock, replace(catalog, models=()), today, 365)) == ["model-gone"]
    without = replace(catalog, models=(replace(model, artifacts=()),))
    assert kinds(catalog_drift(lock, without, today, 365)) == ["artifact-gone"]


def test_only_files_that_changed_upstream_count_not_a_new_readme() -> None:
    artifact = replace(LOCK.artifact("big-70b:Q4_K_M"), revision="c" * 40, files=(LockedFile("x.gguf", 1, "d" * 64),))
    lock = locked(
        replace(PLAN, artifacts=(replace(PLAN.artifacts[0], files=("x.gguf",)), *PLAN.artifacts[1:])), [artifact]
    )
    moved = replace(artifact, revision="e" * 40)
    assert upstream_drift(lock, {artifact.id: moved}) == ()
    changed = replace(moved, files=(LockedFile("x.gguf", 1, "f" * 64),))
    (found,) = upstream_drift(lock, {artifact.id: changed})
    assert (found.kind, "x.gguf" in found.message) == ("upstream-changed", True)
