"""A web server on this machine that behaves well or badly, by path."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any, ClassVar

from tests.quiet_http import QuietServer


class Site(QuietServer):
    """``pages`` maps a path to bytes; ``manners`` to how they are sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, bytes] = {}
        self.manners: dict[str, str] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.sent_bytes = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def publish_repository(self, name: str, files: dict[str, bytes], revision: str = "main") -> None:
        """The two addresses of the Hugging Face hub that matter: the list of files and each file."""
        listing = {"siblings": [{"rfilename": file} for file in [*files, "README.md"]]}
        self.pages[f"/api/models/{name}/revision/{revision}"] = json.dumps(listing).encode()
        for file, content in files.items():
            self.pages[f"/{name}/resolve/{revision}/{file}"] = content


class _Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float] = 10

    def do_GET(self) -> None:
        self.server.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
        if target := self.server.redirects.get(self.path):
            self.answer(302, b"", Location=target)
        elif self.path not in self.server.pages:
            self.answer(404, b"not here")
        else:
            self.send_page(self.server.pages[self.path], self.server.manners.get(self.path, "ranges"))

    def send_page(self, page: bytes, manner: str) -> None:
        if manner == "hangs":
            time.sleep(5)
        elif manner == "trickles":
            self.trickle(page)
        elif manner.isdecimal():
            self.answer(int(manner), b"no")
        elif manner == "ignores ranges" or "Range" not in self.headers:
            self.answer(200, page)
        elif manner == "drops the connection":
            self.answer(206, page[:100], {"Content-Range": f"bytes 0-99/{len(page)}"}, length=len(page))
            self.close_connection = True
        elif manner == "other range":
            self.answer(206, page, {"Content-Range": f"bytes 500-{len(page) + 499}/{len(page) + 500}"})
        elif manner == "compressed":
            self.answer(200, page, {"Content-Encoding": "gzip"})
        else:
            self.send_range(page)

    def send_range(self, page: bytes) -> None:
        first, last = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
        if first >= len(page):
            self.answer(416, b"")
            return
        part = page[first : last + 1]
        self.answer(206, part, {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(page)}"})

    def trickle(self, page: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        for position in range(20):
            self.wfile.write(page[position : position + 1])
            self.wfile.flush()
            time.sleep(0.1)

    def answer(
        self, code: int, body: bytes, headers: dict[str, str] | None = None, length: int | None = None, **more: str
    ) -> None:
        self.send_response(code)
        for key, value in {**(headers or {}), **more}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.server.sent_bytes += len(body)  # before the client can have seen them and looked at the sum
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # a client that has what it wanted hangs up

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is the library's
        """Stay silent."""


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()
    thread = Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        site.server_close()
