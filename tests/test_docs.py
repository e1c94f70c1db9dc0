"""Documents say what the program does: every verb, every option and every error is in them, and nothing else is."""

import ast
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from stackplan.cli import VERBS
from stackplan.errors import ExitCode

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = runpy.run_path(str(ROOT / "scripts" / "readme_example.py"))
REFERENCE = runpy.run_path(str(ROOT / "scripts" / "cli_reference.py"))
ERRORS = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def documented_slugs() -> set[str]:
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|", ERRORS, re.MULTILINE))


@cache
def used_slugs() -> frozenset[str]:
    """Every slug that the source can raise: literals given as ``slug=``, and reasons of estimates that are none."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "src").rglob("*.py"))]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return frozenset(slug for call in calls for slug in _slugs(call))


def _slugs(call: ast.Call) -> Iterator[str]:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "slug"]
    if isinstance(call.func, ast.Name) and call.func.id == "Unestimable" and call.args:
        given.append(call.args[0])
    for value in given:
        branches = (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,)
        yield from (one.value for one in branches if isinstance(one, ast.Constant) and isinstance(one.value, str))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_says_what_it_does(verb: str) -> None:
    text = REFERENCE["help_text"]((verb,))
    assert f"stackplan {verb}" in text
    assert len(text.splitlines()) > 5


def test_the_reference_is_what_the_program_prints() -> None:
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == REFERENCE["reference"](), "run `make docs`"


def test_every_error_is_explained() -> None:
    assert used_slugs() - documented_slugs() == set(), "explain them in docs/errors.md"


def test_no_error_is_explained_that_cannot_happen() -> None:
    assert documented_slugs() - used_slugs() == set(), "remove them from docs/errors.md"


def test_no_error_is_explained_twice() -> None:
    slugs = re.findall(r"^\| `([a-z0-9-]+)` \|", ERRORS, re.MULTILINE)
    assert len(slugs) == len(set(slugs))


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_explained(code: ExitCode) -> None:
    assert f"| {int(code)} |" in ERRORS
    assert re.search(rf"\b{int(code)}\b", README)


def test_the_readme_begins_with_the_two_commands() -> None:
    commands = re.findall(r"^(?:\$ )?(make \w+)", README, re.MULTILINE)
    assert commands[:2] == ["make apply", "make test"]


def test_the_readme_shows_the_plan_that_the_program_makes() -> None:
    assert "$ stackplan plan " in README
    assert EXAMPLE["renewed"](README) == README, "run `make docs`"


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda page: page.name,
)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_house_in_the_design_is_the_house_in_the_tree() -> None:
    design = (ROOT / "docs" / "DESIGN.md").read_text(encoding="utf-8")
    ranks: dict[str, int] = runpy.run_path(str(ROOT / "tests" / "test_architecture.py"))["RANKS"]
    drawn = {
        name.rstrip("/").removesuffix(".py"): int(rank)
        for rank, names in re.findall(r"^ *(\d+)  ((?:[a-z_]+(?:\.py|/) ?)+)", design, re.MULTILINE)
        for name in names.split()
    }
    present = {path.stem for path in (ROOT / "src" / "stackplan").iterdir() if not path.name.startswith(("__p", "."))}
    assert drawn == {name: rank for name, rank in ranks.items() if name in present - {"py"}}
