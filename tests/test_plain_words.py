"""What is read without typer means what typer would have read; what is in doubt is typer's."""

import subprocess
import sys
from dataclasses import fields

import pytest
import typer.main

from stackplan.cli import _application
from stackplan.cli.plain_words import plain_plan
from stackplan.cli.world import Asked, asked_from, option_of

PLAIN = [
    [],
    ["rtx-4090"],
    ["2x rtx-3090"],
    ["rtx-4090", "--json"],
    ["--json", "rtx-4090"],
    ["--policy", "speed", "rtx-4090", "--stack", "mine.yaml"],
    ["--set", "worker.context=32k", "--set", "code.tier=hot", "--forbid", "a", "--vram", "gpu0=8GiB"],
    ["--host", "machine.json", "--catalog", "some folder", "--partial", "--idle", "--prove", "--commercial"],
    ["rtx-4090", "--no-measurements", "--ram", "64GiB", "--headroom", "1GiB"],
]
IN_DOUBT = [
    ["--help"],
    ["rtx-4090", "--help"],
    ["rtx-4090", "rtx-3090"],
    ["--policy"],
    ["--policy", "--json"],
    ["--policy=speed"],
    ["--policy", "speed", "--policy", "quality"],
    ["--headroom", "-1GiB"],
    ["--jso"],
    ["-h"],
    ["--", "rtx-4090"],
    ["--write-model", "problem.mps"],
    [""],
    ["rtx-4090", "--policy", ""],
    ["rtx\udcff4090"],
    ["rtx\n4090"],
]


def as_typer_reads(words: list[str]) -> tuple[Asked, bool]:
    group = typer.main.get_command(_application(["plan"]))
    given = group.commands["plan"].make_context("plan", list(words)).params  # type: ignore[attr-defined]
    return asked_from(given), given["as_json"]


@pytest.mark.parametrize("words", PLAIN, ids=" ".join)
def test_plain_words_mean_what_typer_would_have_read(words: list[str]) -> None:
    assert plain_plan(words) == as_typer_reads(words)


@pytest.mark.parametrize("field", fields(Asked)[1:], ids=lambda field: field.name)
def test_every_option_can_be_said_in_plain_words(field) -> None:
    words = ["rtx-4090", option_of(field.name), *([] if field.type is bool else ["some words"])]
    read = plain_plan(words)
    assert read is not None
    assert read == as_typer_reads(words)
    assert getattr(read[0], field.name) != field.default


@pytest.mark.parametrize("words", IN_DOUBT, ids=ascii)
def test_what_is_in_doubt_is_left_to_typer(words: list[str]) -> None:
    assert plain_plan(words) is None


def test_a_plan_in_plain_words_needs_neither_typer_nor_schemas_nor_yaml() -> None:
    """On the second run: the first one may have to read the YAML of stacks, profiles and catalog."""
    code = (
        "import sys; from stackplan.cli import run; run(['plan', 'cpu-only', '--json'])\n"
        "print([name for name in ('typer', 'pydantic', 'yaml', 'rich') if name in sys.modules], file=sys.stderr)"
    )
    done = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
        for _ in range(2)
    ]
    assert done[1].splitlines()[-1] == "[]"
