"""supervisord's own protocol: XML-RPC over a socket that only this user may open. Every call is bounded in time."""

import http.client
import socket
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackplan.errors import UserError

ANSWER_SECONDS = 90  # longer than a unit may take to stop
# supervisor.xmlrpc.Faults, 4.3: what was asked for is already so.
_ALREADY_SO = frozenset({60, 70, 90})  # ALREADY_STARTED, NOT_RUNNING, ALREADY_ADDED
_BAD_NAME = 10


@dataclass(frozen=True, slots=True)
class Row:
    """A program as supervisord tells it."""

    name: str
    state: str
    pid: int
    detail: str


class Client:
    """The calls that are needed; raises `UserError` when supervisord does not answer."""

    def __init__(self, path: Path) -> None:
        self._server = xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(path))

    def rows(self) -> list[Row]:
        """Every program."""
        found: list[Any] = self._call("getAllProcessInfo")
        return [Row(one["name"], one["statename"], one["pid"], one["spawnerr"] or one["description"]) for one in found]

    def start(self, name: str) -> None:
        """Start a program; nothing when it runs."""
        self._call("startProcess", name, False)

    def stop(self, name: str) -> None:
        """Stop a program and wait; nothing when it does not run."""
        self._call("stopProcess", name, True)

    def update(self) -> None:
        """Read the configuration again: stop what has gone or changed, know what is new."""
        ((added, changed, removed),) = self._call("reloadConfig")
        for name in (*removed, *changed):
            self._call("stopProcessGroup", name, True)
            self._call("removeProcessGroup", name)
        for name in (*changed, *added):
            self._call("addProcessGroup", name)

    def shut_down(self) -> None:
        """Stop everything, then supervisord itself."""
        self._call("stopAllProcesses", True)
        self._call("shutdown")

    def _call(self, name: str, *arguments: object) -> Any:
        call: Callable[..., Any] = getattr(self._server.supervisor, name)
        try:
            return call(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in _ALREADY_SO or (fault.faultCode == _BAD_NAME and name.startswith("stop")):
                return None
            raise _failed(f"{name}: {fault.faultString}") from fault
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise _failed(str(error)) from error


def is_listening(path: Path) -> bool:
    """Whether somebody answers on the socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _failed(reason: str) -> UserError:
    return UserError(f"supervisord: {reason}", hint="try `stackplan down`, then `up` again", slug="supervisor-failed")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002
        return _UnixConnection(self._path)
