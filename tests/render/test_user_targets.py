"""A target is a folder with a manifest and templates; mistakes in it are told in one line, and nothing escapes."""

from pathlib import Path

import pytest
from tests.render.conftest import write
from tests.render.plans import single_24gb

from stackplan.errors import UserError
from stackplan.render import render_plan
from stackplan.render.user_targets import find_user_targets

MANIFEST = """
description: Our inventory
outputs:
  - {template: list.txt.j2, path: inventory/list.txt}
  - {template: one.env.j2, path: "env/{{ server.id }}.env", each: server}
"""
LIST = "{% for role in roles %}{{ role.name }} {{ role.url }}\n{% endfor %}"
ONE = "PORT={{ server.port }}\nNAME={{ server.id | sh }}\n"


def target(folder: Path, manifest: str = MANIFEST, **templates: str) -> dict:
    texts = {"list.txt.j2": LIST, "one.env.j2": ONE} | templates
    write(folder / "inventory", {"manifest.yaml": manifest, **texts})
    return find_user_targets(folder)


def test_a_folder_with_a_manifest_is_a_target(tmp_path: Path) -> None:
    files = render_plan(single_24gb(), ["inventory"], target(tmp_path))
    assert "worker http://127.0.0.1:8101\n" in files["inventory/list.txt"]
    assert files["env/guard-1b.env"] == "PORT=8102\nNAME=guard-1b\n"


def test_it_is_found_in_the_users_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target(tmp_path / "templates")
    monkeypatch.setenv("STACKPLAN_CONFIG", str(tmp_path))
    assert find_user_targets().keys() == {"inventory"}


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ nothing.here }}", "is undefined"),
        ("{% for %}", "list.txt.j2"),
        ("{{ plan.__class__.__mro__ }}", "unsafe"),
        ("{{ roles.append(1) }}", "unsafe"),
        ("{{ ('a\nb') | sh }}", "control character"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{% include '/etc/passwd' %}", "/etc/passwd"),
        ("{{ 'x' * 5000000 }}", "more than"),
    ],
)
def test_a_template_that_fails_or_reaches_out_is_refused(template: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="inventory") as refusal:
        render_plan(single_24gb(), ["inventory"], target(tmp_path, **{"list.txt.j2": template}))
    assert reason in refusal.value.message
    assert "\n" not in refusal.value.message


@pytest.mark.parametrize("path", ["../out.txt", "/etc/x", "~/x", "a\\b", "", "C:x"])
def test_a_path_out_of_the_folder_is_refused(path: str, tmp_path: Path) -> None:
    manifest = f"outputs: [{{template: list.txt.j2, path: {path!r}}}]"
    with pytest.raises(UserError):
        render_plan(single_24gb(), ["inventory"], target(tmp_path, manifest))


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "outputs: []",
        "outputs: [1]",
        "outputs: [{template: no.j2, path: x}]",
        ": :",
        "outputs: [{template: list.txt.j2, path: x, ecah: y}]",
    ],
)
def test_a_wrong_manifest_is_told_with_the_targets_name(manifest: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="inventory"):
        target(tmp_path, manifest)


def test_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    target(tmp_path)
    (tmp_path / "inventory/list.txt.j2").unlink()
    (tmp_path / "inventory/list.txt.j2").symlink_to("/etc/hostname")
    with pytest.raises(UserError, match="outside"):
        find_user_targets(tmp_path)


def test_it_may_not_take_the_path_of_another_target(tmp_path: Path) -> None:
    own = target(tmp_path, "outputs: [{template: list.txt.j2, path: plan.json}]")
    with pytest.raises(UserError, match=r"two targets write plan\.json"):
        render_plan(single_24gb(), ["plan", "inventory"], own)
