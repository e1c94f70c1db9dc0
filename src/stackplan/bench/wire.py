"""The clock and the wire of a bench: answers piece by piece (server-sent events), within one time for everything."""

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from stackplan.bench.sample import Means, Target, answered
from stackplan.errors import UserError
from stackplan.verify.client import LARGEST_ANSWER_BYTES, Client, Limits
from stackplan.verify.exchange import Question, Reply
from stackplan.verify.observation import Heard

_LONGEST_LINE = 1 << 20


def means(seconds: float) -> Means:
    """What a bench asks with; after so many ``seconds`` every request ends."""
    end = time.monotonic() + seconds

    def stream(target: Target, question: Question) -> Iterator[tuple[float, Any]]:
        return _pieces(target, question, end)

    return Means(Client(Limits(seconds, seconds)), stream, time.monotonic)


def _pieces(target: Target, question: Question, end: float) -> Iterator[tuple[float, Any]]:
    address = urlsplit(question.base)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=max(0.1, end - time.monotonic()))
    try:
        headers = {"Content-Type": question.content_type}
        if question.key:
            headers["Authorization"] = f"Bearer {question.key}"
        connection.request("POST", question.path, question.body, headers)
        response = connection.getresponse()
        if response.status != 200:
            answered(target, Reply(Heard.ANSWERED, response.status, response.read(1 << 16)))
        yield from _events(target, response, end)
    except (OSError, HTTPException) as error:
        answered(target, Reply(Heard.SILENT, problem=str(error) or type(error).__name__))
    finally:
        connection.close()


def _events(target: Target, response: HTTPResponse, end: float) -> Iterator[tuple[float, Any]]:
    taken = 0
    while line := response.readline(_LONGEST_LINE):
        now = time.monotonic()
        taken += len(line)
        if now > end or taken > LARGEST_ANSWER_BYTES:
            raise UserError(f"{target.name} writes without end", hint="give more time: --seconds", slug="bench-failed")
        if line.startswith(b"data:") and (piece := _object(line[5:])) is not None:
            yield now, piece


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None
