"""GitHub action, workflow and pre-commit hooks: real readers accept them, and what they run does its work."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stackplan.cli import VERBS
from stackplan.deploy import read_tree, write_tree
from stackplan.drift import Drift
from stackplan.lock import LOCK_NAME, LockedFile, lock_text, locked, read_lock
from stackplan.render import render_plan
from stackplan.values import replace
from stackplan.views.drift import drift_sarif

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / ".venv-validators" / "bin"
SCHEMA = Path(__file__).parent / "data" / "sarif-schema-2.1.0.json.gz"
UNREACHABLE = ("Could not find a version", "Temporary failure in name resolution", "No matching distribution")
STACK = "title: One role\nsource: made for this test\nroles:\n  - role: embedding\n"


def run(*words: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def program():
    def find(name: str) -> Path:
        if not (PROGRAMS / name).is_file():
            pytest.skip(f"no {name}: run `make .venv-validators/.installed`")
        return PROGRAMS / name

    return find


def assert_accepted(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "path"), [("github-actions", "action.yml"), ("github-workflows", ".github/workflows/ci.yml")]
)
def test_githubs_schemas_accept_action_and_workflow(program, schema: str, path: str) -> None:
    assert_accepted(run(program("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", path))


def test_pre_commit_accepts_the_hooks_and_they_call_what_exists(program) -> None:
    assert_accepted(run(program("pre-commit"), "validate-manifest", ".pre-commit-hooks.yaml"))
    entries = re.findall(r"entry: stackplan (\S+)", (ROOT / ".pre-commit-hooks.yaml").read_text())
    assert len(entries) == 3
    assert set(entries) <= set(VERBS)


def test_the_script_of_the_action_is_sound_shell(program) -> None:
    assert_accepted(run(program("shellcheck"), "scripts/action"))


def test_nothing_that_a_pull_request_can_choose_becomes_part_of_a_command() -> None:
    for path in ("action.yml", ".github/workflows/ci.yml"):
        commands = re.findall(r"^ *(?:- )?run: (.*)$", (ROOT / path).read_text(), re.MULTILINE)
        assert commands
        assert not any("${{" in command for command in commands)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with a rendered stack of one role, every artifact pinned."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "one.yaml").write_text(STACK)
    applied = run(sys.executable, "-m", "stackplan", "apply", "rtx-3090", "--stack", "one.yaml", cwd=folder)
    assert applied.returncode == 0, applied.stderr
    pin(folder / "deploy", "a" * 40)
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "base"]):
        assert run("git", *words, cwd=folder).returncode == 0
    return folder


def pin(deploy: Path, revision: str) -> None:
    """What `stackplan lock` would write after asking a hub that has ``revision``."""
    files = read_tree(deploy)
    lock = read_lock(files[LOCK_NAME])
    known = [
        replace(
            one,
            revision=revision,
            files=tuple(LockedFile(f.path, 1, "b" * 64) for f in one.files) or (LockedFile("x", 1, "b" * 64),),
        )
        for one in lock.artifacts
    ]
    new = locked(replace_revision(lock.plan), known)
    write_tree(deploy, {**files, **render_plan(new.plan), LOCK_NAME: lock_text(new)})


def replace_revision(plan):
    """The plan without pins of its own, so that those of the lock decide."""
    return replace(plan, artifacts=tuple(replace(one, revision="", sha256="") for one in plan.artifacts))


def report(repository: Path, temporary: Path, **environment: str) -> tuple[dict[str, str], str, str]:
    """The outputs, the job's summary and the log of ``scripts/action report``."""
    temporary.mkdir()
    stackplan = temporary / "stackplan"
    stackplan.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stackplan "$@"\n')
    stackplan.chmod(0o755)
    places = {
        "RUNNER_TEMP": str(temporary),
        "GITHUB_OUTPUT": str(temporary / "output"),
        "GITHUB_STEP_SUMMARY": str(temporary / "summary"),
        "STACKPLAN": str(stackplan),
    }
    done = run(ROOT / "scripts/action", "report", cwd=repository, **places, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = dict(line.split("=", 1) for line in (temporary / "output").read_text().splitlines())
    return outputs, (temporary / "summary").read_text(), done.stdout


def test_an_untouched_stack_passes_and_nothing_is_compared_without_a_base(repository: Path, tmp_path: Path) -> None:
    outputs, summary, log = report(repository, tmp_path / "t")
    assert (outputs["drift"], outputs["changed"]) == ("false", ""), summary
    assert "everything agrees" in summary
    assert "::error" not in log


def test_what_a_pull_request_changes_is_told_in_markdown(repository: Path, tmp_path: Path) -> None:
    head = run("git", "rev-parse", "HEAD", cwd=repository).stdout.strip()
    same, _, _ = report(repository, tmp_path / "same", STACKPLAN_BASE=head)
    assert same["changed"] == "false"
    pin(repository / "deploy", "c" * 40)
    try:
        outputs, summary, _ = report(repository, tmp_path / "t", STACKPLAN_BASE=head)
    finally:
        assert run("git", "checkout", "-q", "deploy", cwd=repository).returncode == 0
    assert outputs["changed"] == "true"
    assert "c" * 7 in summary
    assert Path(outputs["report"]).read_text() == summary


def test_a_base_that_was_not_fetched_is_a_warning_and_no_failure(repository: Path, tmp_path: Path) -> None:
    outputs, _, log = report(repository, tmp_path / "t", STACKPLAN_BASE="d" * 40)
    assert outputs["changed"] == ""
    assert "::warning::" in log


def test_drift_is_shown_beside_the_file_and_as_sarif_that_the_standard_accepts(
    repository: Path, tmp_path: Path, program
) -> None:
    edited = next(path for path in sorted((repository / "deploy").glob("*.yaml")))
    before = edited.read_text()
    edited.write_text(before + "# mine\n")
    try:
        outputs, summary, log = report(repository, tmp_path / "t")
    finally:
        edited.write_text(before)
    assert outputs["drift"] == "true"
    assert f"::error file=deploy/{edited.name},title=file-changed::" in log
    assert "is not what the locked plan renders to" in summary
    assert_sarif(program, Path(outputs["sarif"]), tmp_path)


def test_the_action_ends_when_stackplan_cannot_answer(tmp_path: Path) -> None:
    (tmp_path / "stackplan").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stackplan "$@"\n')
    (tmp_path / "stackplan").chmod(0o755)
    places = {"RUNNER_TEMP": str(tmp_path), "STACKPLAN": str(tmp_path / "stackplan")}
    done = run(ROOT / "scripts/action", "report", cwd=tmp_path, **places)
    assert done.returncode == 1
    assert "no-plan-file" in done.stderr


HOSTILE = (
    Drift("file-changed", "a b#c?.yaml", "it's <b>not</b> ünicode \u202e", "see `x`", "a b#c?.yaml"),
    Drift("file-changed", "second", "another of one kind", "do", "a b#c?.yaml"),
    Drift("model-gone", "x:Y", "gone", "plan again"),
)


@pytest.mark.parametrize("found", [(), HOSTILE], ids=["nothing", "names that need quoting"])
def test_the_standards_own_schema_accepts_the_log(program, tmp_path: Path, found: tuple[Drift, ...]) -> None:
    log = tmp_path / "log.sarif"
    log.write_text(drift_sarif(found, "deploy", "1.0"), encoding="utf-8")
    assert_sarif(program, log, tmp_path)
    results = json.loads(log.read_text(encoding="utf-8"))["runs"][0]["results"]
    assert len({json.dumps(one["partialFingerprints"]) for one in results}) == len(found)
    assert all("startLine" in one["locations"][0]["physicalLocation"]["region"] for one in results)


def test_the_schema_refuses_what_is_no_log(program, tmp_path: Path) -> None:
    broken = drift_sarif(HOSTILE, "deploy", "1.0").replace('"level": "error"', '"level": "terrible"')
    (tmp_path / "broken.sarif").write_text(broken, encoding="utf-8")
    assert judged(program, tmp_path / "broken.sarif", tmp_path).returncode == 1


def assert_sarif(program, log: Path, folder: Path) -> None:
    assert_accepted(judged(program, log, folder))


def judged(program, log: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    schema = folder / "sarif-schema.json"
    schema.write_bytes(gzip.decompress(SCHEMA.read_bytes()))
    return run(program("check-jsonschema"), "--schemafile", schema, log)


@pytest.mark.slow
def test_the_action_installs_itself_and_reports(repository: Path, tmp_path: Path) -> None:
    """As on a runner: from a clone, into a folder of its own; it needs a package index."""
    source = tmp_path / "action"
    assert run("git", "clone", "-q", ROOT, source).returncode == 0, "a checkout without git cannot be an action"
    places = {
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "PYTHON": sys.executable,
        "PYTHONPATH": "",
    }
    installed = run(source / "scripts/action", "install", cwd=repository, **places)
    if any(words in installed.stderr for words in UNREACHABLE):
        pytest.skip("no package index can be reached")
    assert "stackplan " in installed.stdout, installed.stderr
    assert_accepted(run(source / "scripts/action", "report", cwd=repository, **places))
    assert "drift=false" in (tmp_path / "output").read_text()


@pytest.mark.slow
def test_the_hooks_run_in_another_repository(program, repository: Path, tmp_path: Path) -> None:
    """pre-commit installs stackplan itself and runs the hook; it needs a package index."""
    source = tmp_path / "stackplan"
    assert run("git", "clone", "-q", ROOT, source).returncode == 0, "a checkout without git cannot be a source of hooks"
    home = {"PRE_COMMIT_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    words = (program("pre-commit"), "try-repo", source, "stackplan-check", "--all-files")
    good = run(*words, cwd=repository, **home)
    if any(words in good.stdout + good.stderr for words in UNREACHABLE):
        pytest.skip("no package index can be reached")
    assert good.returncode == 0, good.stdout + good.stderr
    (repository / "deploy" / LOCK_NAME).write_text("{}")
    try:
        assert run(*words, cwd=repository, **home).returncode == 1
    finally:
        assert run("git", "checkout", "-q", "deploy", cwd=repository).returncode == 0
