"""Whatever a recording holds, reading it ends in a host or in one line for people, in bounded time and memory."""

import gzip
import io
import json
import random
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stackplan.detect import read_world, replay_host
from stackplan.detect.replay import MAX_UNPACKED_BYTES, ReplayWorld
from stackplan.detect.world import CommandResult
from stackplan.errors import UserError
from stackplan.hardware import Host
from stackplan.views.host import host_text
from tests.detect.recorded import cases, write_probe

GOOD: dict[str, Any] = {"meminfo_kib": [65536000, 60000000]}


def _refused(path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        replay_host(path)
    assert "\n" not in caught.value.message
    assert caught.value.slug in ("bad-probe", "memory-unknown", "unreadable-file")
    return caught.value


def _ending(read: Callable[[], Host]) -> str:
    try:
        read()
    except UserError as error:
        return error.slug
    return "host"


def _archive(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for entry, data in entries:
            entry.size = len(data) if entry.isfile() else 0
            archive.addfile(entry, io.BytesIO(data))
    return path


def _probe_json(path: Path, content: Any) -> Path:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return _archive(path, (tarfile.TarInfo("probe.json"), data))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "No such file" in _refused(tmp_path / "none.tar.gz").message


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b", b"\x1f\x8b\x08" + b"\0" * 40, b"PK\x03\x04"])
def test_a_file_that_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "probe.tar.gz").write_bytes(content)
    assert _refused(tmp_path / "probe.tar.gz").slug == "bad-probe"


def test_every_truncation_of_a_recording_is_refused(tmp_path: Path) -> None:
    whole = write_probe(tmp_path / "whole.tar.gz", GOOD).read_bytes()
    for length in range(0, len(whole) - 9, 7):
        (tmp_path / "probe.tar.gz").write_bytes(whole[:length])
        _refused(tmp_path / "probe.tar.gz")


def test_damaged_recordings_are_read_or_refused(tmp_path: Path) -> None:
    plain = gzip.decompress(write_probe(tmp_path / "whole.tar.gz", GOOD).read_bytes())
    source = random.Random(1)  # noqa: S311  (repeatable damage)
    for _ in range(150):
        damaged = bytearray(plain)
        for _ in range(source.randint(1, 6)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        (tmp_path / "probe.tar.gz").write_bytes(gzip.compress(bytes(damaged), 1))
        assert _ending(lambda: replay_host(tmp_path / "probe.tar.gz")) in ("host", "bad-probe", "memory-unknown")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "files/../../x", "files/a/../b"])
def test_names_that_leave_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    path = _archive(tmp_path / "probe.tar.gz", (tarfile.TarInfo(name), b"x"))
    assert "which no recording holds" in _refused(path).message


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("files/proc/meminfo")
    entry.type, entry.linkname = kind, "/etc/passwd"
    assert _refused(_archive(tmp_path / "probe.tar.gz", (entry, b""))).slug == "bad-probe"


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "probe.tar.gz").write_bytes(gzip.compress(bytes(MAX_UNPACKED_BYTES + 1024), 9))
    assert "unpacks to more than" in _refused(tmp_path / "probe.tar.gz").message


def test_one_file_cannot_be_larger_than_detection_reads(tmp_path: Path) -> None:
    path = _archive(tmp_path / "probe.tar.gz", (tarfile.TarInfo("files/proc/meminfo"), b"x" * (2**20 + 1)))
    assert "is larger than" in _refused(path).message


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("probe.json")
    path = _archive(tmp_path / "probe.tar.gz", (entry, b"{}"), (tarfile.TarInfo("probe.json"), b"{}"))
    assert _refused(path).slug == "bad-probe"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "probe.json"),
        ({"format": "other", "version": 1}, "format"),
        ({"format": "stackplan-probe", "version": 2}, "version 2 of the format"),
        ({"format": "stackplan-probe", "version": 1, "extra": 1}, "extra"),
        ({"format": "stackplan-probe", "version": 1, "nvml": {"devices": 5}}, "nvml.devices"),
        ({"format": "stackplan-probe", "version": 1, "nvml": {"devices": [{"memory": {"total": -1}}]}}, "total"),
        ({"format": "stackplan-probe", "version": 1, "nvml": {"devices": [{"memory": {"total": 1e300}}]}}, "total"),
        ({"format": "stackplan-probe", "version": 1, "nvml": {"devices": [{"memory": {"total": "24 GB"}}]}}, "total"),
        ({"format": "stackplan-probe", "version": 1, "system": "beos"}, "system"),
        ({"format": "stackplan-probe", "version": 1, "disks": {"/": [-5, 0]}}, "disks"),
        ({"format": "stackplan-probe", "version": 1, "affinity": ["all"]}, "affinity"),
        ({"format": "stackplan-probe", "version": 1, "commands": [{"command": []}]}, "commands"),
    ],
)
def test_wrong_content_is_named(tmp_path: Path, content: Any, told: str) -> None:
    assert told in _refused(_probe_json(tmp_path / "probe.tar.gz", content)).message


def test_a_recording_without_memory_says_so(tmp_path: Path) -> None:
    path = _probe_json(tmp_path / "probe.tar.gz", {"format": "stackplan-probe", "version": 1})
    assert _refused(path).slug == "memory-unknown"


def _cards() -> dict[str, Any]:
    folder = "/sys/class/drm/card{}/device/"
    rows = {f"{folder.format(number)}uevent": "DRIVER=amdgpu\nPCI_ID=1002:744C\n" for number in range(1000)}
    rows |= {f"{folder.format(number)}mem_info_vram_total": "25753026560\n" for number in range(1000)}
    return {"files": rows | {f"/sys/class/drm/card7-DP-{number}/status": "connected\n" for number in range(9000)}}


def _nodes() -> dict[str, Any]:
    nodes = "/sys/class/kfd/kfd/topology/nodes"
    text = "simd_count 4\ngfx_target_version 110000\nvendor_id 4098\nlocation_id 768\n"
    bank = "heap_type 1\nsize_in_bytes 99\n"
    files = {f"{nodes}/{number}/properties": text for number in range(9000)}
    return {"files": files | {f"{nodes}/{number}/mem_banks/0/properties": bank for number in range(9000)}}


def _rows() -> dict[str, Any]:
    text = "index, name, memory.total [MiB]\n" + "0, NVIDIA GeForce RTX 3090, 24576 MiB\n" * 20_000
    return {"commands": [{"command": ["nvidia-smi", "--query-gpu=x", "--format=csv"], "stdout": text}]}


def _groups() -> dict[str, Any]:
    mounts = [f"{n} 1 0:{n} / /cg{n} rw - cgroup cgroup rw,c{n},memory,cpu,cpuset\n" for n in range(12_000)]
    own = [f"{n}:c{n}:{'/a' * 200}\n" for n in range(2000)]
    return {"files": {"/proc/self/cgroup": "".join(own), "/proc/self/mountinfo": "".join(mounts)[: 2**20]}}


@pytest.mark.parametrize("machine", [_cards, _nodes, _rows, _groups])
def test_a_machine_of_any_size_is_read_in_seconds(machine: Callable[[], dict[str, Any]], tmp_path: Path) -> None:
    """Without bounds these took 4, 14, 164 and 12 seconds; a machine has no more than 256 devices."""
    path = write_probe(tmp_path / "probe.tar.gz", {**GOOD, **machine()})
    started = time.process_time()
    assert len(replay_host(path).gpus) in (0, 256)
    assert time.process_time() - started < 3


def test_names_cannot_steer_a_terminal(tmp_path: Path) -> None:
    evil = "evil\n\x1b[2J\x1b]0;title\x07 name"
    world = {
        **GOOD,
        "files": {"/proc/cpuinfo": "processor : 0\nmodel name : \x1b[31mred\n"},
        "nvml": {"driver_version": evil, "devices": [{"name": evil, "uuid": evil, "memory": {"total": 2**34}}]},
    }
    shown = host_text(replay_host(write_probe(tmp_path / "probe.tar.gz", world)))
    assert all(line.isprintable() for line in shown.splitlines())
    assert "evil??[2J" in shown


FILES = sorted({path for case in cases() for path in case["world"].get("files", {})} - {"/proc/meminfo"})
HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["0-99999,0-99999", "9" * 400, "-1", "\0", "0x" + "f" * 40, "max max", "1 0", "a:" * 50, "\n\n \t"]
    ),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FILES), HOSTILE, max_size=8), HOSTILE)
def test_any_text_in_any_file_and_program_is_read_without_a_crash(files: dict[str, str], output: str) -> None:
    result = CommandResult("done", 0, output)
    commands = {("nvidia-smi", option): result for option in ("--query-gpu=x", "-L")} | {("nvidia-smi",): result}
    world = ReplayWorld(files={"/proc/meminfo": "MemTotal: 1000000 kB\n", **files}, commands=commands)
    assert isinstance(read_world(world), Host)


APU = {
    "/proc/meminfo": "MemTotal: 64000000 kB\n",
    "/sys/class/drm/card0/device/uevent": "DRIVER=amdgpu\nPCI_ID=1002:1586\n",
    "/sys/class/drm/card0/device/mem_info_vram_total": "536870912\n",
    "/sys/class/drm/card0/device/mem_info_gtt_total": "32849018880\n",
    "/sys/class/kfd/kfd/topology/nodes/1/properties": "simd_count 80\ngfx_target_version 110501\nvendor_id 4098\n",
}
HEAPS = st.text(alphabet="GPU0: \n\tmemoryHeaps[1]sizeDEVICE_LOCALINTEGRATED_GPU=()9", max_size=200)


@settings(max_examples=60)
@given(HOSTILE | HEAPS)
def test_any_answer_about_heaps_leaves_a_budget_within_the_pool(output: str) -> None:
    for text in (output, f"GPU0:\nINTEGRATED_GPU\nmemoryHeaps[0]:\n{output}\nDEVICE_LOCAL", f"Agent 1\n{output}"):
        result = CommandResult("done", 0, text)
        host = read_world(ReplayWorld(files=APU, commands={("vulkaninfo",): result, ("rocminfo",): result}))
        pool = host.host_pool
        assert 0 <= pool.budget_bytes <= pool.capacity_bytes == 32849018880
        assert all(0 <= one.bytes <= pool.capacity_bytes for one in host.gpus[0].capacities)
        assert all(line.bytes > 0 for line in pool.reserved)


@settings(max_examples=60)
@given(HOSTILE)
def test_any_answer_of_the_programs_of_other_systems_is_read_without_a_crash(output: str) -> None:
    result = CommandResult("done", 0, output)
    programs = ("sysctl", "system_profiler", "reg", "powershell", "nvidia-smi", "python")
    commands = {(program,): result for program in programs} | {(p, "-NoProfile"): result for p in programs}
    for system in ("darwin", "windows"):
        world = ReplayWorld(system=system, machine="arm64", commands=commands)
        assert _ending(lambda world=world: read_world(world)) in ("host", "memory-unknown")
