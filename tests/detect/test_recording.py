"""A recording holds what was read, reads the same anywhere, and tells of no person or machine."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from stackplan.detect import read_world, record_host, replay_host
from stackplan.detect.recording import RecordingWorld
from stackplan.detect.redact import Redactor, pseudonym_uuid
from stackplan.detect.replay import ReplayWorld, read_probe
from stackplan.detect.world import CommandResult
from stackplan.hardware import Host
from stackplan.values import replace
from tests.detect.recorded import cases, write_probe

CASES = cases()
UUID = "b614723c-8a11-4c6f-9d7e-0123456789ab"
MEMINFO = "MemTotal: 65536000 kB\nMemAvailable: 60000000 kB\n"
PRIVATE = {
    "/proc/meminfo": MEMINFO,
    "/proc/cpuinfo": "processor : 0\nmodel name : X\nSerial\t\t: 10000000abcdef99\nModel : Raspberry Pi on alicebox\n",
    "/proc/self/cgroup": "0::/user.slice/user-1000.slice/docker-4f1c2b3a4d5e6f708192a3b4c5d6e7f8091a2b3c.scope\n",
    "/proc/self/mountinfo": (
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "23 22 0:40 / /home/alice rw - nfs4 10.20.30.40:/exports/alice rw,addr=10.20.30.40\n"
        "24 22 0:41 / /media/alice/Backup rw - ext4 /dev/mapper/alicebox-vg rw\n"
        "25 22 8:1 /srv/customer-acme/x /etc/hosts rw - ext4 /dev/sda1 rw\n"
        "26 22 0:77 / /run/customer-acme rw - fuse.acme acme rw\n"
        "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    ),
    "/sys/fs/cgroup/user.slice/user-1000.slice/memory.max": "17179869184\n",
}
SECRETS = (
    "alice",
    "alicebox",
    "10.20.30.40",
    "abcdef99",
    "4f1c2b3a4d5e",
    UUID,
    "1000.slice",
    "serialsecret",
    "10.0.0.1",
    "acme",
)


def _private_world() -> ReplayWorld:
    return ReplayWorld(
        files=PRIVATE,
        mount="/home/alice",
        variables={"CUDA_VISIBLE_DEVICES": "GPU-b614723c", "KUBERNETES_SERVICE_HOST": "10.0.0.1"},
        library={
            "driver_version": "580.173.02",
            "devices": [
                {
                    "name": "NVIDIA GeForce RTX 3090",
                    "uuid": f"GPU-{UUID}",
                    "memory": {"total": 25769803776, "free": 20000000000},
                    "processes": [{"name": "python3", "bytes": 5000000000, "kind": "compute"}],
                }
            ],
        },
    )


def _record(world: Any, words: tuple[str, ...] = ()) -> tuple[Host, bytes]:
    recording = RecordingWorld(world, Redactor(words))
    return read_world(recording), recording.archive()


def _texts(archive: bytes) -> str:
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        parts = [entry.name + "\n" + packed.extractfile(entry).read().decode() for entry in packed]
    return "\n".join(parts)


@pytest.mark.parametrize("case", CASES, ids=[f"{case['file']}: {case['name']}" for case in CASES])
def test_a_recording_of_a_replay_reads_the_same(case: dict[str, Any], tmp_path: Path) -> None:
    world = read_probe(write_probe(tmp_path / "first.tar.gz", case["world"]))
    host, archive = _record(world)
    (tmp_path / "second.tar.gz").write_bytes(archive)
    again = replay_host(tmp_path / "second.tar.gz")
    assert replace(again, origin=host.origin, devices=()) == replace(host, devices=())
    assert [replace(device, uuid="") for device in again.devices] == [
        replace(device, uuid="") for device in host.devices
    ]


def test_a_recording_of_this_machine_replays_to_the_same_host(tmp_path: Path) -> None:
    host, archive = record_host()
    (tmp_path / "probe.tar.gz").write_bytes(archive)
    replayed = replay_host(tmp_path / "probe.tar.gz")
    assert replayed.pools == host.pools
    assert (replayed.devices, replayed.cpu, replayed.origin) == (host.devices, host.cpu, "replayed")


def test_no_name_serial_address_or_id_is_recorded() -> None:
    _, archive = _record(_private_world(), ("alice", "alicebox"))
    told = _texts(archive)
    assert [secret for secret in SECRETS if secret in told] == []


def test_the_redacted_recording_still_reads_as_the_machine(tmp_path: Path) -> None:
    host, archive = _record(_private_world(), ("alice", "alicebox"))
    (tmp_path / "probe.tar.gz").write_bytes(archive)
    replayed = replay_host(tmp_path / "probe.tar.gz")
    assert replayed.pools == host.pools
    assert [gpu.uuid for gpu in replayed.gpus] == [f"GPU-{pseudonym_uuid(UUID)}"]


def test_the_same_machine_gives_the_same_bytes() -> None:
    assert _record(_private_world())[1] == _record(_private_world())[1]


def test_a_pseudonym_stays_one_when_a_recording_is_recorded_again() -> None:
    once = pseudonym_uuid(UUID)
    assert once != UUID
    assert pseudonym_uuid(once) == once


def test_screens_and_their_serial_numbers_stay_out_of_a_mac_recording() -> None:
    report = {
        "SPDisplaysDataType": [
            {
                "_name": "Apple M3 Max",
                "sppci_cores": "30",
                "spdisplays_ndrvs": [{"_name": "alice's screen", "_spdisplays_display-serial-number": "serialsecret"}],
            }
        ]
    }
    world = ReplayWorld(
        system="darwin",
        machine="arm64",
        commands={
            ("sysctl",): CommandResult("done", 0, "hw.memsize: 38654705664\nmachdep.cpu.brand_string: Apple M3 Max\n"),
            ("system_profiler",): CommandResult("done", 0, json.dumps(report)),
        },
    )
    host, archive = _record(world)
    assert host.gpus[0].catalog_id == "m3-max-30c"
    assert "serialsecret" not in _texts(archive)
    assert "alice" not in _texts(archive)


def test_the_format_is_the_documented_one() -> None:
    _, archive = _record(_private_world())
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as packed:
        names = packed.getnames()
        probe = json.load(packed.extractfile("probe.json"))
    assert "files/proc/meminfo" in names
    assert (probe["format"], probe["version"]) == ("stackplan-probe", 1)
