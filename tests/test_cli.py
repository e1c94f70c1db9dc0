"""The command line as a person meets it: one process per command, exit codes, stdout for data, stderr for the story."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest

from stackplan import __version__
from stackplan.cli import VERBS
from stackplan.cli.world import Asked, asked_from, same_asked_of

ROOT = Path(__file__).resolve().parents[1]
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user with no folders of their own yet, on a terminal of 100 columns."""
    own = {"STACKPLAN_CONFIG": str(tmp_path / "config"), "COLUMNS": "100", "HF_HUB_OFFLINE": "1", "LC_ALL": "C.UTF-8"}
    return {**os.environ, **own}


@pytest.fixture
def stackplan(tmp_path: Path, environment: dict[str, str]):
    def call(*words: str, **more: str) -> Done:
        return subprocess.run(
            [sys.executable, "-m", "stackplan", *words],
            cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return call


def test_the_version_is_one_line(stackplan) -> None:
    done = stackplan("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"stackplan {__version__}\n", "")


def test_help_names_every_verb_and_the_exit_codes(stackplan) -> None:
    done = stackplan("--help")
    assert done.returncode == 0
    assert [verb for verb in VERBS if f"  {verb} " not in done.stdout] == []
    assert "3 no plan" in done.stdout


@pytest.mark.parametrize(
    ("words", "slug", "names_the_fix"),
    [
        (["plan", "rtx-3090-tii"], "unknown-profile", "rtx-3090-ti"),
        (["plan", "rtx-3090-ti", "--stack", "everyda"], "unknown-stack", "everyday"),
        (["plan", "rtx-3090-ti", "--policy", "qualty"], "unknown-policy", "quality"),
        (["plan", "rtx-3090-ti", "--ram", "0"], "bad-size", "--ram"),
        (["plan", "rtx-3090-ti", "--ram=-5GiB"], "bad-size", "GiB"),
        (["plan", "rtx-3090-ti", "--vram", "gpu9=8GiB"], "bad-size", "gpu0"),
        (["plan", "rtx-3090-ti", "--headroom", "lots"], "bad-size", "GiB"),
        (["plan", "rtx-3090-ti", "--set", "wroker.context=32k"], None, "worker"),
        (["plan", "rtx-3090-ti", "--set", "worker.contxt=32k"], "bad-set", "context"),
        (["plan", "rtx-3090-ti", "--set", "worker.context=-1"], "bad-set", ""),
        (["plan", "rtx-3090-ti", "--set", "nonsense"], "bad-set", "worker.context"),
        (["plan", "--host", "nowhere.json"], None, ""),
        (["plan", "broken.yaml"], "bad-yaml", ""),
        (["plan", "nowhere.yaml"], None, ""),
        (["apply", "rtx-3090-ti", "--out", "taken"], "deploy-foreign", "--out"),
        (["download"], "no-plan-file", "stackplan apply"),
        (["catalog", "show", "qwen3-8"], "unknown-model", "qwen3-8b"),
        (["inspect", "nowhere.gguf"], "file-not-found", ""),
        (["profiles", "show", "rtx-309"], "unknown-profile", "rtx-3090"),
        (["render", "--plan", "broken.yaml"], "plan-unreadable", "stackplan apply"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_with_a_name_and_a_hint(
    stackplan, tmp_path: Path, words: list[str], slug: str | None, names_the_fix: str
) -> None:
    (tmp_path / "broken.yaml").write_text("id: [unclosed\n", encoding="utf-8")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("years of work", encoding="utf-8")
    done = stackplan(*words)
    told = done.stderr.splitlines()
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(told) == 2, told
    assert told[0].startswith(f"error[{slug}]: " if slug else "error[")
    assert told[1].startswith("hint: ")
    assert names_the_fix in done.stderr
    assert (tmp_path / "taken" / "thesis.txt").exists()


@pytest.mark.parametrize("words", [["nonsense"], ["plan", "--nonsense"], ["plan", "a", "b"], ["catalog", "nonsense"]])
def test_a_misspelt_command_ends_with_1_and_points_to_help(stackplan, words: list[str]) -> None:
    done = stackplan(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert "--help" in done.stderr


def test_a_wish_that_cannot_be_met_ends_with_3_and_says_why(stackplan) -> None:
    done = stackplan("plan", "cpu-only", "--set", "worker.speed=100000")
    assert (done.returncode, done.stdout) == (3, "")
    assert "error[no-plan]" in done.stderr
    assert "worker" in done.stderr
    assert "hint: " in done.stderr


def test_json_on_stdout_is_json_and_nothing_else(stackplan) -> None:
    done = stackplan("plan", "cpu-only", "--json")
    plan = json.loads(done.stdout)
    assert done.returncode == 0
    assert plan["schema"] == 1
    for pool in plan["host"]["pools"]:
        assert pool["budget_bytes"] == pool["capacity_bytes"] - sum(line["bytes"] for line in pool["reserved"])
        assert pool["used_bytes"] <= pool["budget_bytes"]


def test_every_verb_and_every_subcommand_of_one_takes_json() -> None:
    """By the page that `make docs` writes of them, which another test holds against the program."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = {part.split("\n", 1)[0]: part for part in re.split(r"^#+ stackplan ", page, flags=re.MULTILINE)[1:]}
    groups = {name for name, text in sections.items() if "\nCommands:\n" in text or f"{name} [OPTIONS] COMMAND" in text}
    assert len(sections) > 25
    assert [name for name, text in sections.items() if "--json" not in text and name not in groups] == []


def test_a_schema_is_json_with_or_without_asking_for_it(stackplan) -> None:
    plain, asked = stackplan("schema", "plan"), stackplan("schema", "plan", "--json")
    assert json.loads(plain.stdout) == json.loads(asked.stdout)


def test_the_same_command_twice_writes_the_same_bytes(stackplan, tmp_path: Path) -> None:
    assert stackplan("apply", "cpu-only", "--out", "one").returncode == 0
    assert stackplan("apply", "cpu-only", "--out", "two", STACKPLAN_CACHE=str(tmp_path / "cold")).returncode == 0
    trees = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("one", "two")
    ]
    assert trees[0]
    assert trees[0] == trees[1]


def test_a_plan_on_a_pipe_has_no_colour_and_names_the_next_step(stackplan) -> None:
    done = stackplan("plan", "cpu-only")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert done.stdout.endswith("Next: stackplan apply cpu-only\n")


def test_a_plan_without_a_proof_says_how_to_go_on(stackplan) -> None:
    for profile, stack, proved in (("rtx-3090-ti", "everyday", True), ("rtx-3060-12gb", "research", False)):
        done = stackplan("plan", profile, "--stack", stack, "--json")
        assert (json.loads(done.stdout)["proof"]["gap"] == 0) == proved
        assert ("--prove searches" in done.stderr) != proved


def test_the_next_step_asks_for_the_plan_that_was_shown() -> None:
    given = {"profile": "2x rtx-3090", "settings": ["worker.context=16k", "code.tier=hot"], "ram": "128GiB"}
    asked = asked_from({**given, "forbid": None, "no_measurements": True, "commercial": False, "as_json": False})
    command = same_asked_of("apply", asked)
    assert command == (
        "stackplan apply '2x rtx-3090' --set worker.context=16k --set code.tier=hot --ram 128GiB --no-measurements"
    )


def test_every_option_of_a_planning_verb_returns_in_the_next_step_as_that_verb_reads_it() -> None:
    known = runpy.run_path(str(ROOT / "scripts" / "cli_reference.py"))["help_text"](("apply",))
    full = Asked(**{each.name: True if each.default is False else ("x",) for each in fields(Asked)[1:]})
    options = [word for word in same_asked_of("apply", full).split() if word.startswith("--")]
    assert len(options) == len(fields(Asked)) - 1
    assert [option for option in options if f" {option} " not in known] == []


def test_terminals_without_block_letters_get_ascii(stackplan) -> None:
    done = stackplan("plan", "cpu-only", LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert done.stdout.isascii()


def test_a_reader_that_goes_away_is_no_error(environment: dict[str, str], tmp_path: Path) -> None:
    command = f"{sys.executable} -m stackplan catalog list | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "0"
    assert "Traceback" not in done.stderr


def test_an_interrupt_ends_with_130_and_no_traceback(environment: dict[str, str], tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "stackplan", "plan", "epyc-512gb"],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode in (130, 0)  # 0 where the machine had planned already
    assert "Traceback" not in told


def test_an_interrupt_after_all_is_done_changes_nothing() -> None:
    """While Python ends, which takes a moment after a large plan."""
    code = (
        "import atexit, os, signal, sys; from stackplan.cli import main; sys.argv = ['stackplan', '--version']\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT)); main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"stackplan {__version__}\n", "")
