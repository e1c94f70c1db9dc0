"""From plan to verification with nothing in between: what `apply` planned and `up` started, `verify` asks.

The stack is the one of tests/e2e/test_stack_runs.py: planned for this machine, downloaded, supervised, behind LiteLLM.
"""

import json
import os
import signal

import psutil
import pytest

from stackplan.plan import plan_from_json
from stackplan.render.servers import tier_of
from tests.e2e.test_stack_runs import HOT, WARM, Running, running  # noqa: F401  (a fixture is used by its name)
from tests.verify.stacks import use_wholly


def verified(stack: Running, *words: str, code: int = 0) -> dict:
    return json.loads(stack.stackplan("verify", "--json", *words, code=code).stdout)


def found(told: dict, verdict: str) -> set[tuple[str, str]]:
    return {(one["check"], one["subject"]) for one in told["findings"] if one["verdict"] == verdict}


def test_nothing_answers_before_up(running: Running) -> None:  # noqa: F811
    done = running.stackplan("verify", code=1)
    assert "error[nothing-answers]" in done.stderr


def use_hot_servers_wholly(stack: Running) -> None:
    for one in plan_from_json((stack.folder / "deploy" / "plan.json").read_text(encoding="utf-8")).instances:
        if tier_of(one) == "hot":
            use_wholly(one)


def test_what_was_planned_and_started_agrees_within_five_percent_with_nothing_left_out(
    running: Running,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    running.stackplan("up", "--with", "supervisord")
    running.stackplan("up", "--tier", "warm")
    use_hot_servers_wholly(running)
    told = verified(running, "--exercise")
    rows = [one for one in told["findings"] if one["check"] == "bytes"]
    with capsys.disabled():
        print("\nplanned by apply:", *(f"\n  {row['subject']}: {row['message']}" for row in rows))
    assert {row["subject"] for row in rows} == {f"tiny-{role}" for role in (*HOT, *WARM)}
    for row in rows:
        assert abs(row["seen"] - row["planned"]) <= 0.05 * row["planned"], row["message"]
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
