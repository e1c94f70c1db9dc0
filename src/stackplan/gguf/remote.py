"""A file on a web server, read by ranges: only the first megabytes of a model are ever fetched.

Plain ``urllib``: no second HTTP library is imported for it, and proxies from the environment work as everywhere.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Final, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from stackplan.errors import UserError

FIRST_BYTES: Final = 1024**2  # most headers without a large vocabulary fit
LARGEST_REQUEST_BYTES: Final = 8 * 1024**2
PIECE_BYTES: Final = 64 * 1024
SILENCE_SECONDS: Final = 20.0  # how long a server may say nothing
DEADLINE_SECONDS: Final = 120.0  # how long one header may take altogether
MAX_ANSWER_BYTES: Final = 16 * 1024**2  # a repository's list of files

Progress = Callable[[int], None]


class _Body(Protocol):
    status: int
    headers: HTTPMessage

    def read1(self, amount: int, /) -> bytes: ...

    def close(self) -> None: ...


class _SameSecretsRedirects(HTTPRedirectHandler):
    """Follow redirects, and keep the access token from other hosts and from unencrypted connections."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is None:
            return None
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            following.remove_header("Authorization")
        if before.scheme == "https" and after.scheme != "https":
            raise URLError(f"the server redirects to an unencrypted address, {after.netloc!r}")
        return following


def _opener() -> OpenerDirector:
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        _SameSecretsRedirects(),
    ):
        opener.add_handler(handler)
    return opener


class RemoteFile:
    """A seekable reader over ``url``. ``size`` is known after the first read if the server tells it."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        silence_seconds: float = SILENCE_SECONDS,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self.url = url
        self.size: int | None = None
        self.received_bytes = 0
        self._headers = dict(headers or {})
        self._progress = progress
        self._silence = silence_seconds
        self._deadline = time.monotonic() + deadline_seconds
        self._request_bytes = FIRST_BYTES
        self._block = b""
        self._start = 0
        self._position = 0

    def seek(self, offset: int, /) -> int:
        """Move to ``offset`` bytes from the start; nothing is fetched yet."""
        self._position = offset
        return offset

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, empty at the end. Raises UserError when the server does not give them."""
        at = self._position - self._start
        if not 0 <= at < len(self._block):
            self._block, self._start, at = self._fetch(self._position), self._position, 0
        chunk = self._block[at : at + size]
        self._position += len(chunk)
        return chunk

    def _fetch(self, start: int) -> bytes:
        if self.size is not None and start >= self.size:
            return b""
        size, self._request_bytes = self._request_bytes, min(2 * self._request_bytes, LARGEST_REQUEST_BYTES)
        wanted = {**self._headers, "Range": f"bytes={start}-{start + size - 1}", "Accept-Encoding": "identity"}
        body = _open(self.url, wanted, self._silence)
        if body is None:  # the range starts behind the end
            return b""
        try:
            return self._take(body, start, size)
        finally:
            body.close()

    def _take(self, body: _Body, start: int, size: int) -> bytes:
        if body.headers.get("Content-Encoding", "identity") != "identity":
            raise _unusable(self.url, "it sends the file compressed although it was asked not to")
        first = _first_byte(self.url, body)
        if first > start:
            raise _unusable(self.url, f"it answers from byte {first} when asked from {start}")
        self.size = _total_size(body)
        return self._receive(body, start - first + size)[start - first :]

    def _receive(self, body: _Body, size: int) -> bytes:
        pieces: list[bytes] = []
        for piece in _pieces(self.url, body, size, self._deadline):
            pieces.append(piece)
            self.received_bytes += len(piece)
            if self._progress:
                self._progress(self.received_bytes)
        return b"".join(pieces)


def _pieces(url: str, body: _Body, size: int, deadline: float) -> Iterator[bytes]:
    """At most ``size`` bytes as they arrive, so that a server that trickles is noticed."""
    while size > 0:
        if time.monotonic() > deadline:
            raise _silent(url)
        try:
            piece = body.read1(min(size, PIECE_BYTES))
        except (OSError, HTTPException) as error:
            raise _unreachable(url, error) from error
        if not piece:
            return
        size -= len(piece)
        yield piece


def fetch_json(url: str, headers: Mapping[str, str], silence_seconds: float = SILENCE_SECONDS) -> object:
    """The JSON document at ``url``, at most `MAX_ANSWER_BYTES`. Raises UserError."""
    body = _open(url, {**headers, "Accept": "application/json"}, silence_seconds)
    if body is None:
        raise _unusable(url, "it answers without content")
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        text = b"".join(_pieces(url, body, MAX_ANSWER_BYTES + 1, deadline))
        if len(text) > MAX_ANSWER_BYTES:
            raise _unusable(url, "its answer does not end")
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unusable(url, "its answer is not JSON") from error
    finally:
        body.close()


def _open(url: str, headers: Mapping[str, str], silence_seconds: float) -> _Body | None:
    """The response, None for an unsatisfiable range. Raises UserError for everything that people can fix."""
    try:
        request = Request(quote(url, safe="%/:=&?~#+!$,;'@()*[]"), headers=dict(headers))  # noqa: S310 -- opener
        response: _Body | None = _opener().open(request, timeout=silence_seconds)
    except HTTPError as error:
        error.close()
        if error.code == 416:
            return None
        raise _refused(url, error.code) from error
    except (OSError, HTTPException, ValueError) as error:
        raise _unreachable(url, error) from error
    if response is None:
        raise _unusable(url, "only http and https addresses can be read")
    return response


def _first_byte(url: str, body: _Body) -> int:
    """Where the body starts in the file: a server that ignores ranges sends it from the start."""
    if body.status != 206:
        return 0
    unit, _, rest = body.headers.get("Content-Range", "").partition(" ")
    first = rest.partition("-")[0]
    if unit != "bytes" or not first.isdecimal():
        raise _unusable(url, "it answers a range without saying which")
    return int(first)


def _total_size(body: _Body) -> int | None:
    if body.status == 206:
        text = body.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        text = body.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _refused(url: str, code: int) -> UserError:
    if code in {401, 403}:
        return UserError(
            f"{_host(url)} does not give {url} without permission, or it does not exist ({code})",
            hint="Check the spelling; accept the model's licence on its page and set HF_TOKEN.",
            slug="remote-forbidden",
        )
    if code in {404, 410}:
        return UserError(
            f"{url} does not exist ({code})",
            hint="Check the spelling of repository and file.",
            slug="remote-not-found",
        )
    return UserError(
        f"{_host(url)} answers {code} for {url}", hint="Try again in a few minutes.", slug="remote-unusable"
    )


def _unusable(url: str, why: str) -> UserError:
    return UserError(
        f"{_host(url)} cannot be used: {why}", hint="Download the file and give its path.", slug="remote-unusable"
    )


def _silent(url: str) -> UserError:
    return UserError(
        f"{_host(url)} takes too long to answer",
        hint="Try again, or download the file and give its path.",
        slug="remote-timeout",
    )


def _unreachable(url: str, error: Exception) -> UserError:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return _silent(url)
    told = str(reason)[:200]
    return UserError(
        f"{_host(url)} cannot be reached: {told if told.isprintable() else repr(told)}",
        hint="Check the network connection and the address, or give a local file.",
        slug="remote-unreachable",
    )
