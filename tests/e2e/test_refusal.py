"""Where there is no plan, what is said to make one makes one: every fix is tried as it is written."""

import json
import shlex
from pathlib import Path

import pytest
from tests.e2e.test_apply import stackplan

BIG = """title: Too much
roles:
  - {role: worker, model: qwen2.5-32b-instruct, quantisation: F16, device: gpu0}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "big.yaml").write_text(BIG, encoding="utf-8")
    return tmp_path


def refused(folder: Path) -> dict:
    done = stackplan("plan", "rtx-3090-ti", "--stack", "big.yaml", "--json", cwd=folder)
    assert done.returncode == 3
    told: dict = json.loads(done.stdout)["no_plan"]
    return told


def test_an_impossible_wish_is_told_its_shortfall_in_bytes(folder: Path) -> None:
    """Qwen2.5-32B at F16 is 32.76e9 weights of 2 bytes; a card of 24 GiB lacks at least what is beyond 24 GiB."""
    (miss,) = refused(folder)["nearest_misses"]
    assert (miss["role"], miss["pool"]) == ("worker", "gpu0")
    assert 2 * 32_763_876_352 - 24 * 1024**3 - 2 * 1024**3 < miss["shortfall_bytes"] < 2 * 32_763_876_352


def test_every_fix_makes_a_plan(folder: Path) -> None:
    fixes = [fix["option"] for fix in refused(folder)["fixes"]]
    assert fixes
    for fix in [*fixes, "--partial"]:
        done = stackplan("plan", "rtx-3090-ti", "--stack", "big.yaml", *shlex.split(fix), cwd=folder)
        assert done.returncode == 0, f"{fix}: {done.stderr}"


def test_a_little_less_memory_than_the_fix_says_is_not_enough(folder: Path) -> None:
    """The smallest single change is the smallest: half a GiB less, and the wish stays impossible."""
    (size,) = [fix["option"].partition("=")[2] for fix in refused(folder)["fixes"] if "--vram" in fix["option"]]
    less = f"gpu0={float(size.removesuffix('GiB')) - 0.5}GiB"
    done = stackplan("plan", "rtx-3090-ti", "--stack", "big.yaml", "--vram", less, cwd=folder)
    assert done.returncode == 3, done.stdout
