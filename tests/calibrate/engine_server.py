"""A server with the manners of engines that are not at hand: Ollama's durations and OpenAI's stream of pieces.

Field names and units as their documentation has them (ollama docs/api.md; platform.openai.com, completions). Times are
what the test says, so that what a bench makes of them is known.
"""

import json
import time
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any

from tests.quiet_http import QuietServer, body_of

MILLISECOND = 1_000_000  # Ollama counts nanoseconds


class EngineServer:
    """Reads ``read`` and writes ``write`` tokens per second; every request in order."""

    def __init__(self, read: float = 2000.0, write: float = 100.0, load_seconds: float = 3.0) -> None:
        self.read, self.write, self.load_seconds = read, write, load_seconds
        self.loaded = False
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.keys: set[str | None] = set()
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.server = QuietServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What Ollama says; two tokens to a word."""
        if path == "/api/version":
            return {"version": "0.32.13"}
        if body.get("keep_alive") == 0:
            self.loaded = False
            return {"done": True, "done_reason": "unload"}
        load = 1 if self.loaded else int(self.load_seconds * 1000)
        self.loaded = True
        read = 2 * len(str(body.get("prompt") or body.get("input")).split())
        told = {"prompt_eval_count": read, "load_duration": load * MILLISECOND}
        if path == "/api/embed":
            return {
                **told,
                "total_duration": int((load + 1000 * read / self.read) * MILLISECOND),
                "embeddings": [[0.1]],
            }
        wrote = body["options"]["num_predict"]
        return {
            **told,
            "prompt_eval_duration": int(1000 * read / self.read) * MILLISECOND,
            "eval_count": wrote,
            "eval_duration": int(1000 * wrote / self.write) * MILLISECOND,
            "response": "x" * wrote,
            "done": True,
        }

    def pieces(self, body: dict[str, Any]) -> Any:
        """What a completion streams, in time."""
        read = len(body["prompt"].split())
        time.sleep(read / self.read)
        for number in range(body["max_tokens"]):
            if number:
                time.sleep(1 / self.write)
            yield {"choices": [{"index": 0, "text": "x", "finish_reason": None}]}
        usage = {"prompt_tokens": read, "completion_tokens": body["max_tokens"]}
        yield {"choices": [], "usage": usage}


def _handler(engine: EngineServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve({})

        def do_POST(self) -> None:
            self._serve(json.loads(body_of(self)))

        def _serve(self, body: dict[str, Any]) -> None:
            engine.requests.append((self.path, body))
            engine.keys.add(self.headers.get("Authorization"))
            if self.path in engine.answers:
                status, content = engine.answers[self.path]
                self._send(status, content)
            elif self.path == "/v1/completions":
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for piece in engine.pieces(body):
                    self.wfile.write(b"data: " + json.dumps(piece).encode() + b"\n\n")
                    self.wfile.flush()
                self.wfile.write(b"data: [DONE]\n\n")
            else:
                self._send(200, json.dumps(engine.answer(self.path, body)).encode())

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
