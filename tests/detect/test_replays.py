"""Every rule of detection and every published misreading as a recorded machine and what must be read from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackplan.detect import replay_host
from stackplan.hardware import Device, Host
from stackplan.reservations import HELD_BY_OTHERS
from stackplan.units import MIB
from tests.detect.recorded import cases, write_probe

CASES = cases()


@pytest.fixture
def read(tmp_path: Path):
    return lambda world: replay_host(write_probe(tmp_path / "probe.tar.gz", world))


@pytest.mark.parametrize("case", CASES, ids=[f"{case['file']}: {case['name']}" for case in CASES])
def test_recorded_machine_is_read_right(case: dict[str, Any], read: Any) -> None:
    host = read(case["world"])
    for key, wanted in case["reads"].items():
        assert READINGS[key](host, wanted) == wanted, key


def _pool_facts(host: Host, wanted: dict[str, Any]) -> dict[str, Any]:
    facts = {}
    for pool_id, keys in wanted.items():
        pool = next((pool for pool in host.pools if pool.id == pool_id), None)
        assert pool is not None, f"no pool {pool_id} among {[pool.id for pool in host.pools]}"
        lines = {line.name: line.bytes // MIB for line in pool.reserved}
        known = {
            "kind": str(pool.kind),
            "mib": pool.capacity_bytes // MIB,
            "bytes": pool.capacity_bytes,
            "budget_mib": pool.budget_bytes // MIB,
            "held_mib": lines.get(HELD_BY_OTHERS, 0),
            "reserved": lines,
            "unknown": pool.unknown,
        }
        facts[pool_id] = {key: known[key] for key in keys}
    return facts


def _device_facts(host: Host, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The asked fields of each GPU, so that a missing or an extra GPU fails."""
    keys = [set(row) for row in wanted] + [set()] * len(host.gpus)
    return [{key: _device_fact(gpu, key) for key in keys[number]} for number, gpu in enumerate(host.gpus)]


def _device_fact(gpu: Device, key: str) -> Any:
    if key == "reach_mib":
        return {str(one.backend): one.bytes // MIB for one in gpu.capacities}
    return _plain(getattr(gpu, key))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


READINGS: dict[str, Callable[[Host, Any], Any]] = {
    "gpus": _device_facts,
    "pools": _pool_facts,
    "pool_ids": lambda host, _: [pool.id for pool in host.pools],
    "threads": lambda host, _: host.cpu.usable_threads,
    "cores": lambda host, _: host.cpu.physical_cores,
    "cpu": lambda host, _: host.cpu.model,
    "numa_nodes": lambda host, _: host.cpu.numa_nodes,
    "instruction_sets": lambda host, _: list(host.cpu.instruction_sets),
    "ram_bandwidth": lambda host, _: host.cpu.bandwidth_bytes_per_second,
    "disks": lambda host, _: [[disk.path, disk.kind] for disk in host.disks],
    "note": lambda host, wanted: wanted if any(wanted in note for note in host.notes) else list(host.notes),
    "driver": lambda host, _: host.driver,
}
