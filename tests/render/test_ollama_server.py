"""The pull script and Modelfiles against the real Ollama server, with a real llama-server below it.

`make engine` builds the server from its Go module. Its library cannot be reached here, so models that "exist" are made
from tiny files first.
"""

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from tests.render.conftest import clean_environment, run, write
from tests.render.plans import dual_24gb
from tests.render.test_running import free_ports
from tests.render.tiny_gguf import chat_model, encoder

from stackplan.render import render_plan
from stackplan.values import replace


class Ollama:
    """A running server in a folder of its own."""

    def __init__(self, program: Path, folder: Path, environment: dict[str, str]) -> None:
        self.program, self.folder = program, folder
        self.port = free_ports(1)[0]
        self.environment = environment | {"OLLAMA_HOST": f"127.0.0.1:{self.port}", "HOME": str(folder)}
        with (folder / "serve.log").open("w") as log:
            command = [str(program), "serve"]
            self.process = subprocess.Popen(command, env=self.environment, cwd=folder, stdout=log, stderr=log)
        for _ in range(100):
            try:
                self.ask("/api/version")
                return
            except URLError:
                time.sleep(0.1)

    def ask(self, path: str, body: bytes | dict | None = None) -> list[dict]:
        """The lines of an answer."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", data), timeout=60) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]

    def add(self, name: str, file: Path) -> None:
        digest = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
        with urlopen(Request(f"http://127.0.0.1:{self.port}/api/blobs/{digest}", file.read_bytes(), method="POST")):
            pass
        assert self.ask("/api/create", {"model": name, "files": {file.name: digest}})[-1] == {"status": "success"}

    def pull(self) -> subprocess.CompletedProcess[str]:
        plan = dual_24gb()
        ports = {"small-3b": self.port, "embed-tag": 65535}
        moved = tuple(
            replace(
                one,
                port=ports.get(one.id, one.port),
                context_tokens=256,
                placement=replace(one.placement, devices=(), split=()),
            )
            for one in plan.instances
        )
        artifacts = tuple(replace(one, file_bytes=1000) for one in plan.artifacts)
        write(self.folder / "deploy", render_plan(replace(plan, instances=moved, artifacts=artifacts), ["ollama"]))
        return run("bash", self.folder / "deploy/ollama/pull.sh", STACKPLAN_RETRY_SECONDS="0")


@pytest.fixture
def ollama(ollama_program: Path, llama_server: Path, tmp_path: Path) -> Iterator[Ollama]:
    library = tmp_path / "dist/linux-amd64/lib"  # where a server that was not installed looks for its runner
    library.mkdir(parents=True)
    (library / "ollama").symlink_to(llama_server.parent)
    environment = clean_environment(OLLAMA_MODELS=str(tmp_path / "models"), OLLAMA_NO_CLOUD="1")
    environment["LD_LIBRARY_PATH"] = os.environ.get("LD_LIBRARY_PATH", "")
    server = Ollama(ollama_program, tmp_path, environment)
    yield server
    server.process.terminate()
    server.process.wait(timeout=30)


def test_the_script_creates_and_pins_what_the_plan_says(ollama: Ollama) -> None:
    chat_model(ollama.folder / "chat.gguf")
    encoder(ollama.folder / "embed.gguf", reranks=False)
    ollama.add("small:3b", ollama.folder / "chat.gguf")
    ollama.add("embed-text:v1.5", ollama.folder / "embed.gguf")
    done = ollama.pull()
    assert done.returncode == 0, done.stderr
    loaded = {model["name"]: model for model in ollama.ask("/api/ps")[0]["models"]}
    assert loaded.keys() == {"stackplan-watchdog:latest", "stackplan-embedding:latest"}
    for model in loaded.values():
        assert model["context_length"] == 256
        assert int(model["expires_at"][:4]) > 2100  # pinned


def test_the_script_fails_when_the_library_cannot_be_reached(ollama: Ollama) -> None:
    done = ollama.pull()
    assert done.returncode == 1
    assert "FAILED to pull small:3b" in done.stderr
    assert "pull model manifest" in done.stderr


def test_the_server_takes_the_modelfiles(ollama: Ollama) -> None:
    chat_model(ollama.folder / "chat.gguf")
    ollama.add("small:3b", ollama.folder / "chat.gguf")
    ollama.pull()
    file = ollama.folder / "deploy/ollama/modelfiles/watchdog.Modelfile"
    done = run(ollama.program, "create", "by-file", "-f", file, **ollama.environment)
    assert done.returncode == 0, done.stderr
    shown = ollama.ask("/api/show", {"model": "by-file"})[0]["parameters"].split()
    told = {"num_ctx": "256", "num_gpu": "0", "num_batch": "512", "num_thread": "12"}
    assert dict(zip(shown[::2], shown[1::2], strict=True)) == told
