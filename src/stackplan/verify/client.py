"""The only part of verify that speaks HTTP: each request ends in its time, the whole of them in theirs.

Straight to the address: a proxy for the internet cannot see this machine's own loopback. Nothing is followed and no
answer is longer than the limit.
"""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from urllib.parse import urlsplit

from stackplan.verify.exchange import Question, Reply
from stackplan.verify.observation import Heard

LARGEST_ANSWER_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for one request from connecting to the last byte, and for all of them."""

    request_seconds: float = 60.0
    total_seconds: float = 900.0


class Client:
    """Asks one question after the other, until the time for all of them is spent."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._end = time.monotonic() + limits.total_seconds

    def __call__(self, question: Question) -> Reply:
        """The reply; whatever the other side does, it comes in time and is no exception."""
        left = min(self._limits.request_seconds, self._end - time.monotonic())
        if left <= 0:
            problem = f"the {self._limits.total_seconds:g} s for all requests were over"
            return Reply(Heard.NOT_ASKED, problem=problem)
        return _asked(question, left)


def _asked(question: Question, seconds: float) -> Reply:
    address = urlsplit(question.base)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=seconds)
    late = threading.Event()
    alarm = None
    try:
        connection.connect()
        # A socket's own timeout starts anew with every byte; this ends a server that drips.
        alarm = threading.Timer(seconds, _hang_up, (connection.sock, late))
        alarm.daemon = True
        alarm.start()
        reply = _exchanged(connection, question)
        if late.is_set():  # an answer without a length ends wherever the connection ends
            raise TimeoutError
        return reply
    except (OSError, HTTPException, ValueError) as error:
        if late.is_set() or isinstance(error, TimeoutError):
            return Reply(Heard.SILENT, problem=f"no whole answer within {seconds:.0f} s")
        if isinstance(error, OSError):
            return Reply(Heard.SILENT, problem=_reason(error))
        return Reply(Heard.STRANGE, problem="what it answers is not HTTP")
    finally:
        if alarm is not None:
            alarm.cancel()
        connection.close()


def _exchanged(connection: HTTPConnection, question: Question) -> Reply:
    headers = {"Content-Type": question.content_type} if question.body is not None else {}
    if question.key:
        headers["Authorization"] = f"Bearer {question.key}"
    connection.request("GET" if question.body is None else "POST", question.path, question.body, headers)
    return _read(connection.getresponse())


def _read(answer: HTTPResponse) -> Reply:
    body = answer.read(LARGEST_ANSWER_BYTES + 1)
    if len(body) > LARGEST_ANSWER_BYTES:
        return Reply(Heard.STRANGE, problem=f"its answer is longer than {LARGEST_ANSWER_BYTES // 1024**2} MiB")
    if answer.length:  # reading up to a limit does not complain about an early end
        raise IncompleteRead(body, answer.length)
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Reply(Heard.ANSWERED, answer.status, body, headers)


def _hang_up(wire: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    return " ".join((error.strerror or str(error) or type(error).__name__).split())[:160]
