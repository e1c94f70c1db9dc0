"""What roles are asked, and which replies are answers."""

import email
import io
import json
import struct
import wave
import zlib

import pytest

from stackplan.values import replace
from stackplan.verify import samples
from stackplan.verify.observation import Heard
from stackplan.verify.role_answer import answer_seen
from stackplan.verify.role_question import direct, through_gateway
from tests.render.plans import PLANS
from tests.verify.replies import ok

SERVICES, CARD = PLANS["services"], PLANS["single-24gb"]


def role(plan, name):
    return next(one for one in plan.roles if one.role == name)


def body(question):
    return json.loads(question.body)


def test_the_picture_is_a_png_whose_checksums_are_right() -> None:
    data, place, kinds, pixels = samples.png(), 8, [], b""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    while place < len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        assert struct.unpack(">I", data[place + 8 + size : place + 12 + size]) == (zlib.crc32(kind + content),)
        kinds.append(kind)
        pixels += content if kind == b"IDAT" else b""
        place += 12 + size
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]
    assert len(zlib.decompress(pixels)) == 64 * (1 + 64 * 3)


def test_the_sound_is_one_second_that_the_standard_library_reads() -> None:
    with wave.open(io.BytesIO(samples.wav())) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getnframes()) == (1, 16000, 16000)


@pytest.mark.parametrize(
    ("plan", "name", "path", "model"),
    [
        (SERVICES, "worker", "/v1/chat/completions", "generator-14b"),
        (SERVICES, "embedding", "/v1/embeddings", "example-org/bge-m"),
        (SERVICES, "reranker", "/rerank", None),  # TEI has one model and no field for it
        (SERVICES, "reranker-light", "/rerank", "mini-rerank"),
        (SERVICES, "speech", "/v1/audio/transcriptions", None),
        (CARD, "watchdog", "/v1/chat/completions", "stackplan-watchdog"),
        (CARD, "reranker", "/v1/rerank", "reranker"),
    ],
)
def test_each_engine_is_asked_in_its_own_way(plan, name, path, model) -> None:
    asked = direct(plan, role(plan, name))
    assert asked.path == path
    assert not asked.key
    if model is not None:
        assert body(asked)["model"] == model


def test_the_gateway_is_asked_by_role_and_with_the_key() -> None:
    asked = through_gateway(SERVICES, role(SERVICES, "reranker"), "http://127.0.0.1:4000", "sk-x")
    assert (asked.base, asked.path, asked.key) == ("http://127.0.0.1:4000", "/v1/rerank", "sk-x")
    assert body(asked)["model"] == "reranker"


def test_sound_is_sent_as_a_form_that_others_can_read() -> None:
    asked = direct(SERVICES, role(SERVICES, "speech"))
    form = email.message_from_bytes(f"Content-Type: {asked.content_type}\n\n".encode() + (asked.body or b""))
    parts = {part.get_param("name", header="content-disposition"): part for part in form.get_payload()}
    assert parts["model"].get_payload() == "example-org/faster-whisper-turbo"
    assert parts["file"].get_payload(decode=True).startswith(b"RIFF")


def test_a_role_that_sees_is_asked_about_a_picture() -> None:
    seeing = replace(role(CARD, "vision"), inputs=("text", "image"))
    content = body(direct(CARD, seeing))["messages"][0]["content"]
    assert content[1]["image_url"]["url"].startswith("data:image/png;base64,")
    blind = replace(seeing, inputs=("text",))
    assert isinstance(body(direct(CARD, blind))["messages"][0]["content"], str)


def vectors(*rows):
    return {"data": [{"index": index, "embedding": row} for index, row in enumerate(rows)]}


def scores(*values, name="relevance_score"):
    return {"results": [{"index": index, name: value} for index, value in enumerate(values)]}


NAN, HUGE = float("nan"), 10**400
ANSWERS = [
    ("chat", {"choices": [{"message": {"content": "Paris"}}]}, ""),
    ("chat", {"choices": [{"message": {"content": "", "reasoning_content": "Hm"}}]}, ""),
    ("chat", {"choices": [{"message": {"content": ""}}], "usage": {"completion_tokens": 3}}, ""),
    ("chat", {"choices": [{"message": {"content": ""}}]}, "wrote nothing"),
    ("chat", {"choices": [{"message": {"content": "x"}}], "usage": {"completion_tokens": 0}}, "wrote nothing"),
    ("chat", {"choices": [{"message": "Paris"}]}, "no message"),
    ("chat", {"choices": []}, "no message"),
    ("embedding", vectors([1, 0.5], [1, 0.5], [0, 1]), ""),
    ("embedding", vectors([1, 0], [1, 0]), "3 texts gave 2"),
    ("embedding", vectors([1, 0], [1], [0, 1]), "another length"),
    ("embedding", vectors([1, NAN], [1, 0], [0, 1]), "no number"),
    ("embedding", vectors([1, HUGE], [1, 0], [0, 1]), "no number"),
    ("embedding", vectors([1, "0"], [1, 0], [0, 1]), "no number"),
    ("embedding", vectors([], [], []), "missing"),
    ("embedding", vectors([0, 0], [0, 0], [0, 0]), "is zero"),
    ("embedding", vectors([5e-324], [5e-324], [-5e-324]), ""),
    ("embedding", vectors([1.7e308, 1.7e308], [1.7e308, 1.7e308], [0, 1.7e308]), ""),
    ("rerank", scores(0.1, 0.9), ""),
    ("rerank", [{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}], ""),  # TEI
    ("rerank", scores(0.1, NAN), "no number"),
    ("rerank", scores(0.1), "once each"),
    ("rerank", {"results": [{"index": 0, "relevance_score": 1}] * 2}, "once each"),
    ("audio_transcription", {"text": ""}, ""),
    ("audio_transcription", {"words": []}, "no text"),
]


@pytest.mark.parametrize(("mode", "said", "problem"), ANSWERS)
def test_garbage_is_told_from_answers(mode: str, said: object, problem: str) -> None:
    told = answer_seen("r", mode, ok(said), gateway=False)
    assert (told.heard is Heard.ANSWERED) == (not problem), told
    assert problem in told.problem
    assert not told.doubt


@pytest.mark.parametrize(
    ("mode", "said", "doubt"),
    [
        ("rerank", scores(0.9, 0.1), "unrelated text above"),
        ("rerank", scores(0.5, 0.5), "one score"),
        ("embedding", vectors([1, 0], [0, 1], [1, 1]), "the same text twice"),
        ("embedding", vectors([1, 0], [1, 0], [1, 0]), "one vector"),
    ],
)
def test_what_a_poor_model_may_do_too_is_a_doubt(mode: str, said: object, doubt: str) -> None:
    told = answer_seen("r", mode, ok(said), gateway=False)
    assert told.heard is Heard.ANSWERED
    assert doubt in told.doubt


def test_an_error_is_told_in_the_servers_own_words_on_one_line() -> None:
    told = answer_seen(
        "r", "chat", ok({"error": {"message": "out\nof \x1b[31mmemory" + "!" * 999}}, 500), gateway=False
    )
    assert told.heard is Heard.STRANGE
    assert told.problem.startswith("HTTP 500: out of ")
    assert len(told.problem) < 200
