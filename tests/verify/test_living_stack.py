"""`stackplan verify` on real servers: it agrees with the plan within 5 %, and catches what is broken on purpose.

The plan of this stack is what the estimator says of its files. Caches and weights of some hundred MB outweigh the
processes, so that 5 % is a figure that means something.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.render.conftest import clean_environment
from tests.render.test_running import ask
from tests.render.tiny_gguf import Shape
from tests.verify.stacks import Case, Running, made_stack, one_model, served_as, use_wholly
from tests.verify.stacks import litellm_proxy as gateway_of

KEY = "sk-marker-of-the-verified-stack"
HOT = ("mid-chat", "mid-embed", "mid-rank")


class Verified:
    """What one call of the command said."""

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        command = [sys.executable, "-m", "stackplan", "verify", "--out", str(folder / "deploy"), "--json", *words]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=clean_environment(STACKPLAN_STATE=str(folder / "state"), **environment),
        )
        self.code, self.text = done.returncode, done.stdout + done.stderr
        assert done.stdout, self.text
        self.told = json.loads(done.stdout)

    def of(self, verdict: str) -> set[tuple[str, str]]:
        return {(one["check"], one["subject"]) for one in self.told["findings"] if one["verdict"] == verdict}

    @property
    def breaches(self) -> set[tuple[str, str]]:
        return self.of("breach")

    def off(self) -> dict[str, float]:
        """Share by which each instance's bytes are off the plan."""
        rows = [one for one in self.told["findings"] if one["check"] == "bytes" and one["planned"]]
        return {one["subject"]: (one["seen"] - one["planned"]) / one["planned"] for one in rows}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, llama_server: Path) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("verified")
    running = Running(made_stack(folder), folder, llama_server)
    try:
        for name in running.servers:
            running.start(name)
        yield running
    finally:
        running.stop_all()


def test_the_stack_agrees_with_its_plan_within_five_percent(
    stack: Running, litellm_proxy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway_of(litellm_proxy, stack.plan, stack.folder, KEY):
        seen = Verified(stack.folder, "--exercise", "--tier", "warm", LITELLM_MASTER_KEY=KEY)
    assert (seen.code, seen.breaches) == (0, set()), seen.text
    off = seen.off()
    with capsys.disabled():
        print("\nbytes off the plan:", {name: f"{share:+.1%}" for name, share in off.items()})
    assert off.keys() == {one.id for one in stack.plan.instances}
    assert all(abs(share) <= 0.05 for share in off.values())
    agreed = seen.of("agrees")
    for one in stack.plan.instances:
        assert {("resident", one.id), ("device", one.id), ("context", one.id), ("weights", one.id)} <= agreed
    assert {("kept", name) for name in HOT} <= agreed
    for role in ("worker", "embedding", "code", "math"):  # the reranker's order is a made-up model's
        assert {("answer", role), ("gateway", role)} <= agreed
    assert ("gateway", "gateway") in agreed
    assert KEY not in seen.text


def test_without_the_exercise_nothing_is_loaded_or_unloaded(stack: Running) -> None:
    def states() -> list[tuple[str, str]]:
        port = stack.servers["warm-cpu"].port
        return [(row["id"], row["status"]["value"]) for row in ask(port, "/models")["data"]]

    before = states()
    seen = Verified(stack.folder, "--no-gateway")
    assert (seen.code, states()) == (0, before), seen.text


def test_a_dead_role_is_caught(stack: Running) -> None:
    stack.stop("mid-embed")
    try:
        seen = Verified(stack.folder, "--no-gateway")
    finally:
        stack.start("mid-embed")
    assert (seen.code, seen.breaches) == (2, {("resident", "mid-embed")}), seen.text
    assert ("answer", "embedding") in seen.of("unknown")


def test_a_wrong_context_is_caught_with_the_bytes_that_it_costs(stack: Running) -> None:
    stack.stop("mid-chat")
    stack.start("mid-chat", ctx_size="32768")
    try:
        seen = Verified(stack.folder, "--no-gateway")
    finally:
        stack.stop("mid-chat")
        stack.start("mid-chat")
    assert (seen.code, seen.breaches) == (2, {("context", "mid-chat"), ("bytes", "mid-chat")}), seen.text


def test_a_larger_cache_type_is_caught_by_its_bytes_alone(stack: Running) -> None:
    stack.stop("mid-chat")
    stack.start("mid-chat", cache_type_k="f32", cache_type_v="f32")
    try:
        seen = Verified(stack.folder, "--no-gateway")
    finally:
        stack.stop("mid-chat")
        stack.start("mid-chat")
    assert (seen.code, seen.breaches) == (2, {("bytes", "mid-chat")}), seen.text


def test_another_file_under_the_same_name_is_caught(stack: Running) -> None:
    other = next(one for one in stack.plan.artifacts if one.model == "mid-red")
    stack.stop("mid-embed")
    stack.start("mid-embed", model=f"models/{other.repository}/{other.files[0]}")
    try:
        seen = Verified(stack.folder, "--no-gateway")
    finally:
        stack.stop("mid-embed")
        stack.start("mid-embed")
    assert seen.code == 2
    assert {("weights", "mid-embed"), ("bytes", "mid-embed")} <= seen.breaches, seen.text


def test_a_hot_model_that_is_told_to_sleep_is_caught(stack: Running) -> None:
    stack.stop("mid-rank")
    stack.start("mid-rank", "--sleep-idle-seconds", "900")
    try:
        seen = Verified(stack.folder, "--no-gateway")
    finally:
        stack.stop("mid-rank")
        stack.start("mid-rank")
    assert (seen.code, seen.breaches) == (2, {("kept", "mid-rank")}), seen.text


def test_an_evicted_model_is_caught_and_not_loaded_by_asking(stack: Running) -> None:
    stack.stop("mid-chat")
    stack.start_crowded("mid-chat", guest="mid-red")
    try:
        seen = Verified(stack.folder, "--no-gateway")
        there = {row["id"]: row["status"]["value"] for row in ask(stack.servers["mid-chat"].port, "/models")["data"]}
    finally:
        stack.stop("mid-chat")
        stack.start("mid-chat")
    assert (seen.code, seen.breaches) == (2, {("resident", "mid-chat")}), seen.text
    assert "HOT, but not in memory" in seen.text
    assert (there["mid-chat"], there["mid-red"]) == ("unloaded", "loaded")


def test_a_dead_gateway_is_caught(stack: Running) -> None:
    seen = Verified(stack.folder)
    assert (seen.code, seen.breaches) == (2, {("gateway", "gateway")}), seen.text


def test_a_model_that_cannot_be_loaded_is_caught_when_it_has_its_turn(stack: Running) -> None:
    artifact = next(one for one in stack.plan.artifacts if one.model == "mid-red")
    file = stack.folder / "models" / artifact.repository / artifact.files[0]
    ask(stack.servers["warm-cpu"].port, "/v1/chat/completions", {"model": "mid-blue", "messages": [], "max_tokens": 1})
    aside = file.rename(file.with_suffix(".aside"))
    try:
        seen = Verified(stack.folder, "--no-gateway", "--exercise")
    finally:
        aside.rename(file)
        stack.stop("warm-cpu")  # a router remembers what failed
        stack.start("warm-cpu")
    assert (seen.code, seen.breaches) == (2, {("resident", "mid-red"), ("answer", "code")}), seen.text


def test_hot_models_behind_a_router_of_their_own_agree_too(stack: Running) -> None:
    """As `serve.sh` starts them: the router is one process, its model another."""
    stack.stop("mid-chat")
    stack.start_by_preset("mid-chat")
    try:
        seen = Verified(stack.folder, "--no-gateway")
    finally:
        stack.stop("mid-chat")
        stack.start("mid-chat")
    assert (seen.code, seen.breaches) == (0, set()), seen.text
    checks = {(check, "mid-chat") for check in ("resident", "context", "weights", "bytes", "kept")}
    assert checks <= seen.of("agrees")


@pytest.mark.parametrize("quantisation", ["Q4_0", "Q8_0"])
def test_weights_that_llama_cpp_rewrites_for_the_processor_count_once(
    quantisation: str, llama_server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not llama_server.with_name("llama-quantize").is_file():
        pytest.skip("no llama-quantize beside llama-server")
    running = Running(one_model(tmp_path, llama_server, quantisation), tmp_path, llama_server)
    (name,) = running.servers
    try:
        running.start(name)
        seen = Verified(tmp_path)
    finally:
        running.stop_all()
    assert (seen.code, seen.breaches) == (0, set()), seen.text
    with capsys.disabled():
        print(f"\n{quantisation}: {seen.off()}")
    assert all(abs(share) <= 0.05 for share in seen.off().values())


WIDE = Shape(width=1024, feed_forward=2816, blocks=8, heads=16, context=8192)
SMALL = Shape(width=256, feed_forward=1024, blocks=4, heads=4, context=65536)
SIZES = {
    "10 MiB, bytes only": Case(Shape(width=256, feed_forward=512, blocks=2, heads=4, context=8192)),
    "100 MiB, most of it words": Case(SMALL, words=40_000),
    "200 MiB of words": Case(Shape(width=192, feed_forward=512, blocks=2, heads=3, context=8192), words=120_000),
    "long context": Case(SMALL, context_tokens=65536),
    "eight slots": Case(SMALL, context_tokens=4096, slots=8),
    "many blocks": Case(Shape(width=256, feed_forward=512, blocks=48, heads=4, context=8192)),
    "400 MiB": Case(WIDE, context_tokens=8192, slots=2),
    "an encoder of words": Case(Shape(384, 1536, 6, 6, 2048), words=30_000, mode="embedding", context_tokens=2048),
    "a reranker of words": Case(Shape(384, 1536, 6, 6, 512), words=30_000, mode="rerank", context_tokens=512),
}


@pytest.mark.parametrize("name", SIZES)
def test_at_full_use_every_size_takes_what_was_planned(
    name: str, llama_server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = served_as(tmp_path, SIZES[name])
    running = Running(made, tmp_path, llama_server)
    try:
        running.start("measured")
        use_wholly(made.instances[0])
        seen = Verified(tmp_path)
    finally:
        running.stop_all()
    (row,) = (one for one in seen.told["findings"] if one["check"] == "bytes")
    with capsys.disabled():
        print(f"\n{name}: {row['message']}")
    assert (seen.code, seen.breaches) == (0, set()), seen.text
    assert abs(seen.off()["measured"]) <= 0.05
