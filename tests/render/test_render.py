"""What holds for every target at once: determinism, conflicts, secrets, hostile names, golden trees."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.render.plans import PLANS, apple_unified, single_24gb

from stackplan.errors import UserError
from stackplan.plan import Plan, plan_from_json, plan_to_json
from stackplan.render import default_targets, render_plan, target_names
from stackplan.values import replace

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
REWRITE = "STACKPLAN_REWRITE_GOLDEN"


def everything(plan: Plan) -> dict[str, str]:
    """Every target that the plan's host can have: containers are refused on macOS only."""
    return render_plan(plan, [name for name in target_names() if name in possible(plan)])


def possible(plan: Plan) -> set[str]:
    contained = {"compose", "quadlet", "open-webui"} if plan.host.machine.operating_system == "darwin" else set()
    return set(target_names()) - contained


def test_every_target_equals_its_golden_tree(plan: Plan) -> None:
    """Rewrite with STACKPLAN_REWRITE_GOLDEN=1 and read the difference before committing it."""
    folder, files = GOLDEN / plan.profile, everything(plan)
    if os.environ.get(REWRITE):
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    kept = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert files.keys() == kept.keys()
    for path, text in files.items():
        assert text == kept[path], path


def test_a_saved_plan_renders_the_same_bytes(plan: Plan) -> None:
    assert everything(plan_from_json(plan_to_json(plan))) == everything(plan)


def test_paths_stay_inside_the_folder(plan: Plan) -> None:
    for path in everything(plan):
        assert not path.startswith(("/", "~"))
        assert ".." not in path.split("/")
        assert "\\" not in path


def test_texts_end_with_one_line_break_and_name_no_floating_image(plan: Plan) -> None:
    for path, text in everything(plan).items():
        if path.endswith("refs/main"):  # the hub's client reads it to the byte
            continue
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert ":latest" not in text.replace("NAME:latest", "").replace("}:latest", "").replace("name:latest", ""), path


def test_macos_gets_native_targets_and_other_hosts_containers() -> None:
    assert "compose" not in default_targets(apple_unified())
    assert "compose" in default_targets(single_24gb())


def test_a_target_brings_the_files_that_it_refers_to() -> None:
    assert "litellm/config.compose.yaml" in render_plan(single_24gb(), ["compose"])


def test_an_unknown_target_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError) as refusal:
        render_plan(single_24gb(), ["kubernetis"])
    assert "compose" in refusal.value.hint


def test_two_targets_may_not_write_one_path() -> None:
    class Twin:
        def render(self, _: Plan) -> dict[str, str]:
            return {"plan.json": "{}\n"}

    with pytest.raises(UserError, match=r"two targets write plan\.json"):
        render_plan(single_24gb(), ["plan", "twin"], {"twin": Twin()})


def test_no_secret_of_the_environment_reaches_a_file(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = "sk-marker-0123456789"
    for name in ("LITELLM_MASTER_KEY", "AFFORDABLE_API_KEY", "OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.setenv(name, marker)
    assert not any(marker in text for text in everything(plan).values())


def test_a_tier_may_be_written_in_capitals(plan: Plan) -> None:
    loud = replace(plan, instances=tuple(replace(one, tier=one.tier.upper()) for one in plan.instances))
    files, same = everything(loud), everything(plan)
    del files["plan.json"], same["plan.json"]
    assert files == same


def test_a_plan_that_serves_nothing_still_renders() -> None:
    empty = replace(single_24gb(), instances=(), roles=(), artifacts=(), engines=(), fallbacks=())
    files = everything(empty)
    assert "compose.yaml" in files
    assert {path for path in files if path.startswith("ollama/")} == {"ollama/pull.sh", "ollama/pull.ps1"}


def test_a_plan_edited_by_hand_is_refused_where_it_contradicts_itself() -> None:
    plan = PLANS["dual-24gb"]
    first = plan.instances[0]
    wrong = replace(first, placement=replace(first.placement, split=(1.0,)))
    with pytest.raises(UserError, match="1 shares for 2 devices"):
        render_plan(replace(plan, instances=(wrong, *plan.instances[1:])))
    with pytest.raises(UserError, match="is there twice"):
        render_plan(replace(plan, roles=(*plan.roles, plan.roles[0])))


def test_ports_are_refused_when_two_instances_want_one() -> None:
    plan = single_24gb()
    clashing = tuple(replace(one, port=8101) for one in plan.instances)
    with pytest.raises(UserError, match="port 8101 is asked for by worker-32b and guard-1b"):
        render_plan(replace(plan, instances=clashing))


@pytest.mark.parametrize("image", ["ollama/ollama", "ollama/ollama:latest", "x y:1", "a:1\nb: c", "$(id):1"])
def test_an_image_that_is_not_pinned_or_no_reference_is_refused(image: str) -> None:
    plan = single_24gb()
    engines = tuple(replace(engine, images=engine.images | {"cuda": image}) for engine in plan.engines)
    with pytest.raises(UserError):
        render_plan(replace(plan, engines=engines))


HOSTILE = st.sampled_from([*"'\"\n\r\x00\\]#;| é\u2028&<>*`", "$(id)", "../", "{{ 7 }}", "{% raw %}", "${HOME}", "%n"])
MARK = "zqmark"
MARKED = st.builds(
    lambda before, bad, after: before + bad + after, st.sampled_from([MARK, f"a/{MARK}"]), HOSTILE, st.just(MARK)
)


def named_texts(value: Any, trail: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a plan holds text: a trail of field names and positions for each."""
    if isinstance(value, str) and not hasattr(value, "value"):
        return [trail]
    if dataclasses.is_dataclass(value):
        parts = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    elif isinstance(value, tuple):
        parts = list(enumerate(value))
    elif isinstance(value, dict):
        parts = list(value.items())
    else:
        return []
    return [found for key, part in parts for found in named_texts(part, (*trail, key))]


def changed(value: Any, trail: tuple[Any, ...], text: str) -> Any:
    """``value`` with the text at the end of the trail replaced."""
    if not trail:
        return text
    key, rest = trail[0], trail[1:]
    if dataclasses.is_dataclass(value):
        return replace(value, **{key: changed(getattr(value, key), rest, text)})
    if isinstance(value, dict):
        return value | {key: changed(value[key], rest, text)}
    return tuple(changed(part, rest, text) if number == key else part for number, part in enumerate(value))


TRAILS = {name: named_texts(plan) for name, plan in PLANS.items()}


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), text=MARKED)
def test_a_hostile_text_anywhere_in_a_plan_is_refused_or_never_written(data: st.DataObject, text: str) -> None:
    name = data.draw(st.sampled_from(sorted(PLANS)))
    trail = data.draw(st.sampled_from(TRAILS[name]))
    try:
        files = everything(changed(PLANS[name], trail, text))
    except UserError as refusal:
        assert refusal.message.isprintable()  # noqa: PT017
        return
    del files["plan.json"]  # the serialiser's own; a test above reads it back
    assert [path for path, body in files.items() if MARK in body] == [], trail
