"""Ollama through its API: its servers pull models themselves and are told so.

``/api/pull`` answers 200 and reports failures as a line of the stream; only a last ``{"status": "success"}`` means
that the model is there (Ollama 0.32). Layers that were fetched stay, so that trying again continues.
"""

import json
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from stackplan.download.obstacle import Interrupted, Obstacle, Patience
from stackplan.download.wanted import Pull

# Checking the digest of a large layer is silent: 60 GB at 200 MB/s take five minutes.
PULL_SILENCE_SECONDS = 600.0
_LARGEST_LINE_BYTES = 1024**2
_LARGEST_ANSWER_BYTES = 64 * 1024**2
# What no second try will change; the rest of Ollama's messages are about the network or its disk.
_FINAL = ("file does not exist", "not found", "invalid model", "unauthorized", "sharded", "no space left", "requires a")

Told = Callable[[int, int], None]


def digest_at(pull: Pull, patience: Patience) -> str:
    """The digest of the model's manifest on its server, "" when it is not there. Raises `Obstacle`."""
    answer = _call(pull, "GET", "/api/tags", None, patience.silence_seconds)
    try:
        models = json.loads(answer.read(_LARGEST_ANSWER_BYTES)).get("models") or []
        names = {str(model["name"]).lower(): str(model.get("digest", "")) or "unknown" for model in models}
    except (ValueError, AttributeError, LookupError, TypeError, RecursionError, OSError, HTTPException) as error:
        raise _strange(pull, "its list of models cannot be read") from error
    return names.get(_tagged(pull.name).lower(), "")


def pull_model(pull: Pull, patience: Patience, stop: threading.Event, told: Told, note: Callable[[str], None]) -> None:
    """Let the server fetch the model; ``told`` gets the bytes there and the bytes in all. Raises `Obstacle`."""
    attempt = 0
    while True:
        attempt += 1
        try:
            _pull_once(pull, stop, told)
        except Obstacle as obstacle:
            if obstacle.temporary and attempt < patience.tries:
                note(f"{pull.name}: {obstacle.message}; trying again")
            patience.wait(obstacle, attempt, stop)
        else:
            return


def _pull_once(pull: Pull, stop: threading.Event, told: Told) -> None:
    answer = _call(pull, "POST", "/api/pull", {"model": pull.name, "stream": True}, PULL_SILENCE_SECONDS)
    layers: dict[str, tuple[int, int]] = {}
    last = ""
    for line in _lines(pull, answer):
        if stop.is_set():
            raise Interrupted
        if "error" in line:
            raise _failed(pull, str(line["error"]))
        last = str(line.get("status", ""))
        completed, total = line.get("completed", 0), line.get("total", 0)
        if line.get("digest") and isinstance(total, int) and isinstance(completed, int):
            layers[str(line["digest"])] = (completed, total)
            told(sum(done for done, _ in layers.values()), sum(size for _, size in layers.values()))
    if last != "success":
        raise _failed(pull, "the answer ended before it said success")


def _lines(pull: Pull, answer: HTTPResponse) -> Iterator[dict[str, Any]]:
    while True:
        try:
            text = answer.readline(_LARGEST_LINE_BYTES)
        except (OSError, HTTPException) as error:
            raise _failed(pull, f"the connection broke: {error}") from error
        if not text:
            return
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _strange(pull, "a line of its answer is not JSON") from error
        if isinstance(line, dict):
            yield line


def _call(pull: Pull, method: str, path: str, body: dict[str, Any] | None, silence_seconds: float) -> HTTPResponse:
    address = urlsplit(pull.url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    try:
        # Straight to the server: a proxy for the internet cannot see this machine's own loopback.
        connection = kind(address.hostname or "", address.port, timeout=silence_seconds)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        answer = connection.getresponse()
    except (OSError, HTTPException, ValueError) as error:
        raise Obstacle(
            f"no Ollama server {pull.server} at {pull.url}: {error}",
            hint=f"start it first: `docker compose up -d {pull.server}` or `ollama serve` with that port",
            slug="no-ollama-server",
        ) from error
    if answer.status != 200:
        raise _failed(pull, _reason(answer), status=answer.status)
    return answer


def _reason(answer: HTTPResponse) -> str:
    try:
        told = json.loads(answer.read(_LARGEST_LINE_BYTES))
        return str(told["error"])
    except (ValueError, LookupError, TypeError, RecursionError, OSError, HTTPException):
        return f"it answers {answer.status}"


def _failed(pull: Pull, reason: str, status: int = 200) -> Obstacle:
    words = " ".join(reason.split())[:200]
    final = any(sign in words.lower() for sign in _FINAL) or 400 <= status < 500
    return Obstacle(
        f"Ollama at {pull.url} could not pull {pull.name}: {words}",
        hint="check the name on ollama.com, the server's network and its disk, then run it again: it continues",
        slug="ollama-pull",
        temporary=not final,
    )


def _strange(pull: Pull, what: str) -> Obstacle:
    return Obstacle(
        f"{pull.url} does not answer like Ollama: {what}", hint="check what listens on that port", slug="ollama-strange"
    )


def _tagged(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
