"""From plan to verification with nothing in between: what `apply` planned and `up` started, `verify` asks.

The stack is the one of tests/e2e/test_stack_runs.py: planned for this machine, downloaded, supervised, behind LiteLLM.
"""

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from stackplan.units import MIB
from stackplan.verify.memory_map import host_bytes
from stackplan.verify.role_question import EMBEDDED
from tests.e2e.test_stack_runs import HOT, WARM, Running, running  # noqa: F401  (a fixture is used by its name)
from tests.render.conftest import clean_environment
from tests.render.test_running import ask, free_ports
from tests.render.tiny_gguf import chat_model, encoder


def verified(stack: Running, *words: str, code: int = 0) -> dict:
    return json.loads(stack.stackplan("verify", "--json", *words, code=code).stdout)


def planned(stack: Running) -> dict:
    return json.loads((stack.folder / "deploy" / "plan.json").read_text(encoding="utf-8"))


def found(told: dict, verdict: str) -> set[tuple[str, str]]:
    return {(one["check"], one["subject"]) for one in told["findings"] if one["verdict"] == verdict}


def test_nothing_answers_before_up(running: Running) -> None:  # noqa: F811
    done = running.stackplan("verify", code=1)
    assert "error[nothing-answers]" in done.stderr


@pytest.fixture(scope="module")
def bare_bytes(llama_server: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What a llama-server of this build takes with a model of next to nothing that has answered, by its use."""
    folder = tmp_path_factory.mktemp("bare")
    chat_model(folder / "chat.gguf")
    encoder(folder / "embedding.gguf", reranks=False)
    encoder(folder / "rerank.gguf", reranks=True)
    texts = [*EMBEDDED]
    modes = {
        "chat": ("--jinja", "/v1/chat/completions", {"messages": [{"role": "user", "content": texts[0]}]}),
        "embedding": ("--embeddings", "/v1/embeddings", {"input": texts}),
        "rerank": ("--reranking", "/v1/rerank", {"query": texts[0], "documents": texts}),
    }
    return {mode: private_bytes(llama_server, folder / f"{mode}.gguf", *rest) for mode, rest in modes.items()}


def private_bytes(llama_server: Path, model: Path, option: str, path: str, body: dict) -> int:
    (port,) = free_ports(1)
    words = ["--model", model, "--port", port, "--ctx-size", "256", "--parallel", "1", "--cache-ram", "0", option]
    environment = clean_environment(LD_LIBRARY_PATH=os.environ.get("LD_LIBRARY_PATH", ""))
    process = subprocess.Popen([str(llama_server), *map(str, words)], env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(2):
            ask(port, path, body | {"max_tokens": 16})
        lines = Path(f"/proc/{process.pid}/smaps").read_text(encoding="utf-8").splitlines()
    finally:
        process.terminate()
        process.wait(timeout=30)
    held = host_bytes(lines, 8 * MIB)
    return held.allocated_bytes + held.program_bytes


def test_what_was_planned_and_started_agrees(
    running: Running,  # noqa: F811
    bare_bytes: dict[str, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    running.stackplan("up", "--with", "supervisord")
    running.stackplan("up", "--tier", "warm")
    told = verified(running, "--exercise")
    rows = [one for one in told["findings"] if one["check"] == "bytes"]
    with capsys.disabled():
        print("\nplanned by apply:", *(f"\n  {row['subject']}: {row['message']}" for row in rows))
    agreed = found(told, "agrees")
    # The models are small beside the process, for which the plan has an allowance: without both, 5 % mean something.
    instances = {one["id"]: one for one in planned(running)["instances"]}
    for row in rows:
        one = instances[row["subject"]]
        parts, seen = row["planned"] - one["demand"][0]["overhead_bytes"], row["seen"] - bare_bytes[one["mode"]]
        with capsys.disabled():
            print(f"  {row['subject']} without the process: {seen / MIB:.1f} of {parts / MIB:.1f} MiB planned")
        assert abs(seen - parts) <= 0.05 * parts
    for role in (*HOT, *WARM):
        checks = {(check, f"tiny-{role}") for check in ("resident", "device", "context", "weights", "bytes")}
        assert checks <= agreed
    assert {("kept", f"tiny-{role}") for role in HOT} <= agreed
    # The reranker's order and the embedder's sense are those of made-up models: doubts at most.
    assert {("answer", role) for role in ("worker", *WARM)} <= agreed
    assert {("gateway", role) for role in (*HOT, *WARM)} <= agreed
    assert found(told, "breach") == set()


def test_a_server_that_hangs_is_a_dead_role(running: Running) -> None:  # noqa: F811
    process = psutil.Process(running.status()["tiny-worker"]["pid"])
    os.kill(process.pid, signal.SIGSTOP)  # it does not end, so that nobody starts it again
    try:
        told = verified(running, "--timeout", "2", code=2)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert found(told, "breach") == {("resident", "tiny-worker")}


def test_after_down_nothing_answers(running: Running) -> None:  # noqa: F811
    running.stackplan("down")
    running.stackplan("verify", code=1)
