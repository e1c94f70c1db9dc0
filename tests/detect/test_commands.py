"""``stackplan detect`` and ``stackplan profiles`` as people call them."""

import json
from pathlib import Path

import pytest

from stackplan.cli import run
from stackplan.cli.described import described_host
from stackplan.cli.measuring import this_host
from stackplan.cli.world import Asked, read_world, say_how_this_machine_differs
from stackplan.detect import replay_host
from stackplan.host_json import host_to_json
from stackplan.profile import load_profile
from stackplan.views.host import host_text
from tests.detect.recorded import write_probe

WORLD = {
    "meminfo_kib": [65536000, 60000000],
    "nvml": {
        "devices": [
            {
                "name": "NVIDIA GeForce RTX 3090",
                "memory": {"total": 25769803776, "free": 20000000000, "reserved": 441450496},
                "processes": [{"name": "ollama", "bytes": 5328353280}],
            }
        ]
    },
}


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    return write_probe(tmp_path / "probe.tar.gz", WORLD)


def test_the_picture_shows_devices_pools_and_who_holds_what(probe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detect", "--replay", str(probe)]) == 0
    shown = capsys.readouterr().out
    assert "gpu0   NVIDIA GeForce RTX 3090" in shown
    assert "18.4 of 24.0 GiB for models" in shown
    assert "held by others      5.0 GiB  measured  ollama" in shown
    assert max(map(len, shown.splitlines())) <= 120
    assert len(shown.splitlines()) <= 40


def test_the_bar_uses_a_glyph_for_each_meaning(probe: Path) -> None:
    host = replay_host(probe)
    line = next(line for line in host_text(host).splitlines() if line.startswith(" gpu0") and "GiB" in line)
    assert [line.count(glyph) for glyph in "█▒░"] == [8, 1, 31]
    ascii_line = next(
        line for line in host_text(host, ascii_only=True).splitlines() if line.startswith(" gpu0") and "GiB" in line
    )
    assert ascii_line.isascii()


def test_json_says_what_is_held_and_what_is_left(probe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detect", "--replay", str(probe), "--json"]) == 0
    pool = json.loads(capsys.readouterr().out)["pools"][0]
    assert pool["capacity_bytes"] == 25769803776
    assert pool["budget_bytes"] == pool["capacity_bytes"] - sum(line["bytes"] for line in pool["reserved"])
    assert {line["basis"] for line in pool["reserved"]} == {"measured", "assumed"}


def test_an_unknown_capacity_is_null_and_not_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = {"meminfo_kib": [65536000, 60000000], "nvml": {"devices": [{"error": "GPU_IS_LOST"}]}}
    path = write_probe(tmp_path / "probe.tar.gz", world)
    run(["detect", "--replay", str(path), "--json"])
    assert json.loads(capsys.readouterr().out)["pools"][0]["capacity_bytes"] is None
    run(["detect", "--replay", str(path)])
    assert "capacity unknown: the driver says GPU_IS_LOST" in capsys.readouterr().out


def test_record_then_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.tar.gz"
    assert run(["detect", "--record", str(path), "--json"]) == 0
    recorded = json.loads(capsys.readouterr().out)
    assert run(["detect", "--replay", str(path), "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    assert (recorded.pop("origin"), replayed.pop("origin")) == ("detected", "replayed")
    assert replayed["pools"] == recorded["pools"]


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        (["detect", "--replay", "none.tar.gz"], "unreadable-file"),
        (["detect", "--replay", "a", "--record", "b"], "bad-options"),
        (["detect", "--record", "/nowhere/at/all/x.tar.gz"], "unwritable-file"),
        (["profiles", "show", "rtx-9999"], "unknown-profile"),
        (["profiles", "show", "rtx-3090", "--ram", "much"], "bad-size"),
        (["profiles", "show", "rtx-3090", "--ram", "0"], "bad-size"),
        (["profiles", "validate", "none.yaml"], "unreadable-file"),
        (["profiles", "save", "../x"], "bad-name"),
    ],
)
def test_mistakes_end_in_one_line_and_a_hint(
    arguments: list[str], slug: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error[{slug}]: ")
    assert told.err.splitlines()[1].startswith("hint: ")


def test_profiles_are_listed_and_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profiles", "list"]) == 0
    assert "rtx-3090-ti" in capsys.readouterr().out
    assert run(["profiles", "list", "--devices"]) == 0
    assert "h100-80gb-mig-3g.40gb" in capsys.readouterr().out
    assert run(["profiles", "validate"]) == 0


def test_a_profile_is_shown_with_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profiles", "show", "2x rtx-3090", "--ram", "128GiB", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [pool["id"] for pool in shown["host"]["pools"]] == ["gpu0", "gpu1", "ram"]
    assert shown["host"]["pools"][2]["capacity_bytes"] == 128 * 2**30


def test_this_machine_is_saved_and_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STACKPLAN_CONFIG", str(tmp_path))
    assert run(["profiles", "save", "my-box", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == "my-box"
    assert Path(told["file"]).is_file()
    assert run(["profiles", "show", "my-box"]) == 0
    assert run(["profiles", "validate", "my-box"]) == 0
    assert "my-box" in capsys.readouterr().out


def test_planning_takes_a_recording_like_the_json_that_detection_makes_of_it(
    probe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["detect", "--replay", str(probe), "--json"]) == 0
    (tmp_path / "host.json").write_text(capsys.readouterr().out)
    hosts = [read_world(Asked(host=machine, idle=True)).host for machine in (probe, tmp_path / "host.json")]
    assert hosts[0] == hosts[1]
    assert hosts[0].origin == "replayed"
    assert [line.name for line in hosts[0].pools[0].reserved] == ["driver reserve", "headroom"]


@pytest.mark.parametrize("content", [b"\x1f\x8b", b"\x1f\x8b\x08" + b"\0" * 40, b"{", b"", b"\xff\xfe"])
def test_a_damaged_machine_is_refused_by_planning(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "machine").write_bytes(content)
    assert run(["plan", "--host", str(tmp_path / "machine")]) == 1
    assert capsys.readouterr().err.startswith(("error[bad-probe]", "error[bad-host]"))


def test_a_plan_for_another_machine_says_so_when_it_is_applied(capsys: pytest.CaptureFixture[str]) -> None:
    other = load_profile("8x mi300x").host
    say_how_this_machine_differs(Asked(profile="8x mi300x"), other)
    told = capsys.readouterr().err
    assert told.startswith("note: this machine is another: the profile has 8 x mi300x, this machine has ")
    assert told.count("\n") == 1
    say_how_this_machine_differs(Asked(), other)
    assert capsys.readouterr().err == ""


def test_a_recording_stands_for_the_machine_wherever_one_may_be_described(probe: Path, tmp_path: Path) -> None:
    described = tmp_path / "machine.json"
    described.write_text(json.dumps(host_to_json(replay_host(probe))))
    assert described_host(probe) == described_host(described) == this_host(probe) == replay_host(probe)
    assert read_world(Asked(host=probe)).host == replay_host(probe)
