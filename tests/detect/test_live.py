"""The machine that the tests run on, and vendor programs that misbehave."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stackplan.detect import detect_host
from stackplan.detect.bandwidth import keep_bandwidth, kept_bandwidth, machine_mark, measure_bandwidth
from stackplan.detect.live import LiveWorld
from stackplan.detect.world import ENVIRONMENT_NAMES
from stackplan.host_json import host_from_json, host_schema, host_to_json


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_this_machine_has_a_cpu_and_memory_to_plan_with() -> None:
    host = detect_host()
    assert host.cpu.usable_threads >= 1
    assert 0 < host.host_pool.budget_bytes < host.host_pool.capacity_bytes
    assert host.disk is not None


def test_a_hung_vendor_program_costs_two_seconds_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "nvidia-smi", "sleep 60 & sleep 60")
    _program(tmp_path, "rocm-smi", "sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    started = time.monotonic()
    host = detect_host()
    assert time.monotonic() - started < 3.5
    assert host.gpus == () or all(gpu.vendor != "nvidia" for gpu in host.gpus)


def test_two_hung_programs_cost_little_more_than_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nvidia-smi", "vulkaninfo", "rocminfo"):
        _program(tmp_path, name, "sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    world = LiveWorld()
    started = time.monotonic()
    assert {world.run((name,)).status for name in ("nvidia-smi", "vulkaninfo", "rocminfo")} == {"timeout"}
    assert time.monotonic() - started < 3


def test_a_program_that_hung_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "index, name, mig.mode.current\\n0, A, Enabled\\n"
    _program(tmp_path, "nvidia-smi", f'case "$1" in --query-gpu=*) printf "{answer}";; *) sleep 60;; esac')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    started = time.monotonic()
    detect_host()
    assert time.monotonic() - started < 3.5


def test_a_program_that_writes_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "nvidia-smi", "yes 'GPU 0: endless (UUID: GPU-1)'")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    started = time.monotonic()
    result = LiveWorld().run(("nvidia-smi",))
    assert (result.status, result.stdout) == ("failed", "")
    assert time.monotonic() - started < 3


def test_a_real_program_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "index, name, memory.total [MiB], memory.used [MiB]\\n0, NVIDIA GeForce RTX 3090, 24576 MiB, 0 MiB"
    _program(tmp_path, "nvidia-smi", f'printf "{answer}"')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert [gpu.catalog_id for gpu in detect_host().gpus if gpu.vendor == "nvidia"][:1] == ["rtx-3090"]


def test_no_program_is_started_for_what_a_file_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if sys.platform != "linux" or Path("/proc/driver/nvidia").exists():
        pytest.skip("a machine with a vendor driver asks the vendor")
    for name in ("nvidia-smi", "rocm-smi", "lspci", "lscpu", "free", "df", "uname", "sysctl"):
        _program(tmp_path, name, f"touch {tmp_path}/started-{name}; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    detect_host()
    assert {path.name for path in tmp_path.glob("started-*")} <= {"started-nvidia-smi"}


WATCHED = """
import sys
seen = []
names = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn")
sys.addaudithook(lambda name, _: seen.append(name) if name.startswith("socket.") or name in names else None)
from stackplan.cli import run
assert run(["detect", "--json"]) == 0
print(seen, file=sys.stderr)
"""


def test_detection_opens_no_socket_and_starts_no_program(tmp_path: Path) -> None:
    """As the interpreter itself reports it, from the start of the command to its end, nothing kept from before."""
    if sys.platform != "linux" or Path("/proc/driver/nvidia").exists() or Path("/dev/kfd").exists():
        pytest.skip("a machine with a vendor driver asks the vendor")
    environment = {**os.environ, "STACKPLAN_CACHE": str(tmp_path), "STACKPLAN_CONFIG": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, env=environment, check=True)
    assert done.stderr.strip() == "[]"


def test_a_recording_holds_nothing_of_a_program_that_hung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "nvidia-smi", "echo secret; sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    result = LiveWorld().run(("nvidia-smi", "-L"))
    assert (result.status, result.stdout) == ("timeout", "")


def test_only_listed_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTNAME", "alicebox")
    assert LiveWorld().environment("HOSTNAME") is None
    assert "HOSTNAME" not in ENVIRONMENT_NAMES


def test_detection_imports_neither_network_nor_driver_library() -> None:
    script = (
        "import sys; from stackplan.detect import detect_host; detect_host();"
        "heavy = ('pydantic', 'yaml', 'pynvml', 'httpx2', 'huggingface_hub', 'rich', 'psutil');"
        "print([name for name in heavy if name in sys.modules])"
    )
    if Path("/proc/driver/nvidia").exists() or Path("/dev/nvidiactl").exists():
        pytest.skip("a machine with NVIDIA's driver asks its library")
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_bandwidth_is_measured_on_request_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKPLAN_CACHE", str(tmp_path))
    here = machine_mark(detect_host().cpu)
    assert kept_bandwidth(here) is None
    rate = measure_bandwidth(1, buffer_bytes=32 * 2**20)
    assert 10**8 < rate < 10**13
    keep_bandwidth(here, rate)
    assert kept_bandwidth(here) == rate
    assert detect_host().cpu.bandwidth_bytes_per_second == rate
    assert "memory bandwidth measured" in detect_host().notes


def test_a_home_that_machines_share_keeps_a_figure_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKPLAN_CACHE", str(tmp_path))
    keep_bandwidth("another processor, 64 threads", 4 * 10**11)
    assert detect_host().cpu.bandwidth_bytes_per_second != 4 * 10**11
    keep_bandwidth("a third, 8 threads", 5 * 10**10)
    assert kept_bandwidth("another processor, 64 threads") == 4 * 10**11


@pytest.mark.parametrize("content", ["", "[]", '{"here": -1}', '{"here": "fast"}', "\0", "[" * 9999])
def test_a_broken_kept_figure_is_no_figure(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKPLAN_CACHE", str(tmp_path))
    (tmp_path / "memory-bandwidth.json").write_text(content)
    assert kept_bandwidth("here") is None
    keep_bandwidth("here", 10**10)
    assert kept_bandwidth("here") == 10**10


def test_a_host_survives_json_and_the_schema_names_its_fields() -> None:
    host = detect_host()
    data = host_to_json(host)
    assert host_from_json(data) == host
    assert set(data) <= set(host_schema()["properties"])
