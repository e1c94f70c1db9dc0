"""``stackplan verify`` as people call it: exit codes, and no tracebacks whatever listens on the ports."""

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackplan.errors import ExitCode
from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.values import replace
from tests.render.conftest import clean_environment, write
from tests.render.plans import PLANS
from tests.render.test_running import free_ports

NOISE = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
    b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n" + b'{"data":[{"id":{}}]} ',
    b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    b"\x00\xff" * 1000,
    b"",
)


def verify(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stackplan", "verify", "--out", str(folder / "deploy"), *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=clean_environment(**environment)
    )


def on_free_ports(plan: Plan) -> Plan:
    ports = free_ports(len(plan.instances) + 1)
    moved = tuple(replace(one, port=port) for one, port in zip(plan.instances, ports, strict=False))
    return replace(plan, instances=moved, gateway_port=ports[-1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = on_free_ports(PLANS["services"])
    write(tmp_path / "deploy", render_plan(made, ["plan", "litellm"]))
    return tmp_path


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Path]:
    """A plan on whose every port something listens that is no engine."""
    plan = PLANS["services"]
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(len(plan.instances) + 1)]
    ports = sorted(one.getsockname()[1] for one in listeners)
    moved = tuple(replace(one, port=port) for one, port in zip(plan.instances, ports, strict=False))
    made = replace(plan, instances=moved, gateway_port=ports[-1])
    write(tmp_path / "deploy", render_plan(made, ["plan", "litellm"]))

    def serve(listener: socket.socket, number: int) -> None:
        while True:
            try:
                client, _ = listener.accept()
                with client:
                    client.recv(65536)
                    client.sendall(NOISE[number % len(NOISE)])
            except OSError:
                if listener.fileno() < 0:
                    return
            number += 1

    for number, listener in enumerate(listeners):
        threading.Thread(target=serve, args=(listener, number), daemon=True).start()
    yield tmp_path
    for listener in listeners:
        listener.close()


def test_when_nothing_answers_it_is_an_error_with_the_next_step(folder: Path) -> None:
    done = verify(folder)
    assert done.returncode == ExitCode.ERROR
    assert "error[nothing-answers]" in done.stderr
    assert "stackplan up" in done.stderr
    assert done.stdout == ""


def test_without_a_plan_it_says_so(tmp_path: Path) -> None:
    done = verify(tmp_path)
    assert done.returncode == ExitCode.ERROR
    assert "error[no-plan-file]" in done.stderr


def test_the_plan_is_named_as_for_the_other_verbs_too(folder: Path) -> None:
    done = verify(folder / "elsewhere", "--plan", str(folder / "deploy/plan.json"))
    assert "error[nothing-answers]" in done.stderr


@pytest.mark.parametrize(
    ("words", "slug"), [(("--tier", "lukewarm"), "unknown-tier"), (("--timeout", "0"), ""), (("--limit", "nan"), "")]
)
def test_bad_options_are_refused(folder: Path, words: tuple[str, ...], slug: str) -> None:
    done = verify(folder, *words)
    assert done.returncode == ExitCode.ERROR
    assert slug in done.stderr
    assert "Traceback" not in done.stderr


def test_whatever_listens_there_gives_findings_and_no_traceback(hostile: Path) -> None:
    done = verify(hostile, "--json", "--timeout", "2", "--limit", "20", LITELLM_MASTER_KEY="sk-marker-of-a-test")
    assert "Traceback" not in done.stderr
    assert done.returncode == ExitCode.DIFFERS, done.stderr
    assert "sk-marker-of-a-test" not in done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["verdict"] == "breach"
    assert not any(one["verdict"] == "agrees" for one in told["findings"])


def test_a_key_that_no_header_carries_is_refused_unprinted(folder: Path) -> None:
    done = verify(folder, LITELLM_MASTER_KEY="sk marker\nX-Evil: 1")
    assert done.returncode == ExitCode.ERROR
    assert "error[bad-key]" in done.stderr
    assert "marker" not in done.stderr


def test_the_plan_of_somebody_hostile_is_refused(folder: Path) -> None:
    path = folder / "deploy" / "plan.json"
    path.write_text(re.sub(r'"id": "bge-m"', '"id": "../../bge\\\\nm"', path.read_text()), encoding="utf-8")
    done = verify(folder)
    assert done.returncode == ExitCode.ERROR
    assert "Traceback" not in done.stderr


def test_the_schema_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stackplan", "schema", "verify"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment(),
    )
    assert done.returncode == 0
    assert "findings" in json.loads(done.stdout)["properties"]
