"""A bench against servers whose speed is known: the figures are theirs, the time is bounded, bad answers are told."""

import time
from collections.abc import Iterator

import pytest
from tests.calibrate.engine_server import EngineServer

from stackplan.bench.run import Benched, Effort, bench
from stackplan.bench.sample import Target, passage
from stackplan.bench.wire import means
from stackplan.errors import UserError


@pytest.fixture
def engine() -> Iterator[EngineServer]:
    server = EngineServer()
    yield server
    server.close()


def measured(engine: EngineServer, name: str, mode: str = "chat", context: int = 8192, **how: object) -> Benched:
    effort = Effort(**{"repeats": 3, "seconds": 30.0, **{k: v for k, v in how.items() if k != "loaded"}})  # type: ignore[arg-type]
    target = Target("m", name, mode, engine.url, "m", context)
    return bench(target, effort, means(effort.seconds), lambda _: None, loaded=how.get("loaded"))  # type: ignore[arg-type]


def test_ollamas_own_durations_become_rates(engine: EngineServer) -> None:
    found = measured(engine, "ollama")
    assert found.decode
    assert found.prompt
    assert found.decode.median == pytest.approx(100, rel=0.01)
    assert found.prompt.median == pytest.approx(2000, rel=0.02)
    assert (found.engine_version, found.repeats, found.load_seconds) == ("0.32.13", 3, None)


def test_loading_is_told_when_the_first_request_had_to_load(engine: EngineServer) -> None:
    assert measured(engine, "ollama", loaded=False).load_seconds == pytest.approx(3.0)
    assert measured(engine, "ollama", reload=True).load_seconds == pytest.approx(3.0)


def test_an_embedder_is_measured_by_what_it_reads(engine: EngineServer) -> None:
    found = measured(engine, "ollama", mode="embedding", context=512)
    assert found.decode is None
    assert found.prompt
    assert found.prompt.median == pytest.approx(2000, rel=0.02)
    read = [body["input"] for path, body in engine.requests if path == "/api/embed"]
    assert max(2 * len(text.split()) for text in read) <= 512


def test_a_stream_of_pieces_is_timed_by_our_own_clock() -> None:
    server = EngineServer(read=4000, write=200)
    try:
        found = measured(server, "vllm")
    finally:
        server.close()
    assert found.decode
    assert found.prompt
    assert 60 < found.decode.median <= 205  # a busy machine can only be late
    assert found.prompt.median <= 4200
    assert all(body["ignore_eos"] for path, body in server.requests if path == "/v1/completions")


def test_texts_never_begin_alike_so_that_no_cache_of_prompts_answers(engine: EngineServer) -> None:
    measured(engine, "ollama", repeats=6)
    prompts = [body["prompt"] for path, body in engine.requests if path == "/api/generate"]
    starts = {prompt.split()[0] for prompt in prompts}
    assert len(prompts) == 8
    assert len(starts) == len(prompts)
    assert passage(3, 5) == passage(3, 5)


@pytest.mark.parametrize("context", [128, 512, 4096, 131072])
def test_a_request_stays_within_the_context(engine: EngineServer, context: int) -> None:
    found = measured(engine, "ollama", context=context)
    for path, body in engine.requests:
        if path == "/api/generate":
            assert 2 * len(body["prompt"].split()) + body["options"]["num_predict"] <= context
    assert found.depth_tokens <= context


def test_a_slow_engine_is_asked_for_less_and_in_time() -> None:
    server = EngineServer(read=400, write=80)
    started = time.monotonic()
    try:
        found = measured(server, "vllm", seconds=4.0, repeats=5)
    finally:
        server.close()
    assert time.monotonic() - started < 6
    assert found.decode
    assert 25 < found.decode.median <= 82


def test_an_engine_that_falls_silent_is_told_within_the_time(engine: EngineServer) -> None:
    server = EngineServer(write=0.01)
    started = time.monotonic()
    try:
        with pytest.raises(UserError) as refused:
            measured(server, "vllm", seconds=1.5)
    finally:
        server.close()
    assert refused.value.slug == "bench-failed"
    assert time.monotonic() - started < 6


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (503, b'{"error":{"message":"Loading model"}}'),
        (200, b'{"error":"model \\"m\\" not found"}'),
        (200, b"[]"),
        (200, b"\xff\xfe"),
        (200, b"{}"),
        (200, b'{"prompt_eval_count":1e999,"eval_count":-4,"prompt_eval_duration":"x","eval_duration":null}'),
        (200, b"[" * 100_000),
        (401, b""),
    ],
)
@pytest.mark.parametrize("name", ["ollama", "llama.cpp", "vllm", "something"])
def test_a_bad_answer_is_told_in_one_line(engine: EngineServer, name: str, status: int, content: bytes) -> None:
    for path in ("/api/generate", "/completion", "/v1/completions"):
        engine.answers[path] = (status, content)
    with pytest.raises(UserError) as refused:
        measured(engine, name)
    assert refused.value.slug == "bench-failed"
    assert refused.value.message.isprintable()


def test_a_server_that_is_not_there_is_told() -> None:
    target = Target("m", "vllm", "chat", "http://127.0.0.1:9", "m", 2048)
    with pytest.raises(UserError) as refused:
        bench(target, Effort(), means(5), lambda _: None)
    assert refused.value.slug == "bench-failed"


def test_what_was_measured_is_told_when_only_the_time_ran_out() -> None:
    server = EngineServer(read=100_000, write=400)

    def slower(_: str) -> None:
        server.write = 400 if len(server.requests) < 5 else 0.01

    target, effort = Target("m", "vllm", "chat", server.url, "m", 2048), Effort(repeats=8, seconds=3.0)
    try:
        found = bench(target, effort, means(3.0), slower)
    finally:
        server.close()
    assert 0 < found.repeats < 8
    assert "stopped after" in found.note
