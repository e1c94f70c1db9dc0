"""From plan to verification with nothing in between: what `apply` planned and `up` started, `verify` asks.

The stack is the one of tests/e2e/test_stack_runs.py: planned for this machine, downloaded, supervised, behind LiteLLM.
"""

import json
import os
import signal

import psutil
import pytest

from tests.e2e.test_stack_runs import HOT, WARM, Running, running  # noqa: F401  (a fixture is used by its name)


def verified(stack: Running, *words: str, code: int = 0) -> dict:
    return json.loads(stack.stackplan("verify", "--json", *words, code=code).stdout)


def found(told: dict, verdict: str) -> set[tuple[str, str]]:
    return {(one["check"], one["subject"]) for one in told["findings"] if one["verdict"] == verdict}


def test_nothing_answers_before_up(running: Running) -> None:  # noqa: F811
    done = running.stackplan("verify", code=1)
    assert "error[nothing-answers]" in done.stderr


def test_what_was_planned_and_started_agrees(running: Running, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    running.stackplan("up", "--with", "supervisord")
    running.stackplan("up", "--tier", "warm")
    told = verified(running, "--exercise")
    rows = [one for one in told["findings"] if one["check"] == "bytes"]
    with capsys.disabled():
        print("\nplanned by apply:", *(f"\n  {row['subject']}: {row['message']}" for row in rows))
    agreed = found(told, "agrees")
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
