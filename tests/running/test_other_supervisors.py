"""What launchd and docker compose are told and what they say; neither runs where these tests do."""

import os
import plistlib
from pathlib import Path

import pytest
from tests.render.conftest import PLACEHOLDERS, VALIDATORS, write
from tests.render.plans import PLANS, apple_unified

from stackplan.errors import UserError
from stackplan.render import render_plan
from stackplan.running import compose, launchd, registry
from stackplan.running.logs import rotate, tail
from stackplan.running.site import Site, prepare, site_of
from stackplan.running.supervisor import State, Status
from stackplan.running.units import units

# `docker compose ps --all --format json`, fields that are read; Compose 2.24 writes lines, 2.20 a list.
LINES = """{"ID":"3f2a","Service":"chat","State":"running","ExitCode":0,"Health":"starting"}
{"ID":"77aa","Service":"embed","State":"restarting","ExitCode":1,"Health":""}
{"ID":"91bc","Service":"gateway","State":"exited","ExitCode":2,"Health":""}
"""
# `launchctl print gui/501/LABEL`, the lines that are read.
RUNNING = "org.stackplan.x = {\n\tstate = running\n\tpid = 4711\n\tlast exit code = (never exited)\n}\n"
CRASHED = "org.stackplan.x = {\n\tstate = spawn scheduled\n\tlast exit code = 1\n}\n"


@pytest.fixture
def there(tmp_path: Path) -> Site:
    return site_of(tmp_path / "deploy", tmp_path / "models", {"STACKPLAN_STATE": str(tmp_path / "state")})


def test_an_agent_is_a_property_list_without_a_key(there: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_MASTER_KEY", "sk-marker")
    for unit in units(apple_unified(), there.folder):
        text = launchd.agent(there, unit)
        document = plistlib.loads(text)
        assert b"sk-marker" not in text
        assert document["Label"] == launchd.label(there, unit.id)
        assert tuple(document["ProgramArguments"][-len(unit.arguments) :]) == unit.arguments
        assert document["StandardOutPath"] == str(there.log(unit.id))
        assert ("STACKPLAN_KEYS_1" in document["EnvironmentVariables"]) == unit.is_gateway


def test_launchd_is_understood() -> None:
    assert launchd.state_of(RUNNING) == State(Status.RUNNING, 4711)
    assert launchd.state_of(CRASHED) == State(Status.RESTARTING, 0, "ended with 1")
    assert launchd.state_of("state = not running\n").status is Status.STOPPED


@pytest.mark.parametrize("text", [LINES, f"[{','.join(LINES.splitlines())}]"], ids=["lines", "list"])
def test_compose_is_understood(text: str) -> None:
    states = {row["Service"]: compose.state_of(row, 42) for row in compose.rows_of(text)}
    assert states["chat"] == State(Status.RUNNING, 42, "starting")
    assert states["embed"].status is Status.RESTARTING
    assert states["gateway"] == State(Status.FAILED, 0, "ended with 2")


@pytest.mark.parametrize("name", sorted(set(PLANS) - {"apple-unified"}))
def test_every_unit_is_a_service_of_the_rendered_files(name: str, tmp_path: Path) -> None:
    import yaml  # noqa: PLC0415

    plan = PLANS[name]
    services = yaml.safe_load(render_plan(plan, ["compose"])["compose.yaml"])["services"]
    for unit in units(plan, tmp_path):
        published = {entry.split(":")[1] for entry in services[unit.id]["ports"]}
        assert str(unit.port) in published


def test_the_real_docker_compose_knows_every_word_that_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a daemon it reads its options and the files before it gives up: that is how far this can be seen here."""
    found = sorted(VALIDATORS.glob("lib/python*/site-packages/compose/docker-compose"))
    if not found:
        pytest.skip("no docker compose: run `make .venv-validators/.installed`")
    docker = tmp_path / "bin" / "docker"
    write(docker.parent, {"docker": f'#!/bin/sh\nshift\nexec {found[0]} "$@"\n'})
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    plan = PLANS["single-24gb"]
    write(tmp_path / "deploy", render_plan(plan, ["compose"]))
    site = site_of(tmp_path / "deploy", tmp_path / "models", {"STACKPLAN_STATE": str(tmp_path / "state")})
    prepare(site)
    known = units(plan, site.folder)
    names = [unit.id for unit in known]
    assert compose.obstacle(site) == "the Docker daemon does not answer"
    for act in (
        lambda: compose.stop(site, names),
        lambda: compose.states(site),
        lambda: compose.shut_down(site),
    ):
        with pytest.raises(UserError, match=r"nobody\.sock|Cannot connect to the Docker daemon"):
            act()
    with pytest.raises(UserError, match="docker compose"):
        compose.start(site, known, names, PLACEHOLDERS)
    assert "nobody.sock" in capfd.readouterr().err  # its own story, shown as it comes
    assert "nobody.sock" in compose.last_lines(site, "gateway", 5)[-1]
    with pytest.raises(UserError, match="unknown flag"):
        compose.require(["docker", "compose", "ps", "--no-such-flag"])


def test_ways_that_this_machine_does_not_have_say_why(there: Site) -> None:
    with pytest.raises(UserError, match=r"no compose\.yaml was rendered"):
        registry.choose("compose", there, None)
    with pytest.raises(UserError, match="there is no way 'systemctl'"):
        registry.choose("systemctl", there, None)
    assert registry.choose("auto", there, "supervisord") == "supervisord"
    assert registry.choose("native", there, None) in registry.NATIVE


def test_logs_are_bounded_and_harmless(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    for generation in range(4):
        path.write_text(f"{generation}\n" * 10)
        rotate(path, 10, 3)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["one.log.1", "one.log.2"]
    assert tail(tmp_path / "one.log.1", 2) == ["3", "3"]
    path.write_bytes(b"\x1b[31mred\xff\n" * 100_000)
    assert tail(path, 1) == ["?[31mred\N{REPLACEMENT CHARACTER}"]
    assert tail(tmp_path / "none.log", 5) == []
