"""Planning while an earlier stack runs: what programs hold is given back, what the system needs is not."""

from pathlib import Path

import pytest

from stackplan.detect import replay_host
from stackplan.idle_host import idle_host
from stackplan.units import MIB
from tests.detect.recorded import write_probe

CARD = {
    "name": "NVIDIA GeForce RTX 3090",
    "display_active": True,
    "processes": [{"name": "ollama", "bytes": 4294967296}],
}


def _idle(tmp_path: Path, available_kib: int):
    memory = {"total": 25769803776, "free": 20000000000, "reserved": 441450496}
    world = {"meminfo_kib": [65536000, available_kib], "nvml": {"devices": [{**CARD, "memory": memory}]}}
    host = replay_host(write_probe(tmp_path / "probe.tar.gz", world))
    return host, idle_host(host)


def test_a_card_gives_back_what_programs_hold_but_not_the_desktop(tmp_path: Path) -> None:
    host, idle = _idle(tmp_path, 60000000)
    lines = {line.name for line in idle.pool("gpu0").reserved}
    assert lines == {"driver reserve", "headroom", "desktop"}
    assert idle.pool("gpu0").budget_bytes - host.pool("gpu0").budget_bytes == 4096 * MIB


@pytest.mark.parametrize("available_kib", [65000000, 60000000, 30000000])
def test_host_memory_keeps_the_share_of_the_system(tmp_path: Path, available_kib: int) -> None:
    _, idle = _idle(tmp_path, available_kib)
    assert [line.name for line in idle.pool("ram").reserved] == ["system reserve"]
    assert idle.pool("ram").budget_bytes // MIB == 64000 * 85 // 100
    assert any("no other program" in note for note in idle.notes)
