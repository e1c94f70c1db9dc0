"""``detect --json`` is what ``stackplan schema detect`` says: every recorded machine, every device of the catalog."""

import json
from pathlib import Path
from typing import Any

import pytest

from stackplan.cli import run
from stackplan.detect import detect_host, replay_host
from stackplan.device_catalog_yaml import load_device_catalog
from stackplan.host_json import host_from_json, host_to_json
from stackplan.profile import load_profile
from tests.detect.json_schema import mistakes
from tests.detect.recorded import cases, write_probe


@pytest.fixture
def schema(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["schema", "detect"]) == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def test_every_recorded_machine_fits_the_schema_and_survives_json(schema: dict[str, Any], tmp_path: Path) -> None:
    for case in cases():
        host = replay_host(write_probe(tmp_path / "probe.tar.gz", case["world"]))
        data = json.loads(json.dumps(host_to_json(host)))
        assert list(mistakes(data, schema)) == [], case["name"]
        assert host_from_json(data) == host, case["name"]


def test_every_device_of_the_catalog_and_this_machine_fit_the_schema(schema: dict[str, Any]) -> None:
    for host in (detect_host(), *(load_profile(facts.id).host for facts in load_device_catalog().devices)):
        data = json.loads(json.dumps(host_to_json(host)))
        assert list(mistakes(data, schema)) == [], host.id
        assert host_from_json(data) == host, host.id


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema",), 2),
        (("surprise",), 1),
        (("pools", 0, "capacity_bytes"), "24 GiB"),
        (("pools", 0, "budget_bytes"), ...),
        (("pools", 0, "kind"), "disk"),
        (("devices", 0, "backend"), "opencl"),
        (("devices", 0, "capacities"), [{"backend": "vulkan"}]),
        (("cpu", "usable_threads"), True),
        (("devices",), ...),
    ],
)
def test_the_schema_refuses_what_is_no_host(place: tuple[Any, ...], value: Any, schema: dict[str, Any]) -> None:
    data = host_to_json(load_profile("strix-halo-128gb").host)
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    assert list(mistakes(data, schema)) != []
