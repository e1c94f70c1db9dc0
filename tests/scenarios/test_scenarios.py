"""Worlds and what is said in them: each YAML beside this file is run as it stands and compared with its snapshot.

`SCENARIOS_UPDATE=1 pytest tests/scenarios` writes the snapshots anew; read the difference before you commit it.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
SCENARIOS = sorted(path.stem for path in HERE.glob("*.yaml"))
SHARED = {path.name: path.read_text(encoding="utf-8") for path in sorted((HERE / "given").glob("*"))}
SECONDS = re.compile(r"\b\d+\.\d+ s\b")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_ends_as_its_snapshot_says(name: str, tmp_path: Path) -> None:
    told = play(yaml.safe_load((HERE / f"{name}.yaml").read_text(encoding="utf-8")), tmp_path)
    snapshot = HERE / f"{name}.snapshot"
    if os.environ.get("SCENARIOS_UPDATE"):
        snapshot.write_text(told, encoding="utf-8")
    assert told == snapshot.read_text(encoding="utf-8")


def test_every_scenario_is_drawn_and_every_snapshot_has_one() -> None:
    assert {path.stem for path in HERE.glob("*.snapshot")} == set(SCENARIOS)
    for name in SCENARIOS:
        assert (HERE / f"{name}.yaml").read_text(encoding="utf-8").startswith("# ")


def test_no_scenario_ends_in_a_traceback() -> None:
    for path in HERE.glob("*.snapshot"):
        assert "Traceback" not in path.read_text(encoding="utf-8"), path.name


def play(scenario: dict[str, Any], folder: Path) -> str:
    """Everything that the scenario's commands say, and what they leave behind."""
    write(folder, {**SHARED, **scenario.get("files", {})})
    given = set(names(folder))
    told = "".join(run(command, folder) for command in scenario["run"])
    left = [name for name in names(folder) if name not in given and not name.startswith((".cache/", ".home/"))]
    return told + "".join(f"left: {name}\n" for name in left)


def run(command: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stackplan", *shlex.split(command)],
        cwd=folder,
        env=surroundings(folder),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    parts = [f"$ stackplan {command}", f"exit: {done.returncode}"]
    parts += [f"stdout| {line}".rstrip() for line in done.stdout.splitlines()]
    # What the machine that runs the tests lacks is no part of a scenario.
    told = [line for line in done.stderr.splitlines() if not line.startswith("note: this machine is another: ")]
    parts += [f"stderr| {line}".rstrip() for line in told]
    return SECONDS.sub("<time>", "\n".join(parts)).replace(str(folder), "<here>") + "\n\n"


def surroundings(folder: Path) -> dict[str, str]:
    """A user with nothing but a home: no keys, no proxies; the index of the bundled catalog is shared."""
    cache = os.environ.get("STACKPLAN_CACHE") or str(Path.home() / ".cache" / "stackplan")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / ".home"),
        "STACKPLAN_CONFIG": str(folder / "config"),
        "STACKPLAN_CACHE": cache,
        "COLUMNS": "100",
        "PYTHONIOENCODING": "utf-8",
    }


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
