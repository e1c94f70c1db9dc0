"""Models that Ollama pulls itself, from a server with its manners: failures inside HTTP 200, layers, digests."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from threading import Thread

import pytest
from tests.download.conftest import Site
from tests.quiet_http import QuietServer, body_of
from tests.render.plans import OLLAMA, host, instance, tag
from tests.render.plans import plan as made_plan

from stackplan.lock import read_lock

DIGEST = "sha256:" + "a" * 64


class FakeOllama:
    """Ollama 0.32 as far as pulling goes: what was pulled, and what goes wrong next."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        self.answers: list[list[dict] | int | bytes] = []
        self.pulls: list[str] = []
        self.server = QuietServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"fake": self}))
        self.port = self.server.server_address[1]
        Thread(target=self.server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()

    def pull(self, name: str) -> list[dict] | int | bytes:
        self.pulls.append(name)
        if self.answers:
            return self.answers.pop(0)
        self.digests[name] = DIGEST
        layer = {"status": "pulling aaaa", "digest": "sha256:aaaa", "total": 100}
        return [
            {"status": "pulling manifest"},
            layer,
            layer | {"completed": 50},
            layer | {"completed": 100},
            {"status": "verifying sha256 digest"},
            {"status": "writing manifest"},
            {"status": "success"},
        ]


class _Handler(BaseHTTPRequestHandler):
    fake: FakeOllama

    def do_GET(self) -> None:
        models = [{"name": name, "digest": digest, "size": 1} for name, digest in self.fake.digests.items()]
        self._send(200, json.dumps({"models": models}).encode())

    def do_POST(self) -> None:
        asked = json.loads(body_of(self))
        answer = self.fake.pull(asked["model"])
        if isinstance(answer, int):
            return self._send(answer, b'{"error": "internal"}')
        if isinstance(answer, bytes):
            return self._send(200, answer)
        return self._send(200, b"".join(json.dumps(line).encode() + b"\n" for line in answer))

    def _send(self, status: int, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    made = FakeOllama()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def ollama_site(site: Site, fake: FakeOllama) -> Site:
    """A stack with one HOT model that Ollama pulls."""
    model = tag("guard", "guard3:1b", 0.001)
    on = host("test-host")
    served = ((instance(model, "ollama", fake.port, place=()), ("watchdog",)),)
    site.render(made_plan("test-host", on, (model,), served, (OLLAMA,)))
    return site


def test_a_model_is_pulled_once_and_its_digest_locked(ollama_site: Site, fake: FakeOllama) -> None:
    assert ollama_site.run("download").returncode == 0
    assert ollama_site.run("download").returncode == 0
    assert fake.pulls == ["guard3:1b"]
    lock = read_lock((ollama_site.deploy / "stackplan.lock").read_text())
    assert lock.artifacts[0].revision == DIGEST
    assert lock.artifacts[0].unpinned == ()


def test_an_error_inside_http_200_is_tried_again(ollama_site: Site, fake: FakeOllama) -> None:
    fake.answers = [[{"status": "pulling manifest"}, {"error": "max retries exceeded: EOF"}], 500]
    done = ollama_site.run("download")
    assert done.returncode == 0, done.stderr
    assert len(fake.pulls) == 3


@pytest.mark.parametrize(
    ("answer", "pulls"),
    [
        ([{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}], 1),
        ([{"error": "The specified repository contains sharded GGUF. Ollama does not support this yet."}], 1),
        ([{"status": "pulling manifest"}], 2),
        (400, 1),
        (b"<html>a router's login page</html>", 1),
        (b'{"status": ', 1),
    ],
)
def test_what_is_no_success_is_a_failure_with_a_reason(
    ollama_site: Site, fake: FakeOllama, answer: list[dict] | int | bytes, pulls: int
) -> None:
    fake.answers = [answer] * 5
    done = ollama_site.run("download", "--json", STACKPLAN_TRIES="2")
    (failure,) = json.loads(done.stdout)["failed"]
    assert done.returncode == 1
    assert failure["slug"] in ("ollama-pull", "ollama-strange")
    assert len(fake.pulls) == pulls


def test_a_tag_that_moved_since_it_was_locked_is_told(ollama_site: Site, fake: FakeOllama) -> None:
    ollama_site.run("download")
    fake.digests["guard3:1b"] = "sha256:" + "b" * 64
    done = ollama_site.run("download")
    assert done.returncode == 1
    assert "the tag moved" in done.stdout
    assert ollama_site.run("lock", "--upgrade").returncode == 0
    assert ollama_site.run("download").returncode == 0


def test_a_server_that_is_not_running_is_told_with_the_way_to_start_it(ollama_site: Site, fake: FakeOllama) -> None:
    fake.server.shutdown()
    fake.server.server_close()
    done = ollama_site.run("download", "--json")
    (failure,) = json.loads(done.stdout)["failed"]
    assert failure["slug"] == "no-ollama-server"
    assert "docker compose up -d guard" in failure["hint"]
