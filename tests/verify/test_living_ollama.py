"""`stackplan verify` on a real Ollama server: agreement, an eviction, a model that is not pinned, a wrong context."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackplan.plan import Instance, Plan, PlannedArtifact
from stackplan.render import render_plan
from stackplan.units import KIB
from stackplan.values import replace
from tests.render.conftest import clean_environment, write
from tests.render.plans import OLLAMA, host, instance, plan, tag
from tests.render.test_ollama_server import Ollama
from tests.render.tiny_gguf import chat_model, encoder
from tests.verify.stacks import SHAPE, demand
from tests.verify.test_living_stack import Verified

ENCODER_CONTEXT = 512


class Served(Ollama):
    """Two HOT models of a plan on one server, as the rendered environment and scripts would have them."""

    def __init__(self, program: Path, runner: Path, folder: Path, most: int) -> None:
        library = folder / "dist/linux-amd64/lib"  # where a server that was not installed looks for its runner
        library.mkdir(parents=True)
        (library / "ollama").symlink_to(runner.parent)
        environment = clean_environment(
            OLLAMA_MODELS=str(folder / "models"),
            OLLAMA_NO_CLOUD="1",
            OLLAMA_KEEP_ALIVE="-1",
            OLLAMA_MAX_LOADED_MODELS=str(most),
            OLLAMA_FLASH_ATTENTION="1",
        )
        environment["LD_LIBRARY_PATH"] = os.environ.get("LD_LIBRARY_PATH", "")
        super().__init__(program, folder, environment)
        chat_model(folder / "chat.gguf", shape=SHAPE)
        encoder(folder / "embed.gguf", reranks=False, shape=SHAPE)
        for name in ("chat", "embed"):
            self.add(f"{name}:1", folder / f"{name}.gguf")
        self.plan = self._plan()
        write(folder / "deploy", render_plan(self.plan, ["plan", "ollama"]))
        for one in self.plan.instances:
            (role,) = self.plan.roles_of(one.id)
            self.make(role.role, one.model, one.context_tokens)

    def make(self, role: str, model: str, context: int) -> None:
        """A role's model, as its Modelfile says."""
        said = {"num_ctx": context, "num_gpu": 0}
        self.ask("/api/create", {"model": f"stackplan-{role}", "from": f"{model}:1", "parameters": said})

    def load(self, role: str, keep_alive: str | int = -1) -> None:
        path, body = ("/api/embed", {"input": ""}) if role == "embedding" else ("/api/generate", {})
        self.ask(path, {"model": f"stackplan-{role}", "keep_alive": keep_alive, **body})

    def _plan(self) -> Plan:
        chat, embed = tag("chat", "chat:1", 0.001), tag("embed", "embed:1", 0.001)
        served = (
            (self._instance(chat, self.port, context_tokens=32 * KIB), ("worker",)),
            (self._instance(embed, 65535, context_tokens=ENCODER_CONTEXT, mode="embedding"), ("embedding",)),
        )
        artifacts = tuple(replace(one, file_bytes=self._file(one).stat().st_size) for one in (chat, embed))
        return plan("ollama", host("ollama", threads=4), artifacts, served, (OLLAMA,))

    def _instance(self, artifact: PlannedArtifact, port: int, **more: object) -> Instance:
        base = instance(artifact, "ollama", port, place=(), kv_type="f16", **more)
        return replace(base, demand=(demand(self._file(artifact), base),))

    def _file(self, artifact: PlannedArtifact) -> Path:
        return self.folder / f"{artifact.model}.gguf"


@pytest.fixture
def roomy(ollama_program: Path, llama_server: Path, tmp_path: Path) -> Iterator[Served]:
    """A server that keeps both models, as planned."""
    server = Served(ollama_program, llama_server, tmp_path, most=2)
    yield server
    server.process.terminate()
    server.process.wait(timeout=30)


@pytest.fixture
def narrow(ollama_program: Path, llama_server: Path, tmp_path: Path) -> Iterator[Served]:
    """A server that somebody told to keep one model."""
    server = Served(ollama_program, llama_server, tmp_path, most=1)
    yield server
    server.process.terminate()
    server.process.wait(timeout=30)


def test_a_server_as_planned_agrees(roomy: Served, capsys: pytest.CaptureFixture[str]) -> None:
    roomy.load("worker")
    roomy.load("embedding")
    seen = Verified(roomy.folder, "--exercise")
    rows = [one for one in seen.told["findings"] if one["check"] == "bytes"]
    with capsys.disabled():
        print("\nOllama:", *(f"\n  {row['subject']}: {row['message']}" for row in rows))
    assert (seen.code, seen.breaches) == (0, set()), seen.text
    for name in ("chat", "embed"):
        checks = {(check, name) for check in ("resident", "device", "context", "bytes", "kept")}
        assert checks <= seen.of("agrees")
    assert {("answer", "worker"), ("answer", "embedding")} <= seen.of("agrees")


def test_an_evicted_model_is_caught_and_not_loaded_by_asking(narrow: Served) -> None:
    narrow.load("worker")
    narrow.load("embedding")  # and the pinned worker has to go
    for _ in range(2):
        seen = Verified(narrow.folder)
        assert (seen.code, seen.breaches) == (2, {("resident", "chat")}), seen.text


def test_a_model_that_will_be_unloaded_when_idle_is_caught(roomy: Served) -> None:
    roomy.load("worker")
    roomy.load("embedding", "5m")
    seen = Verified(roomy.folder)
    assert (seen.code, seen.breaches) == (2, {("kept", "embed")}), seen.text


def test_a_model_made_with_another_context_is_caught(roomy: Served) -> None:
    roomy.make("worker", "chat", 16 * KIB)
    roomy.load("worker")
    roomy.load("embedding")
    seen = Verified(roomy.folder)
    assert seen.code == 2
    assert ("context", "chat") in seen.breaches, seen.text
