"""`up` with the real Ollama: HOT models that were made are in memory for good, the others are named."""

import json
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.render.conftest import write
from tests.render.plans import OLLAMA, host, instance, plan, tag
from tests.render.test_ollama_server import Ollama
from tests.render.test_running import free_ports
from tests.render.tiny_gguf import chat_model, encoder

from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.running.lifecycle import Wish, down, up
from stackplan.running.site import prepare, site_of
from stackplan.values import replace


@pytest.fixture
def duo() -> Plan:
    """A chat model and an embedder, HOT in one Ollama server on the CPU."""
    small, embed = tag("small-3b", "small:3b", 0.001), tag("embed-tag", "embed-text:v1.5", 0.001)
    ports = free_ports(3)
    shared = {"place": (), "context_tokens": 256, "kv_type": "f16"}
    served = (
        (instance(small, "ollama", ports[0], **shared), ("watchdog",)),
        (instance(embed, "ollama", ports[1], mode="embedding", **shared), ("embedding",)),
    )
    return replace(plan("duo", host("duo"), (small, embed), served, (OLLAMA,)), gateway_port=ports[2])


def test_hot_models_are_in_memory_when_up_ends(
    duo: Plan, ollama_program: Path, llama_server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA", str(ollama_program))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "store"))
    write(tmp_path / "deploy", render_plan(duo, ["plan", "ollama"]))
    site = site_of(tmp_path / "deploy", tmp_path / "models", {"STACKPLAN_STATE": str(tmp_path / "state")})
    prepare(site)
    library = site.work / "dist/linux-amd64/lib"  # where a server that was not installed looks for its runner
    library.mkdir(parents=True)
    (library / "ollama").symlink_to(llama_server.parent)
    wish, told = Wish(supervisor="supervisord", gateway=False), []
    try:
        (started,) = up(duo, site, wish, tmp_path / "config", told.append)
        assert told[-1].startswith("not in Ollama yet: stackplan-watchdog, stackplan-embedding; next: bash ")
        make_models(started.unit.port, tmp_path)
        told.clear()
        up(duo, site, wish, tmp_path / "config", told.append)
        assert "not in Ollama" not in told[-1]
        with urlopen(f"http://127.0.0.1:{started.unit.port}/api/ps", timeout=10) as answer:
            loaded = {one["name"]: int(one["expires_at"][:4]) for one in json.load(answer)["models"]}
        assert loaded.keys() == {"stackplan-watchdog:latest", "stackplan-embedding:latest"}
        assert min(loaded.values()) > 2100  # pinned
    finally:
        assert down(duo, site, None)


def make_models(port: int, folder: Path) -> None:
    """The planned names, from files of this test; the library cannot be reached from here."""
    chat_model(folder / "chat.gguf")
    encoder(folder / "embed.gguf", reranks=False)
    server = Ollama.__new__(Ollama)
    server.port = port
    server.add("stackplan-watchdog", folder / "chat.gguf")
    server.add("stackplan-embedding", folder / "embed.gguf")
