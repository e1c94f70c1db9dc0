"""The command line reads what was kept on this machine, and leaves it out when asked to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.calibrate.samples import SAMPLE, numbered

from stackplan.calibration_store import Store
from stackplan.measurement import Measurement, machine_of, placement_classes
from stackplan.measurement_lines import lines_of
from stackplan.plan import Plan, plan_from_json
from stackplan.values import replace

STACK = """
title: One role
source: made for this test
roles:
  - role: embedding
"""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HOME": str(folder),
        "STACKPLAN_STATE": str(folder / "state"),
        "STACKPLAN_CACHE": str(folder.parent / "index"),  # read the catalog's YAML once for all tests
    }
    command = [sys.executable, "-m", "stackplan", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def planned(folder: Path, *words: str) -> Plan:
    done = run(folder, "plan", "rtx-3090", "--stack", "one.yaml", "--json", *words)
    assert done.returncode == 0, done.stderr
    return plan_from_json(done.stdout)


def measured(plan: Plan) -> Measurement:
    """The plan's instance, three times as fast as it was derived."""
    (one,) = plan.instances
    assert one.speed is not None
    rate = one.speed.decode_tokens_per_second * 3
    figure = replace(SAMPLE.prompt, median=rate, low=rate, high=rate)  # type: ignore[type-var]
    machine = plan.host.machine
    return replace(
        SAMPLE,
        machine=machine_of(machine),
        devices=placement_classes(one.placement, machine),
        gpu_layers=0 if one.placement.is_cpu else one.placement.gpu_layers,
        engine=one.engine,
        engine_version=plan.engine(one.engine).version,
        artifact=one.artifact,
        mode=one.mode,
        kv_type=one.kv_type,
        decode=None,
        prompt=figure,
        host_peak_bytes=None,
        device_peak_bytes=None,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.yaml").write_text(STACK)
    return tmp_path


def test_a_plan_uses_what_was_kept_unless_told_not_to(folder: Path) -> None:
    before = planned(folder)
    one = measured(before)
    Store(folder / "state" / "measurements.sqlite3").keep([one])
    after = planned(folder)
    assert after.measurements is not None
    assert [used.digest for used in after.measurements.used] == [one.digest]
    assert one.prompt
    assert after.instances[0].speed
    assert after.instances[0].speed.decode_tokens_per_second == pytest.approx(one.prompt.median)
    assert planned(folder, "--no-measurements") == before


def test_a_store_that_cannot_be_read_is_told_and_can_be_left_out(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "state" / "measurements.sqlite3").write_bytes(b"thesis" * 1000)
    done = run(folder, "plan", "rtx-3090", "--stack", "one.yaml")
    assert (done.returncode, "state-damaged" in done.stderr) == (1, True)
    assert planned(folder, "--no-measurements").instances


def test_the_schema_of_a_line_is_printed(folder: Path) -> None:
    schema = json.loads(run(folder, "schema", "measurement").stdout)
    assert {"machine", "decode", "prompt"} <= set(schema["properties"])


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        (("calibrate", "forget"), "bad-options"),
        (("calibrate", "forget", "nothing"), "unknown-measurement"),
        (("calibrate", "import", "no-such-file"), "measurements-unreadable"),
        (("calibrate",), "no-plan-file"),
        (("bench", "--url", "ftp://x"), "bad-options"),
        (("bench", "--url", "http://user:word@127.0.0.1:1"), "bad-options"),
        (("bench", "--url", "http://127.0.0.1:1", "--mode", "song"), "bad-options"),
        (("bench", "--url", "http://127.0.0.1:9", "--seconds", "2"), "bench-failed"),
    ],
)
def test_mistakes_are_told_in_one_line(folder: Path, words: tuple[str, ...], slug: str) -> None:
    done = run(folder, *words)
    assert (done.returncode, f"error[{slug}]" in done.stderr) == (1, True), done.stderr
    assert not (folder / "state").exists()


def test_lists_of_nothing_are_lists(folder: Path) -> None:
    assert json.loads(run(folder, "calibrate", "list", "--json").stdout) == []
    assert run(folder, "calibrate", "export").stdout == ""
    assert "nothing is kept" in run(folder, "calibrate", "list").stdout


def test_a_file_of_rubbish_is_refused_in_a_few_lines(folder: Path) -> None:
    (folder / "rubbish").write_bytes(b"x" * 2_000_000 + b"\n" * 10 + b"{}\n" * 300)
    done = run(folder, "calibrate", "import", "rubbish")
    assert done.returncode == 1
    assert "lines more" in done.stderr
    assert len(done.stderr.splitlines()) < 30
    assert "rubbish, line 1: longer than" in done.stderr
    assert "rubbish, line 11: " in done.stderr
    assert "rubbish, line 10: " not in done.stderr
    assert "0 measurements read" in done.stdout
    assert not (folder / "state").exists()


def test_imports_at_once_keep_every_line_of_each(folder: Path) -> None:
    files = []
    for number in range(5):
        files.append(folder / f"{number}.jsonl")
        files[-1].write_text(lines_of(numbered(100 * number + one) for one in range(40)))
    command = [sys.executable, "-m", "stackplan", "calibrate", "import"]
    environment = {**os.environ, "STACKPLAN_STATE": str(folder / "state")}
    processes = [subprocess.Popen([*command, str(file)], env=environment, stdout=subprocess.PIPE) for file in files]
    assert [process.wait(timeout=120) for process in processes] == [0] * 5
    assert run(folder, "calibrate", "export").stdout == lines_of(
        numbered(100 * number + one) for number in range(5) for one in range(40)
    )
