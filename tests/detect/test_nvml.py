"""NVIDIA's management library through its real Python binding, against a C library with the same interface."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stackplan.detect import read_world
from stackplan.detect.probe_schema import Library
from stackplan.detect.replay import ReplayWorld
from stackplan.hardware import Host
from stackplan.units import MIB

SOURCE = Path(__file__).with_name("fake_nvml.c")
ASK = "import json; from stackplan.detect.nvml import snapshot; print(json.dumps(snapshot()))"


def _ask(library_path: str) -> Any:
    told = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "LD_LIBRARY_PATH": library_path},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(told.stdout)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler on Linux")
    folder = tmp_path_factory.mktemp("nvml")
    command = [compiler, "-shared", "-fPIC", "-w", "-o", str(folder / "libnvidia-ml.so.1"), str(SOURCE)]
    subprocess.run(command, check=True)
    return _ask(str(folder))


@pytest.fixture
def host(answers: Any) -> Host:
    files = {"/proc/meminfo": "MemTotal: 127600748 kB\nMemAvailable: 118566368 kB\n"}
    return read_world(ReplayWorld(files=files, library=answers))


def test_the_snapshot_is_what_a_recording_may_hold(answers: Any) -> None:
    assert Library.model_validate(answers).driver_version == "580.173.02"


def test_a_card_tells_memory_bus_clock_link_and_who_holds_it(answers: Any) -> None:
    card = answers["devices"][0]
    assert card["memory"] == {"total": 25769803776, "reserved": 441450496, "free": 23180869632, "used": 2147483648}
    assert card["processes"] == [{"name": "llama-server", "bytes": 2147483648, "kind": "compute"}]
    assert (card["pci_id"], card["memory_bus_bits"], card["memory_clock_mhz"]) == ("10de:2204", 384, 9751)
    assert (card["compute_capability"], card["cores"], card["ecc"], card["mig"]) == ("8.6", 10496, None, None)


def test_refusals_are_states(answers: Any) -> None:
    parent, shared, lost = answers["devices"][1:]
    assert parent["memory"] == {"state": "NO_PERMISSION"}
    assert shared["memory"] == {"state": "NOT_SUPPORTED"}
    assert lost["error"] == "GPU_IS_LOST"


def test_cards_slices_and_lost_ones_become_devices(host: Host) -> None:
    assert [(gpu.id, gpu.uuid, gpu.catalog_id) for gpu in host.gpus[:2]] == [
        ("gpu0", "GPU-1", "rtx-3090"),
        ("gpu1", "MIG-9", "a100-40gb-mig-3g.20gb"),
    ]
    assert host.pool("gpu1").capacity_bytes == 19968 * MIB
    assert "llama-server" in {line.note for line in host.pool("gpu0").reserved}


def test_without_a_library_the_answer_says_so(tmp_path: Path) -> None:
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has NVIDIA's driver")
    told = _ask(str(tmp_path))
    assert told["devices"] == []
    assert told["error"]
