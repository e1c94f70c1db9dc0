"""The bundled roles and stacks, and what a mistake in a user's own stack is answered with."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from stackplan.bundled import bundled_folder
from stackplan.catalog import Catalog
from stackplan.catalog_index import load_catalog
from stackplan.errors import UserError
from stackplan.judgement_yaml import load_presets, load_quality, load_quantisation
from stackplan.stack import Stack
from stackplan.stack_yaml import load_stack

STACKS = ("agents", "coding", "everyday", "heavy-pipeline", "orchestrator", "rag-services", "research")


@cache
def catalog() -> Catalog:
    return load_catalog([bundled_folder("catalog")])


@cache
def bundled_stack(name: str) -> Stack:
    return load_stack(bundled_folder("profiles") / "stacks" / f"{name}.yaml", catalog().roles)


def ports(stack: Stack) -> list[int]:
    roles = {role.id: role for role in catalog().roles}
    return [
        (request.port or roles[request.role].port) + copy for request in stack.roles for copy in range(request.count)
    ]


def test_these_stacks_are_bundled() -> None:
    assert sorted(path.stem for path in (bundled_folder("profiles") / "stacks").glob("*.yaml")) == list(STACKS)


@pytest.mark.parametrize("name", STACKS)
def test_a_bundled_stack_requires_something_and_wishes_for_more(name: str) -> None:
    required = [request.role for request in bundled_stack(name).roles if request.required]
    assert 1 <= len(required) < len(bundled_stack(name).roles)


@pytest.mark.parametrize("name", STACKS)
def test_no_two_roles_of_a_stack_or_its_gateway_share_a_port(name: str) -> None:
    stack = bundled_stack(name)
    assert max(Counter([stack.gateway_port, *ports(stack)]).values()) == 1


def test_roles_have_ports_of_their_own() -> None:
    assert max(Counter(role.port for role in catalog().roles).values()) == 1


def test_floors_of_roles_lie_below_their_wishes() -> None:
    for role in catalog().roles:
        assert role.context_floor_tokens <= role.context_wish_tokens
        assert role.speed_floor <= role.speed_wish


def test_roles_check_roles_that_exist() -> None:
    known = {role.id for role in catalog().roles}
    assert {other for role in catalog().roles for other in role.checks} <= known


def test_every_role_has_a_model_of_its_kind_that_an_engine_serves() -> None:
    engines = {engine.id: engine for engine in catalog().engines}
    for role in catalog().roles:
        able = {name for name in role.engines if role.mode in engines[name].modes}
        assert any(
            able & set(artifact.engines)
            for model in catalog().models
            if set(role.suits) & set(model.suits)
            for artifact in model.artifacts
        ), role.id


def test_ingest_wants_recurrence_and_never_a_draft() -> None:
    ingest = catalog().role("ingest")
    assert (set(ingest.architecture_classes), ingest.speculation) == ({"recurrent", "hybrid"}, False)


@pytest.mark.parametrize("role", ["helper", "watchdog", "autocomplete", "front-door", "ingest"])
def test_roles_that_must_answer_at_once_never_think(role: str) -> None:
    assert catalog().role(role).thinking == "never"


def test_the_orchestrator_has_two_architects_and_six_embedders() -> None:
    counts = {request.role: request.count for request in bundled_stack("orchestrator").roles}
    assert (counts["architect"], counts["embedder-pool"]) == (2, 6)


def test_agents_work_at_the_same_time() -> None:
    assert bundled_stack("agents").roles[0].slots == 2


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("title: T\nroles:\n  - role: wroker\n", 3, "there is no role 'wroker'"),
        ("title: T\nroles:\n  - role: worker\n    priorty: 2\n", 4, "priorty: unknown field"),
        ("title: T\nroles:\n  - role: worker\n    priority: 0\n", 4, "greater than 0"),
        ("title: T\nroles:\n  - role: worker\n    tier: lukewarm\n", 4, "'hot', 'warm' or 'cold'"),
        ("title: T\nroles:\n  - role: worker\n    port: 70000\n", 4, "less than or equal to 65535"),
        ("title: T\nroles:\n  - role: worker\n    context_wish: much\n", 4, "is not a number of tokens"),
        ("title: T\nroles:\n  - role: worker\n    kv_type: q3_9\n", 4, "must be one of f32"),
        ("title: T\nroles:\n  - role: worker\n  - role: worker\n", 4, "asked for twice"),
        ("title: T\nroles:\n  - {role: worker, context_floor: 8k, context_wish: 4k}\n", 3, "above the wish"),
        ("title: T\nroles: []\n", 2, "at least 1 item"),
        ("title: T\nroles: &a [*a]\n", 2, "anchors"),
        ("- 1\n", 1, "fields with values"),
        ("", 1, "fields with values"),
    ],
)
def test_a_mistake_names_file_and_line(tmp_path: Path, text: str, line: int, complaint: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_stack(path, catalog().roles)
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert complaint in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_comes_back_whole_from_the_index(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKPLAN_CACHE", str(tmp_path / "cache"))
    path = bundled_folder("profiles") / "stacks" / f"{name}.yaml"
    read, kept = (load_stack(path, catalog().roles) for _ in range(2))
    assert read == kept
    assert repr(read) == repr(kept)  # 1 is not 1.0
    assert len(list((tmp_path / "cache").glob("stack-*.json"))) == 1


def test_a_stack_with_fallbacks_and_pins_comes_back_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKPLAN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: T\nroles:\n  - {role: worker, forbid: [a, b], architecture_classes: [dense], priority: 3}\n"
        "fallbacks:\n  - {name: far, model: m, url: https://far.example/v1, key_variable: KEY, roles: [worker]}\n",
        encoding="utf-8",
    )
    read, kept = (load_stack(path, catalog().roles) for _ in range(2))
    assert repr(read) == repr(kept)
    assert hash(kept.fallbacks) == hash(read.fallbacks)
    assert (kept.roles[0].forbid, kept.fallbacks[0].roles) == (("a", "b"), ("worker",))


def test_an_edited_stack_is_read_anew_and_a_renamed_one_has_its_new_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("title: T\nroles:\n  - {role: worker, port: 9000}\n", encoding="utf-8")
    assert load_stack(path, catalog().roles).roles[0].port == 9000
    path.write_text("title: T\nroles:\n  - {role: worker, port: 9001}\n", encoding="utf-8")
    assert load_stack(path, catalog().roles).roles[0].port == 9001
    assert load_stack(path.rename(tmp_path / "yours.yaml"), catalog().roles).id == "yours"


def test_roles_are_those_of_the_catalog_at_hand_also_for_a_stack_from_the_index(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("title: T\nroles:\n  - role: worker\n  - role: code\n", encoding="utf-8")
    assert load_stack(path, catalog().roles).id == "mine"
    with pytest.raises(UserError, match=r"mine\.yaml:4: roles\.1\.role: there is no role 'code'"):
        load_stack(path, tuple(role for role in catalog().roles if role.id != "code"))


def test_contexts_may_be_written_as_people_do(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("title: T\nroles:\n  - {role: worker, context_floor: 16k, context_wish: 65536}\n", encoding="utf-8")
    request = load_stack(path, catalog().roles).roles[0]
    assert (request.context_floor_tokens, request.context_wish_tokens) == (16384, 65536)


def test_what_a_stack_leaves_out_stays_the_roles_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("title: T\nroles:\n  - role: worker\n", encoding="utf-8")
    request = load_stack(path, catalog().roles).roles[0]
    assert (request.tier, request.port, request.slots, request.context_wish_tokens) == (None, None, None, None)


SCALE = """
belief: {{high: 1, medium: 1, low: 1, bridge: 1}}
scales:
  - id: one
    title: T
    source: S
    groups:
      - - metric: M
          points: {points}
    prior: {{base: 0, per_doubling_small: 1, per_doubling_large: 1, per_year: 1}}
"""


@pytest.mark.parametrize("points", ["[[0, 1], [0, 2]]", "[[0, 1], [1, 9], [2, 3]]", "[[0, 1], [1, 101]]", "[[0, 1]]"])
def test_a_scale_that_is_not_monotone_within_0_and_100_is_refused(tmp_path: Path, points: str) -> None:
    path = tmp_path / "quality.yaml"
    path.write_text(SCALE.format(points=points), encoding="utf-8")
    with pytest.raises(UserError, match=r"quality\.yaml:\d+: scales\.0\.groups"):
        load_quality(path)


def test_a_bridge_leads_to_a_scale_above_it(tmp_path: Path) -> None:
    path = tmp_path / "quality.yaml"
    bridge = "    bridges:\n      - {scale: later, points: [[0, 0], [100, 100]]}\n"
    text = SCALE.format(points="[[0, 1], [1, 2]]").replace("    prior:", f"{bridge}    prior:")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="later"):
        load_quality(path)


@pytest.mark.parametrize("load", [load_quality, load_quantisation, load_presets])
def test_a_missing_table_is_an_error_with_a_hint(load, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path / "none.yaml")
    assert caught.value.hint
