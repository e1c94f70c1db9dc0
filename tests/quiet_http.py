"""Servers for tests whose clients may be stopped midway: a thread that notices later is no other test's story."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class QuietServer(ThreadingHTTPServer):
    """Says nothing where the client went away; any other mistake is printed as ever."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def body_of(handler: BaseHTTPRequestHandler) -> bytes:
    """What the client sent, whole; ConnectionError where it went away before."""
    size = int(handler.headers["Content-Length"])
    body = handler.rfile.read(size)
    if len(body) < size:
        raise ConnectionAbortedError(f"{len(body)} of {size} bytes")
    return body
