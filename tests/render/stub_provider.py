"""A server that speaks the endpoints behind a gateway and answers with its own name, so that routes can be seen."""

import json
from http.server import BaseHTTPRequestHandler
from threading import Thread

from tests.quiet_http import QuietServer, body_of


class StubProvider:
    """Counts requests by path. OpenAI chat and embeddings, Ollama chat and embed, three kinds of rerank."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests: list[tuple[str, dict]] = []
        self.server = QuietServer(("127.0.0.1", 0), _handler(self))
        self.port = self.server.server_address[1]
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str, body: dict) -> dict | list:
        self.requests.append((path, body))
        if path.endswith("/chat/completions"):
            return _completion(self.name, body)
        if path == "/api/chat":
            return {
                "model": body["model"],
                "created_at": "2026-01-01T00:00:00Z",
                "message": {"role": "assistant", "content": self.name},
                "done": True,
                "prompt_eval_count": 1,
                "eval_count": 1,
            }
        if path == "/api/embed":
            return {"model": body["model"], "embeddings": [[0.1, 0.2]], "prompt_eval_count": 1}
        if path.endswith("/embeddings"):
            vectors = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]
            return {
                "object": "list",
                "data": vectors,
                "model": body["model"],
                "usage": {"prompt_tokens": 1, "total_tokens": 1},
            }
        if path.endswith("/rerank"):
            return _ranks(body)
        return {"text": self.name} if path.endswith("/audio/transcriptions") else {}


def _completion(name: str, body: dict) -> dict:
    message = {"role": "assistant", "content": name}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def _ranks(body: dict) -> dict | list:
    if "texts" in body:  # Text Embeddings Inference
        return [{"index": number, "score": 0.5} for number, _ in enumerate(body["texts"])]
    results = [{"index": number, "relevance_score": 0.5} for number, _ in enumerate(body["documents"])]
    return {"id": "1", "model": body.get("model"), "results": results, "usage": {"total_tokens": 2, "prompt_tokens": 2}}


def _handler(stub: StubProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = body_of(self)
            form = self.headers["Content-Type"].startswith("multipart/")
            body = {"form": sent.decode(errors="replace")} if form else json.loads(sent or b"{}")
            text = json.dumps(stub.answer(self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
