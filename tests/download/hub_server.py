"""A hub: repositories with commits, large files behind redirects to a content network, ranges, gates and bad days.

Speaks what huggingface_hub 2.4 reads: ``/api/models/REPO/revision/REV?blobs=true`` and ``/REPO/resolve/REV/FILE`` with
``X-Repo-Commit``, ``X-Linked-Etag`` and ``X-Linked-Size``. The client in the tests is the real one.
"""

import hashlib
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler
from threading import Lock, Thread
from urllib.parse import unquote, urlsplit

from tests.quiet_http import QuietServer

LARGE = (".gguf", ".safetensors", ".bin")
PIECE_BYTES = 16 * 1024


@dataclass
class Fault:
    """What goes wrong with one request for a file: a status, an early end, silence, wrong bytes."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    silent_seconds: float = 0.0
    corrupt: bool = False
    ignore_range: bool = False


@dataclass
class Request:
    """One request for the bytes of a file, and how many were handed to the network."""

    path: str
    start: int
    sent: int = 0
    authorised: bool = False


class HubServer:
    """Files by repository; faults by file name, one used up per request (the last stays when ``forever``)."""

    def __init__(self, repositories: dict[str, dict[str, bytes]]) -> None:
        self.repositories = repositories
        self.contents = {sha256(content): content for files in repositories.values() for content in files.values()}
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.forever: dict[str, Fault] = {}
        self.promised: dict[str, bytes] = {}
        self.gated: set[str] = set()
        self.requests: list[Request] = []
        self.listings: list[str] = []
        self.pause_seconds = 0.0
        self.on_sent: Callable[[int], None] = lambda _total: None
        self._lock = Lock()
        self._total = 0
        self._server = QuietServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def sent_bytes(self) -> int:
        return sum(request.sent for request in self.requests)

    def starts(self, name: str) -> list[int]:
        """Where each request for the file began."""
        return [request.start for request in self.requests if request.path.endswith(name)]

    def commit(self, repository: str) -> str:
        return hashlib.sha1(  # noqa: S324  (git's own)
            json.dumps(sorted(self.describe(repository), key=str)).encode()
        ).hexdigest()

    def describe(self, repository: str) -> list[dict]:
        """The listing: what the hub promises of each file, which a fault may not keep."""
        return [self._described(path, content) for path, content in sorted(self.repositories[repository].items())]

    def _described(self, path: str, content: bytes) -> dict:
        content = self.promised.get(path, content)
        entry: dict = {"rfilename": path, "size": len(content), "blobId": git_sha1(content)}
        if path.endswith(LARGE):
            entry["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
        return entry

    def fault(self, path: str) -> Fault:
        with self._lock:
            name = path.rpartition("/")[2]
            return self.faults[name].pop(0) if self.faults[name] else self.forever.get(name, Fault())

    def count(self, request: Request, size: int) -> None:
        with self._lock:
            request.sent += size
            self._total += size
        self.on_sent(self._total)


@lru_cache(maxsize=256)
def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@lru_cache(maxsize=256)
def git_sha1(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()  # noqa: S324  (git's own)


class Handler(BaseHTTPRequestHandler):
    """One connection to the self.hub."""

    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(r"/api/models/(.+?)/revision/(.+)", path):
            return self._listing(match[1], match[2])
        if match := re.fullmatch(r"/cdn/([0-9a-f]{64})/(.+)", path):
            return self._content(match[2], self.hub.contents[match[1]], body=body)
        match = re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path)
        return self._file(match[1], match[2], match[3], body=body) if match else self._refuse(404)

    def _listing(self, repository: str, revision: str) -> None:
        self.hub.listings.append(repository)
        fault = self.hub.fault("listing")
        if fault.silent_seconds:
            time.sleep(fault.silent_seconds)
        if fault.status:
            return self._refuse(fault.status, fault.headers)
        if repository not in self.hub.repositories:
            return self._refuse(401, {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", self.hub.commit(repository)):
            return self._refuse(404, {"X-Error-Code": "RevisionNotFound"})
        gated = "manual" if repository in self.hub.gated else False
        answer = {"id": repository, "modelId": repository, "sha": self.hub.commit(repository), "gated": gated}
        answer |= {"private": False, "tags": [], "downloads": 0, "siblings": self.hub.describe(repository)}
        return self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _file(self, repository: str, revision: str, path: str, *, body: bool) -> None:
        files = self.hub.repositories.get(repository, {})
        if repository in self.hub.gated and self.headers.get("Authorization") != "Bearer hf_right":
            return self._refuse(403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        if path not in files:
            return self._refuse(404, {"X-Error-Code": "EntryNotFound"})
        if revision not in ("main", self.hub.commit(repository)):
            return self._refuse(404, {"X-Error-Code": "RevisionNotFound"})
        content = files[path]
        linked = self.hub.promised.get(path, content)
        etag = sha256(linked) if path.endswith(LARGE) else git_sha1(linked)
        extra = {"X-Repo-Commit": self.hub.commit(repository), "ETag": f'"{etag}"'}
        if not path.endswith(LARGE):
            return self._content(path, content, body=body, extra=extra)
        extra |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(linked))}
        # A content network is another origin: the client must leave its token behind.
        extra["Location"] = f"{self.hub.url.replace('127.0.0.1', 'localhost')}/cdn/{sha256(content)}/{path}"
        return self._send(302, b"", extra)

    def _content(self, path: str, content: bytes, *, body: bool, extra: dict[str, str] | None = None) -> None:
        fault = self.hub.fault(path)
        if fault.status:
            return self._refuse(fault.status, fault.headers)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        ranged = asked is not None and not fault.ignore_range
        start = int(asked[1]) if ranged else 0
        request = Request(path, start, authorised="Authorization" in self.headers)
        self.hub.requests.append(request)
        if start >= len(content) > 0:
            return self._refuse(416)
        end = min(int(asked[2]), len(content) - 1) if ranged and asked[2] else len(content) - 1
        part = content[start : end + 1]
        if fault.corrupt:
            part = part[:-1] + bytes([part[-1] ^ 1])
        self.send_response(206 if ranged else 200)
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        if ranged:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        return self._pieces(request, part, fault) if body else None

    def _pieces(self, request: Request, part: bytes, fault: Fault) -> None:
        limit = len(part) if fault.cut_after is None else min(fault.cut_after, len(part))
        try:
            for at in range(0, limit, PIECE_BYTES):
                piece = part[at : min(at + PIECE_BYTES, limit)]
                self.wfile.write(piece)
                self.hub.count(request, len(piece))
                time.sleep(self.hub.pause_seconds)
            if fault.silent_seconds:
                time.sleep(fault.silent_seconds)
        except OSError:
            pass  # the client was killed
        if limit < len(part):
            self.close_connection = True

    def _refuse(self, status: int, headers: dict[str, str] | None = None) -> None:
        self._send(status, b"{}", headers or {})

    def _send(self, status: int, text: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass
