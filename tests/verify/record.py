"""Asks the real programs and keeps what they said: ``python -m tests.verify.record`` writes tests/verify/recorded/.

Needs LLAMA_BIN, OLLAMA_BIN and LITELLM_BIN (docs/targets.md). Not a test: run it by hand when a program changed.
"""

import json
import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from stackplan.verify.client import Client, Limits
from stackplan.verify.exchange import Question
from stackplan.verify.role_question import direct, through_gateway
from tests.render.conftest import clean_environment
from tests.render.test_ollama_server import Ollama
from tests.render.tiny_gguf import chat_model, encoder
from tests.verify.stacks import Running, litellm_proxy, made_stack

RECORDED = Path(__file__).parent / "recorded"
KEY = "sk-recording"


def main() -> None:
    RECORDED.mkdir(exist_ok=True)
    server = Path(os.environ["LLAMA_BIN"]) / "llama-server"
    with tempfile.TemporaryDirectory() as name:
        _llama_and_litellm(server, Path(name))
    with tempfile.TemporaryDirectory() as name:
        _ollama(server, Path(name))


def _llama_and_litellm(server: Path, folder: Path) -> None:
    made = made_stack(folder)
    running = Running(made, folder, server)
    try:
        for name in running.servers:
            running.start(name)
        roles = {role.role: role for role in made.roles}
        chat, warm = (f"http://127.0.0.1:{running.servers[name].port}" for name in ("mid-chat", "warm-cpu"))
        _ask(direct(made, roles["code"]))
        answers = {f"single {path}": _ask(Question(chat, path)) for path in _paths("mid-chat")}
        answers |= {f"router {path}": _ask(Question(warm, path)) for path in _paths("mid-red")}
        answers["router refused"] = _ask(Question(warm, "/props?model=mid-blue&autoload=false"))
        answers |= {f"role {name}": _ask(direct(made, roles[name])) for name in ("worker", "embedding", "reranker")}
        _keep("llama_cpp", "llama-server b11434", answers, {str(server.parent): "/usr/local/bin"})
        with litellm_proxy(Path(os.environ["LITELLM_BIN"]), made, folder, KEY):
            base = f"http://127.0.0.1:{made.gateway_port}"
            answers = {path: _ask(Question(base, path, key=KEY)) for path in ("/health/readiness", "/v1/models")}
            answers["no key"] = _ask(Question(base, "/v1/models"))
            for name in ("worker", "embedding", "reranker"):
                answers[f"role {name}"] = _ask(through_gateway(made, roles[name], base, KEY))
            _keep("litellm", "LiteLLM 1.106.2", answers, {})
    finally:
        running.stop_all()


def _paths(name: str) -> list[str]:
    return ["/models", *(f"/{page}?model={name}&autoload=false" for page in ("props", "slots"))]


def _ollama(server: Path, folder: Path) -> None:
    library = folder / "dist/linux-amd64/lib"
    library.mkdir(parents=True)
    (library / "ollama").symlink_to(server.parent)
    environment = clean_environment(OLLAMA_MODELS=str(folder / "models"), OLLAMA_NO_CLOUD="1")
    environment["LD_LIBRARY_PATH"] = os.environ.get("LD_LIBRARY_PATH", "")
    there = Ollama(Path(os.environ["OLLAMA_BIN"]), folder, environment)
    try:
        chat_model(folder / "chat.gguf")
        encoder(folder / "embed.gguf", reranks=False)
        for role, file in (("worker", "chat"), ("embedding", "embed")):
            there.add(f"{file}:1", folder / f"{file}.gguf")
            of = {"model": f"stackplan-{role}", "from": f"{file}:1", "parameters": {"num_ctx": 256, "num_gpu": 0}}
            there.ask("/api/create", of)
        there.ask("/api/generate", {"model": "stackplan-worker", "keep_alive": -1})
        there.ask("/api/embed", {"model": "stackplan-embedding", "input": "", "keep_alive": "5m"})
        base = f"http://127.0.0.1:{there.port}"
        answers = {"/api/ps": _ask(Question(base, "/api/ps"))}
        for role in ("worker", "embedding", "nobody"):
            body = json.dumps({"model": f"stackplan-{role}"}).encode()
            answers[f"/api/show {role}"] = _ask(Question(base, "/api/show", body))
        _keep("ollama", "Ollama 0.32.13", answers, {str(folder): "/var/lib/ollama"})
    finally:
        there.process.terminate()
        there.process.wait(timeout=30)


def _ask(question: Question) -> dict[str, Any]:
    reply = Client(Limits())(question)
    by = {name: value for name, value in reply.headers.items() if name.startswith("x-litellm-model-")}
    told = reply.json()
    return {"status": reply.status, "headers": by, "body": told if told is not None else reply.body.decode()}


def _keep(name: str, program: str, answers: dict[str, Any], places: dict[str, str]) -> None:
    """One answer a line; folders of this machine are named as an installation would."""
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in answers.items()]
    head = f'{{"program": {json.dumps(program)}, "recorded": "{date.today().isoformat()}", "answers": {{'  # noqa: DTZ011
    text = head + "\n" + ",\n".join(lines) + "\n}}\n"
    for place, name_of_it in places.items():
        text = text.replace(place, name_of_it)
    (RECORDED / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
