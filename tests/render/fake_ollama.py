"""A server with Ollama's manners: failures inside HTTP 200, tags with :latest, keep_alive as a number only.

Copies the semantics of Ollama 0.32 that the pull scripts depend on; it stands for a program that is not at hand.
"""

import json
from http.server import BaseHTTPRequestHandler
from threading import Thread

from tests.quiet_http import QuietServer, body_of


class FakeOllama:
    """Models that exist upstream, what was pulled, and every request in order."""

    def __init__(self, upstream: set[str], failures: int = 0) -> None:
        self.upstream = upstream
        self.failures_left = failures
        self.models: set[str] = set()
        self.requests: list[tuple[str, dict]] = []
        self.server = QuietServer(("127.0.0.1", 0), _handler(self))
        self.port = self.server.server_address[1]
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def answer(self, path: str, body: dict) -> tuple[int, list[dict]]:
        self.requests.append((path, body))
        if path == "/api/pull":
            return self._pull(body["model"])
        if path == "/api/create":
            if _tagged(body["from"]) not in self.models:
                return 200, [
                    {"status": "reading model metadata"},
                    {"error": "pull model manifest: file does not exist"},
                ]
            self.models.add(_tagged(body["model"]))
            return 200, [{"status": "success"}]
        return self._load(path, body)

    def _pull(self, name: str) -> tuple[int, list[dict]]:
        first = {"status": "pulling manifest"}
        if self.failures_left:
            self.failures_left -= 1
            return 200, [first, {"error": "max retries exceeded: EOF"}]
        if name not in self.upstream:
            return 200, [first, {"error": "pull model manifest: file does not exist"}]
        self.models.add(_tagged(name))
        return 200, [first, {"status": "verifying sha256 digest"}, {"status": "success"}]

    def _load(self, path: str, body: dict) -> tuple[int, list[dict]]:
        if not isinstance(body.get("keep_alive"), int):
            return 400, [{"error": f'time: missing unit in duration "{body.get("keep_alive")}"'}]
        if _tagged(body["model"]) not in self.models:
            return 404, [{"error": f"model '{body['model']}' not found"}]
        embeds = "embed" in body["model"]
        if path == "/api/generate" and embeds:
            return 400, [{"error": f'"{body["model"]}" does not support generate'}]
        return 200, [{"model": body["model"], "embeddings": []} if embeds else {"model": body["model"], "done": True}]


def _tagged(name: str) -> str:
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def _handler(fake: FakeOllama) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, [{"models": [{"name": name, "size": 1} for name in sorted(fake.models)]}])

        def do_POST(self) -> None:
            body = json.loads(body_of(self))
            self._send(*fake.answer(self.path, body))

        def _send(self, status: int, lines: list[dict]) -> None:
            text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
