"""`up`, `down` and `status` before anything runs: each obstacle is one line that names the next step."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.render.conftest import clean_environment, write
from tests.render.plans import LLAMA_CPP, gguf, host, instance, plan
from tests.render.test_running import free_ports

from stackplan.render import render_plan
from stackplan.values import replace

Call = Callable[..., subprocess.CompletedProcess[str]]
PROGRAM = "#!/bin/sh\nexec sleep 600\n"


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """Runs stackplan beside a rendered plan of one model, whose weights and programs are there."""
    chat = gguf("chat-1b")
    port, gateway = free_ports(2)
    made = plan(
        "one", host("one"), (chat,), ((instance(chat, "llama.cpp", port, place=()), ("worker",)),), (LLAMA_CPP,)
    )
    made = replace(made, gateway_port=gateway)
    write(tmp_path / "deploy", render_plan(made, ["plan", "llama.cpp", "litellm"]))
    write(tmp_path / "models" / chat.repository, {chat.files[0]: "weights"})
    for name in ("llama-server", "litellm"):
        write(tmp_path / "bin", {name: PROGRAM})
        (tmp_path / "bin" / name).chmod(0o755)

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = clean_environment(
            STACKPLAN_STATE=str(tmp_path / "state"),
            STACKPLAN_CONFIG=str(tmp_path / "config"),
            STACKPLAN_MODELS=str(tmp_path / "models"),
            LITELLM_MASTER_KEY="sk-test",
        )
        environment["PATH"] = f"{tmp_path / 'bin'}:{environment['PATH']}"
        command = [sys.executable, "-m", "stackplan", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment | more, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def refused(done: subprocess.CompletedProcess[str], slug: str) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    *_, error, hint = done.stderr.splitlines()
    assert error.startswith(f"error[{slug}]: "), done.stderr
    assert hint.startswith("hint: ")
    return done.stderr


def up(call: Call, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return call("up", "--with", "supervisord", *words, **more)


def test_weights_that_are_missing_are_named(call: Call, tmp_path: Path) -> None:
    (file,) = (tmp_path / "models").rglob("*.gguf")
    file.unlink()
    assert "stackplan download --tier hot`" in refused(up(call), "no-weights")


def test_a_hint_means_the_folder_that_was_named(call: Call, tmp_path: Path) -> None:
    (file,) = (tmp_path / "models").rglob("*.gguf")
    file.unlink()
    other = tmp_path / "another one"
    (tmp_path / "deploy").rename(other)
    told = refused(up(call, "--plan", str(other / "plan.json")), "no-weights")
    assert f"run `stackplan download --tier hot --plan '{other}/plan.json'`" in told


def test_a_program_that_is_missing_is_named(call: Call) -> None:
    assert "LITELLM=/path/to/litellm" in refused(up(call, LITELLM="/nowhere/litellm"), "no-program")


def test_a_key_that_is_missing_is_named(call: Call, tmp_path: Path) -> None:
    told = refused(up(call, LITELLM_MASTER_KEY=""), "missing-key")
    assert str(tmp_path / "config" / "gateway.env") in told
    assert "--no-gateway" in told


def test_a_configuration_that_was_not_rendered_is_named(call: Call, tmp_path: Path) -> None:
    (tmp_path / "deploy" / "litellm" / "config.yaml").unlink()
    assert "stackplan render" in refused(up(call), "not-rendered")


def test_a_port_that_is_in_use_is_named_with_its_owner(call: Call, tmp_path: Path) -> None:
    port = json.loads((tmp_path / "deploy" / "plan.json").read_text())["instances"][0]["port"]
    with socket.socket() as door:
        door.bind(("127.0.0.1", port))
        door.listen()
        assert f"port {port}" in refused(up(call), "port-in-use")


def test_a_server_that_does_not_answer_in_time_is_named_with_its_log(call: Call, tmp_path: Path) -> None:
    told = refused(up(call, "--no-gateway", "--timeout", "2"), "not-healthy")
    (log,) = (tmp_path / "state").rglob("logs/chat-1b.log")
    assert str(log) in told
    status = call("status", "--json")
    assert status.returncode == 2
    assert json.loads(status.stdout)["missing"] == ["chat-1b"]
    done = call("down")
    assert (done.returncode, done.stdout) == (0, "stopped chat-1b\n")


def test_memory_that_others_hold_is_said(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "deploy" / "plan.json"
    document = json.loads(path.read_text())
    document["instances"][0]["demand"][0]["total_bytes"] = 1 << 60
    path.write_text(json.dumps(document))
    told = refused(up(call, "--no-gateway", "--timeout", "1"), "not-healthy")
    assert "note: planned 1073741824.0 GiB of host memory" in told
    assert call("down").returncode == 0


def test_what_runs_one_way_is_not_started_another(call: Call) -> None:
    refused(up(call, "--no-gateway", "--timeout", "1"), "not-healthy")
    told = refused(call("up", "--with", "compose"), "no-supervisor")
    assert "no compose.yaml" in told
    assert call("down").returncode == 0


def test_nothing_runs_before_up_and_status_says_so(call: Call) -> None:
    done = call("status")
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1] == "nothing was started; next: stackplan up"
    assert call("down").stdout == "nothing ran\n"
    assert json.loads(call("down", "--json").stdout) == {"stopped": []}


def test_a_damaged_note_is_one_line(call: Call, tmp_path: Path) -> None:
    refused(up(call, "--no-gateway", "--timeout", "1"), "not-healthy")
    (note,) = (tmp_path / "state").rglob("up.json")
    note.write_text("[1, 2")
    refused(call("status"), "record-unreadable")
    note.unlink()
    assert call("down").stdout == "stopped chat-1b\n"


def test_a_plan_that_was_changed_since_is_said(call: Call, tmp_path: Path) -> None:
    refused(up(call, "--no-gateway", "--timeout", "1"), "not-healthy")
    path = tmp_path / "deploy" / "plan.json"
    path.write_text(path.read_text().replace('"total_context_tokens": 16384', '"total_context_tokens": 8192'))
    assert "the plan changed since `up`; run it again" in call("status").stdout
    assert call("down").returncode == 0


@pytest.mark.parametrize("verb", ["up", "down", "status"])
@pytest.mark.parametrize(
    ("old", "new", "slug"),
    [
        ('"port": ', '"port": 9', "bad-port"),
        ('"id": "chat-1b"', '"id": "$(touch owned)"', "plan-broken"),
        ('"chat-1b-Q4_K_M.gguf"', '"../../owned.gguf"', "unsafe-name"),
        ("{", "[", "plan-unreadable"),
    ],
)
def test_a_plan_that_was_tampered_with_starts_nothing(
    verb: str, old: str, new: str, slug: str, call: Call, tmp_path: Path
) -> None:
    path = tmp_path / "deploy" / "plan.json"
    path.write_text(path.read_text().replace(old, new))
    refused(call(verb), slug)
    assert not (tmp_path / "state").exists()


def test_down_need_not_wait_until_up_ends(call: Call, tmp_path: Path) -> None:
    """`up` holds the deployment while it starts, not while it waits for answers."""
    command = [sys.executable, "-m", "stackplan", "up", "--with", "supervisord", "--no-gateway", "--timeout", "20"]
    environment = clean_environment(STACKPLAN_STATE=str(tmp_path / "state"), STACKPLAN_MODELS=str(tmp_path / "models"))
    environment["PATH"] = f"{tmp_path / 'bin'}:{environment['PATH']}"
    first = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    assert "starting chat-1b" in first.stderr.readline()
    done = call("down")
    assert (done.returncode, done.stdout) == (0, "stopped chat-1b\n")
    first.terminate()
    first.wait(timeout=20)
    first.stderr.close()
