"""When there is no plan: the conflict, the shortfall in bytes, and changes that really make one."""

import shlex

import pytest

from stackplan.cli import run
from stackplan.fixes import fixes, nearest_plan
from stackplan.pipeline import Planned, plan_world
from stackplan.problem import NoChoice
from stackplan.reasons import conflict_lines
from stackplan.views.no_plan import fix_line
from tests.explain.snapshots import same_as_snapshot
from tests.explain.worlds import arguments, machine, values, whole, world

IMPOSSIBLE = ("worker.model=fern-15b", "worker.quant=F16")
CROWDED = (
    "worker.model=fern-15b",
    "worker.device=gpu0",
    "code.required=true",
    "code.model=fern-8b",
    "code.device=gpu0",
)


def stopped() -> float:
    return 0.0


def no_plan(*settings: str) -> Planned:
    planned = plan_world(whole(world(*settings)))
    assert planned.plan is None
    return planned


def with_option(settings: tuple[str, ...], option: str) -> Planned:
    """The plan after a fix, given as the option that the fix names."""
    flag, value = shlex.split(option)
    role, _, _ = value.partition("=")
    kept = tuple(setting for setting in settings if not setting.startswith(f"{role}="))
    if flag == "--vram":
        return plan_world(whole(world(*settings, vram=(value,))))
    assert flag == "--set"
    return plan_world(whole(world(*kept, value)))


@pytest.mark.parametrize("settings", [IMPOSSIBLE, (*CROWDED, "worker.tier=hot", "code.tier=hot")])
def test_every_fix_makes_a_plan_when_its_option_is_given(settings: tuple[str, ...]) -> None:
    found = list(fixes(no_plan(*settings), stopped))
    assert len(found) >= 3
    for fix in found:
        assert with_option(settings, fix.option).plan is not None, fix


def test_fixes_end_when_their_time_is_up() -> None:
    ticks = iter(range(0, 10_000, 5))
    assert len(list(fixes(no_plan(*IMPOSSIBLE), lambda: float(next(ticks)), seconds=12.0))) <= 2


def test_a_context_floor_is_lowered_to_the_longest_that_fits() -> None:
    pins = ("worker.model=fern-15b", "worker.device=gpu0", "worker.tier=hot", "worker.quant=Q4_K_M")
    planned = plan_world(whole(world(*pins, "worker.context=64k")))
    assert planned.plan is None
    fix = next(each for each in fixes(planned, stopped) if "context" in each.option)
    tokens = int(fix.option.removeprefix("--set worker.context=").removesuffix("k"))
    assert tokens >= 32
    assert plan_world(whole(world(*pins, f"worker.context={tokens}k"))).plan is not None
    assert plan_world(whole(world(*pins, f"worker.context={tokens + 8}k"))).plan is None


def test_the_nearest_plan_serves_who_can_be_served() -> None:
    nearest = nearest_plan(no_plan(*IMPOSSIBLE))
    assert nearest is not None
    assert [role.role for role in nearest.roles] == ["code"]
    assert [each.role for each in nearest.unserved] == ["worker"]


def test_the_conflict_reads_as_its_snapshot_in_the_words_of_the_user() -> None:
    told = []
    for settings in (IMPOSSIBLE, (*CROWDED, "worker.tier=hot", "code.tier=hot")):
        planned = no_plan(*settings)
        answer = planned.chosen.answer
        assert isinstance(answer, NoChoice)
        told += conflict_lines(answer.conflict, planned.frame.refusals)
        told += [fix_line(fix) for fix in fixes(planned, stopped)]
    same_as_snapshot("no-plan", "\n".join(told))


def test_an_impossible_wish_ends_with_code_3_and_the_bytes_it_misses(capsys: pytest.CaptureFixture[str]) -> None:
    asked = [part for setting in IMPOSSIBLE for part in ("--set", setting)]
    assert run([*arguments("plan", machine()), *asked, "--json"]) == 3
    streams = capsys.readouterr()
    answer = values(streams.out)["no_plan"]
    assert isinstance(answer, dict)
    assert answer["conflict"] == ["need worker"]
    short = {miss["pool"]: miss["shortfall_bytes"] for miss in answer["nearest_misses"]}
    assert short["ram"] > 10 * 1024**3  # 28 GiB of weights in 16 GiB, less what the system needs
    assert short["gpu0"] > 0
    assert answer["fixes"]
    assert "error[no-plan]: no plan serves every required role" in streams.err
    assert f"{short['gpu0']} bytes" in streams.err
    assert "fix: " in streams.err


def test_a_plan_that_exists_has_nothing_to_fix() -> None:
    assert list(fixes(plan_world(world()), stopped)) == []
