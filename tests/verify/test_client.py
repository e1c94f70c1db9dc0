"""Servers that answer badly or never: every question ends in its time, with a value."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from stackplan.verify.client import LARGEST_ANSWER_BYTES, Client, Limits
from stackplan.verify.exchange import Question
from stackplan.verify.observation import Heard

SECONDS = 0.5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Answer = Callable[[socket.socket], None]


class Wire:
    """A server on a free port whose every byte a test decides."""

    def __init__(self, answer: Answer) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.answer, self.asked = answer, b""
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                try:
                    self.asked = client.recv(65536)
                    self.answer(client)
                except OSError:
                    continue


@pytest.fixture
def wire() -> Iterator[Callable[[Answer], Wire]]:
    made: list[Wire] = []

    def start(answer: Answer) -> Wire:
        made.append(Wire(answer))
        return made[-1]

    yield start
    for one in made:
        one.listener.close()


def dripping(client: socket.socket) -> None:
    client.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
    for _ in range(100):
        client.sendall(b" ")
        time.sleep(0.1)


def dripping_headers(client: socket.socket) -> None:
    for letter in b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 10:
        client.sendall(bytes([letter]))
        time.sleep(0.1)


def for_ever_continue(client: socket.socket) -> None:
    while True:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def for_ever_long(client: socket.socket) -> None:
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        client.sendall(b"100000\r\n" + b" " * 0x100000 + b"\r\n")


BAD: dict[str, tuple[Answer, Heard]] = {
    "it hangs": (lambda _client: time.sleep(SECONDS * 4), Heard.SILENT),
    "it drips": (dripping, Heard.SILENT),
    "its headers drip": (dripping_headers, Heard.SILENT),
    "it says continue for ever": (for_ever_continue, Heard.SILENT),
    "it hangs up": (lambda _client: None, Heard.SILENT),
    "it speaks something else": (lambda client: client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n"), Heard.STRANGE),
    "it sends noise": (lambda client: client.sendall(bytes(range(256)) * 300), Heard.STRANGE),
    "it breaks off": (lambda client: client.sendall(HEAD + b"Content-Length: 9\r\n\r\n{"), Heard.STRANGE),
    "its chunks are none": (
        lambda client: client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        Heard.STRANGE,
    ),
    "too many headers": (lambda client: client.sendall(HEAD + b"X: 1\r\n" * 500 + b"\r\n"), Heard.STRANGE),
    "a header without end": (lambda client: client.sendall(HEAD + b"X: " + b"1" * 200_000), Heard.STRANGE),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_server_costs_no_more_than_its_time_and_raises_nothing(name: str, wire: Callable[[Answer], Wire]) -> None:
    answer, heard = BAD[name]
    started = time.monotonic()
    reply = Client(Limits(SECONDS, 60))(Question(wire(answer).base, "/models"))
    assert time.monotonic() - started < SECONDS * 3
    assert (reply.heard, reply.json()) == (heard, None)
    assert reply.problem


def test_an_answer_has_a_largest_size(wire: Callable[[Answer], Wire]) -> None:
    reply = Client(Limits(30, 60))(Question(wire(for_ever_long).base, "/models"))
    assert reply.heard is Heard.STRANGE
    assert f"{LARGEST_ANSWER_BYTES // 1024**2} MiB" in reply.problem


def test_nobody_there_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reply = Client(Limits(5, 5))(Question(f"http://127.0.0.1:{port}", "/"))
    assert (reply.heard, reply.problem) == (Heard.SILENT, "nobody listens there")


def test_when_the_time_for_all_is_over_nobody_is_asked_any_more(wire: Callable[[Answer], Wire]) -> None:
    there = wire(lambda _client: time.sleep(3))
    client = Client(Limits(30, SECONDS))
    assert client(Question(there.base, "/")).heard is Heard.SILENT
    started = time.monotonic()
    late = [client(Question(there.base, "/")) for _ in range(50)]
    assert {reply.heard for reply in late} == {Heard.NOT_ASKED}
    assert time.monotonic() - started < SECONDS


def test_redirects_are_not_followed(wire: Callable[[Answer], Wire]) -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"
    reply = Client(Limits(5, 5))(Question(wire(lambda client: client.sendall(away)).base, "/"))
    assert (reply.heard, reply.status, reply.is_ok) == (Heard.ANSWERED, 302, False)


def test_a_proxy_of_the_environment_is_not_asked(
    wire: Callable[[Answer], Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:9")
    there = wire(lambda client: client.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}"))
    assert Client(Limits(5, 5))(Question(there.base, "/")).json() == {}


def test_the_key_goes_into_the_header_and_nowhere_else(wire: Callable[[Answer], Wire]) -> None:
    there = wire(lambda client: client.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}"))
    question = Question(there.base, "/v1/models", key="sk-marker")
    Client(Limits(5, 5))(question)
    assert there.asked.count(b"sk-marker") == 1
    assert b"Authorization: Bearer sk-marker\r\n" in there.asked
    assert "sk-marker" not in repr(question)
