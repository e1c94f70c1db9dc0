"""``stackplan estimate --draft``: what a draft or a prediction head adds, what it gains, and when it is refused."""

import json
from typing import Any

import pytest

from stackplan.cli import run


def answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["estimate", *arguments, "--json"]) == 0
    decoded: dict[str, Any] = json.loads(capsys.readouterr().out)
    return decoded


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["estimate", *arguments]) == 1
    return capsys.readouterr().err


def weights(answer: dict[str, Any]) -> int:
    return sum(int(pool["weights_bytes"]) for pool in answer["pools"].values())


def test_a_draft_adds_its_weights_its_cache_and_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--devices", "rtx-3090", "--context", "16384")
    plain, small, both = (
        answered(capsys, *arguments, *where)
        for arguments in (("qwen3-32b",), ("qwen3-0.6b",), ("qwen3-32b", "--draft", "qwen3-0.6b"))
    )
    assert weights(both) == weights(plain) + weights(small)
    assert both["file_bytes"] == plain["file_bytes"] + small["file_bytes"]
    assert both["pools"]["gpu0"]["kv_bytes"] == plain["pools"]["gpu0"]["kv_bytes"] + small["pools"]["gpu0"]["kv_bytes"]


def test_the_gain_is_told_for_known_devices_only(capsys: pytest.CaptureFixture[str]) -> None:
    pair = ("qwen3-32b", "--draft", "qwen3-0.6b")
    told = answered(capsys, *pair, "--devices", "rtx-3090")["draft"]
    assert 1 < told["speedup_low"] < told["speedup"] < told["speedup_high"] < 4
    assert told["basis"] == "assumed"
    untold = answered(capsys, *pair)["draft"]
    assert untold["speedup"] is None
    assert untold["draft_tokens"] == 3
    assert answered(capsys, *pair, "--devices", "rtx-3090", "--draft-tokens", "7")["draft"]["draft_tokens"] == 7


def test_a_prediction_head_needs_no_second_file(capsys: pytest.CaptureFixture[str]) -> None:
    plain, head = (answered(capsys, "qwen3.8-27b", "--devices", "rtx-3090", *more) for more in ((), ("--draft", "mtp")))
    assert head["file_bytes"] == plain["file_bytes"]
    assert weights(head) > weights(plain)
    assert head["pools"]["gpu0"]["state_bytes"] == plain["pools"]["gpu0"]["state_bytes"] * (
        1 + head["draft"]["draft_tokens"]
    )


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        (("qwen3-32b", "--draft", "llama-3.2-1b-instruct"), "tokenizer"),
        (("qwen3-8b", "--draft", "mtp"), "no prediction block"),
        (("qwen3-8b", "--draft", "qwen3-0.6b", "--engine", "ollama"), "ollama"),
        (("qwen3-8b", "--draft", "nothing-like-it"), "nothing-like-it"),
        (("qwen3-8b", "--draft", "qwen3-0.6b", "--draft-tokens", "65"), "64"),
        (("qwen3-8b", "--draft", "qwen3-0.6b", "--draft-tokens", "-1"), "64"),
    ],
)
def test_what_the_engine_would_refuse_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], because: str
) -> None:
    told = refused(capsys, *arguments)
    assert because in told
    assert told.startswith("error[")
    assert "hint: " in told


def test_people_read_who_proposes_and_what_it_gains(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["estimate", "qwen3-32b", "--draft", "qwen3-0.6b", "--devices", "rtx-3090"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("draft ")]
    assert "times as fast" in line
    assert "assumed" in line
