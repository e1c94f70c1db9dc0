"""What was rendered really runs: real llama-servers on tiny models, started by the rendered script."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from tests.render.conftest import clean_environment, write
from tests.render.plans import LLAMA_CPP, gguf, host, instance, plan
from tests.render.tiny_gguf import chat_model, encoder

from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.values import replace


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return sorted(ports)


def tiny_stack() -> Plan:
    """A CPU host with a HOT chat model, embedder and reranker, and two WARM models that take turns."""
    names = ("tiny-chat", "tiny-embed", "tiny-rank", "tiny-red", "tiny-blue")
    chat, embed, rank, red, blue = artifacts = tuple(gguf(name, "F32", 0.001) for name in names)
    ports = free_ports(5)
    small = {"place": (), "context_tokens": 256, "kv_type": "f16", "micro_batch_tokens": 256}
    warm = small | {"tier": "warm", "swap_group": "warm-cpu"}
    served = (
        (instance(chat, "llama.cpp", ports[0], **small | {"slots": 2}), ("worker",)),
        (instance(embed, "llama.cpp", ports[1], mode="embedding", pooling="mean", **small), ("embedding",)),
        (instance(rank, "llama.cpp", ports[2], mode="rerank", **small), ("reranker",)),
        (instance(red, "llama.cpp", ports[3], **warm), ("code",)),
        (instance(blue, "llama.cpp", ports[4], **warm), ("math",)),
    )
    made = plan("tiny", host("tiny", threads=2), artifacts, served, (LLAMA_CPP,))
    return replace(made, gateway_port=free_ports(1)[0])


@pytest.fixture
def stack(tmp_path: Path) -> tuple[Plan, Path]:
    made = tiny_stack()
    write(tmp_path / "deploy", render_plan(made, ["llama.cpp", "litellm"]))
    for artifact in made.artifacts:
        path = tmp_path / "models" / artifact.repository / artifact.files[0]
        if artifact.model in ("tiny-embed", "tiny-rank"):
            encoder(path, reranks=artifact.model == "tiny-rank")
        else:
            chat_model(path)
    return made, tmp_path


@pytest.fixture
def serve(stack: tuple[Plan, Path], llama_server: Path) -> Iterator[Callable[[str], None]]:
    _, folder = stack
    processes = []

    def start(server: str) -> None:
        environment = clean_environment(STACKPLAN_HOME=str(folder), LLAMA_SERVER=str(llama_server))
        environment["LD_LIBRARY_PATH"] = os.environ.get("LD_LIBRARY_PATH", "")
        with (folder / f"{server}.log").open("w") as log:
            command = ["bash", str(folder / "deploy/llama.cpp/serve.sh"), server]
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))

    yield start
    for process in processes:
        process.terminate()
        process.wait(timeout=30)


def ask(port: int, path: str, body: dict | None = None, key: str = "", seconds: float = 60) -> dict:
    """The answer, once the server is up and the model is loaded."""
    end = time.monotonic() + seconds
    while True:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        request = Request(f"http://127.0.0.1:{port}{path}", data, headers)
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.load(answer)
        except (URLError, OSError) as error:
            if time.monotonic() > end:
                detail = error.read().decode() if hasattr(error, "read") else str(error)
                raise AssertionError(detail) from error
            time.sleep(0.2)


def test_hot_servers_answer_chat_embeddings_and_rerank(stack: tuple[Plan, Path], serve: Callable[[str], None]) -> None:
    made, _ = stack
    ports = {one.id: one.port for one in made.instances}
    for name in ("tiny-chat", "tiny-embed", "tiny-rank"):
        serve(name)
    chat = {"model": "tiny-chat", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
    chat["chat_template_kwargs"] = {"enable_thinking": False}  # what gateways add for roles that never think
    assert ask(ports["tiny-chat"], "/v1/chat/completions", chat)["usage"]["completion_tokens"] > 0
    vectors = ask(ports["tiny-embed"], "/v1/embeddings", {"model": "tiny-embed", "input": ["a b", "c"]})
    assert [len(row["embedding"]) for row in vectors["data"]] == [32, 32]
    ranks = ask(ports["tiny-rank"], "/v1/rerank", {"model": "tiny-rank", "query": "a", "documents": ["a b", "c d"]})
    assert len(ranks["results"]) == 2


def test_the_engine_has_the_planned_context_and_slots(stack: tuple[Plan, Path], serve: Callable[[str], None]) -> None:
    made, _ = stack
    chat = made.instance("tiny-chat")
    serve("tiny-chat")
    ask(
        chat.port,
        "/v1/chat/completions",
        {"model": chat.id, "messages": [{"role": "user", "content": "x"}], "max_tokens": 1},
    )
    properties = ask(chat.port, f"/props?model={chat.id}")
    assert properties["total_slots"] == chat.slots
    assert properties["default_generation_settings"]["n_ctx"] == chat.context_tokens


def test_members_of_a_swap_group_take_turns(stack: tuple[Plan, Path], serve: Callable[[str], None]) -> None:
    made, _ = stack
    port = min(one.port for one in made.instances if one.swap_group)
    serve("warm-cpu")
    for name in ("tiny-red", "tiny-blue"):
        body = {"model": name, "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
        assert ask(port, "/v1/chat/completions", body)["model"] == name
        states = {row["id"]: row["status"]["value"] for row in ask(port, "/models")["data"]}
        assert [one for one, state in states.items() if state == "loaded"] == [name]


@pytest.fixture
def gateway(stack: tuple[Plan, Path], litellm_proxy: Path) -> Iterator[int]:
    made, folder = stack
    words = ["--config", folder / "deploy/litellm/config.yaml", "--host", "127.0.0.1", "--port", made.gateway_port]
    environment = clean_environment(LITELLM_MASTER_KEY=KEY, LITELLM_LOCAL_MODEL_COST_MAP="True")
    with (folder / "gateway.log").open("w") as log:
        command = [str(litellm_proxy), *map(str, words)]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    yield made.gateway_port
    process.terminate()
    process.wait(timeout=30)


KEY = "sk-test-of-the-gateway"


def test_every_role_answers_through_the_real_gateway_and_only_with_the_key(
    stack: tuple[Plan, Path], serve: Callable[[str], None], gateway: int
) -> None:
    for name in ("tiny-chat", "tiny-embed", "tiny-rank", "warm-cpu"):
        serve(name)
    assert {row["id"] for row in ask(gateway, "/v1/models", key=KEY, seconds=120)["data"]} == {
        role.role for role in stack[0].roles
    }
    for role in ("worker", "code", "math"):
        body = {"model": role, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 3}
        assert ask(gateway, "/v1/chat/completions", body, KEY)["choices"]
    assert len(ask(gateway, "/v1/embeddings", {"model": "embedding", "input": "a"}, KEY)["data"][0]["embedding"]) == 32
    body = {"model": "reranker", "query": "a", "documents": ["a b", "c d"]}
    assert len(ask(gateway, "/v1/rerank", body, KEY)["results"]) == 2
    with pytest.raises(AssertionError):
        ask(gateway, "/v1/models", key="sk-wrong", seconds=0)
