"""Two plans beside each other, from files or from a machine that could be."""

from itertools import pairwise
from pathlib import Path

import pytest

from stackplan.cli import run
from stackplan.device_catalog_yaml import load_device_catalog
from stackplan.device_profile import device_profile_host
from stackplan.diff import difference, objective
from stackplan.errors import UserError
from stackplan.lock import lock_of
from stackplan.pipeline import plan_world
from stackplan.plan import Plan, plan_to_json
from stackplan.values import replace
from stackplan.views.diff import difference_markdown, difference_text
from stackplan.whatif import upgrade_steps, upgrades, with_gpus, without_role
from tests.explain.snapshots import same_as_snapshot
from tests.explain.worlds import arguments, machine, values, world


def plan(*settings: str, **changes: object) -> Plan:
    found = plan_world(world(*settings, **changes)).plan
    assert found is not None
    return found


def card(name: str):
    host = device_profile_host(name)
    assert host is not None
    return host


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A plan, the lock of the same plan in a folder, and another plan."""
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    folder = tmp_path / "deploy"
    folder.mkdir()
    present = plan()
    before.write_text(plan_to_json(present), encoding="utf-8")
    (folder / "stackplan.lock").write_text(lock_of(present), encoding="utf-8")
    after.write_text(plan_to_json(plan(vram=("gpu0=16GiB",))), encoding="utf-8")
    return before, folder, after


def test_equal_plans_end_with_code_0_and_different_ones_with_2(
    saved: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before, folder, after = map(str, saved)
    assert run(["diff", before, folder]) == 0
    assert run(["diff", before, str(Path(folder) / "stackplan.lock")]) == 0
    assert "would run the same" in capsys.readouterr().out
    assert run(["diff", folder, after, "--json"]) == 2
    told = values(capsys.readouterr().out)
    assert told["differs"] is True
    assert [cause["name"] for cause in told["causes"]] == ["gpu0 budget"]


def test_what_is_no_plan_is_an_error_with_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.json").write_text('{"schema": 1}', encoding="utf-8")
    for path in (tmp_path / "missing.json", tmp_path / "other.json", tmp_path):
        assert run(["diff", str(path), str(path)]) == 1
        streams = capsys.readouterr()
        assert streams.out == ""
        assert streams.err.startswith("error[")
        assert "\nhint: " in streams.err


def test_a_difference_reads_as_its_snapshots() -> None:
    found = difference(plan(), plan(vram=("gpu0=16GiB",)))
    same_as_snapshot("diff", difference_text(found, colour=False, width=100))
    same_as_snapshot("diff-markdown", difference_markdown(found))


def test_names_from_a_plan_cannot_steer_a_terminal_or_markdown() -> None:
    present = plan()
    hostile = replace(present.roles[0], role="x|`[a](b)<b>\x1b[2J")
    other = replace(present, roles=(hostile, *present.roles[1:]))
    found = difference(present, other)
    assert "\x1b" not in difference_text(found, colour=False, width=100)
    row = next(line for line in difference_markdown(found).splitlines() if line.startswith("| `x"))
    assert row.count("|") == 4
    assert not set("<[") & set(row)


def test_a_role_that_is_not_asked_for_any_more_is_told_as_such() -> None:
    asked = world()
    smaller = replace(asked, request=replace(asked.request, stack=without_role(asked.request.stack, "code")))
    after = plan_world(smaller).plan
    assert after is not None
    text = difference_text(difference(plan(), after), colour=False, width=200)
    assert "not served any more (not asked for)" in text
    assert "of the roles that both serve" in text


def test_an_added_card_has_its_own_pool_and_never_makes_the_plan_worse() -> None:
    asked = world()
    host = with_gpus(asked.host, card("2x rtx-3060"))
    assert [device.id for device in host.gpus] == ["gpu0", "gpu1", "gpu2"]
    assert [pool.id for pool in host.pools] == ["gpu0", "gpu1", "gpu2", "ram"]
    assert host.pool("gpu1").budget_bytes == host.pool("gpu0").budget_bytes
    more = plan_world(replace(asked, host=with_gpus(asked.host, card("rtx-3060")))).plan
    assert more is not None
    assert objective(more) >= objective(plan())


def test_a_machine_with_unified_memory_takes_no_card() -> None:
    with pytest.raises(UserError, match="takes no cards"):
        with_gpus(card("m4-max-64gb"), card("rtx-3090"))
    assert upgrade_steps(card("m4-max-64gb"), load_device_catalog().devices) == ()


def test_upgrades_go_from_cheap_to_dear_without_cards_that_a_cheaper_one_beats() -> None:
    devices = load_device_catalog().devices
    steps = upgrade_steps(world().host, devices)
    assert len(steps) >= 2
    assert [step.price_usd for step in steps] == sorted(step.price_usd for step in steps)
    assert all(step.price_date for step in steps)
    facts = {each.id: each for each in devices}
    for cheap, dear in pairwise(steps):
        one, two = facts[cheap.device], facts[dear.device]
        assert (
            (two.capacity_bytes or 0) > (one.capacity_bytes or 0)
            or (two.bandwidth_bytes_per_second or 0) > (one.bandwidth_bytes_per_second or 0)
            or (two.compute_flops_per_second or 0) > (one.compute_flops_per_second or 0)
        )


def test_the_first_card_that_improves_the_stack_ends_the_search() -> None:
    asked, present = world(), plan()
    steps = upgrade_steps(asked.host, load_device_catalog().devices)
    tried = list(upgrades(asked, present, steps, card, lambda changed: plan_world(changed).plan))
    assert tried[-1].gain >= 1.0
    assert all(one.gain < 1.0 for one in tried[:-1])
    again = plan_world(replace(asked, host=with_gpus(asked.host, card(tried[-1].step.device)))).plan
    assert again is not None
    assert tried[-1].gain == objective(again) - objective(present)


def test_the_command_shows_the_new_plan_as_a_difference(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments("whatif", machine(), "--vram", "gpu0=16GiB", "--json")) == 0
    told = values(capsys.readouterr().out)
    expected = difference(plan(), plan(vram=("gpu0=16GiB",)))
    assert told["objective_after"] == expected.objective_after
    assert [change["role"] for change in told["roles"]] == [change.role for change in expected.roles]


def test_a_question_without_a_change_and_an_unknown_card_are_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments("whatif", machine())) == 1
    assert "hint: say --add-gpu" in capsys.readouterr().err
    assert run(arguments("whatif", machine(), "--add-gpu", "rtx-9999")) == 1
    assert capsys.readouterr().err.startswith("error[unknown-device]")
    assert run(arguments("whatif", machine(), "--without", "watchdog")) == 1
    assert capsys.readouterr().err.startswith("error[unknown-role]")
