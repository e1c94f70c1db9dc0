"""Units under supervisord, a library and program that needs no rights and no service manager: one per deployment.

Its configuration holds no key: keys are in its environment, and each unit's command takes away those of the others.
A unit that ends within a minute is started again five times with growing pauses, then left alone; `RESTARTS`.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from stackplan.deploy import write_file
from stackplan.errors import UserError
from stackplan.running.environment import passed_on
from stackplan.running.leftovers import MARK, end_leftovers
from stackplan.running.logs import tail
from stackplan.running.site import Site, socket_path
from stackplan.running.supervisor import LOG_BYTES, LOG_FILES, RESTARTS, STOP_SECONDS, STOPPED, State, Status
from stackplan.running.supervisord_client import Client, is_listening
from stackplan.running.units import Unit
from stackplan.running.waiting import wait_until

# An end within this time counts as a failed start: five of them in a row end the attempts.
_STARTED_AFTER_SECONDS = 60
_START_SECONDS = 20
_STATUS = {
    "RUNNING": Status.RUNNING,
    "STARTING": Status.RUNNING,  # its process is there; whether it answers is asked of itself
    "BACKOFF": Status.RESTARTING,
    "FATAL": Status.FAILED,
    "EXITED": Status.FAILED,
    "UNKNOWN": Status.FAILED,
}


def obstacle(site: Site) -> str:  # noqa: ARG001  (one signature for all)
    """Why supervisord cannot be used: only Windows has none."""
    return "supervisord does not run on Windows" if sys.platform == "win32" else ""


def start(site: Site, known: Sequence[Unit], names: Sequence[str], keys: Mapping[str, str]) -> None:
    """Start supervisord where it does not run, tell it the units, start those that do not run."""
    write_file(_configuration_path(site), configuration(site, known))
    socket = socket_path(site)
    if is_listening(socket):
        Client(socket).update()
    else:
        end_leftovers(site.key)  # of a supervisord that was killed
        _launch(site, socket, keys)
    client = Client(socket)
    for name in names:
        client.start(name)


def stop(site: Site, names: Sequence[str]) -> None:
    """Stop the units, with everything that they started."""
    socket = socket_path(site)
    if is_listening(socket):
        client = Client(socket)
        for name in names:
            client.stop(name)


def states(site: Site) -> dict[str, State]:
    """The units that supervisord knows; none when it does not run."""
    socket = socket_path(site)
    if not is_listening(socket):
        return {}
    return {row.name: _state(row.state, row.pid, row.detail) for row in Client(socket).rows()}


def shut_down(site: Site) -> None:
    """End supervisord and every process of the site, whoever its parent is by now."""
    socket = socket_path(site)
    if is_listening(socket):
        with suppress(UserError):  # one that hangs is ended with the rest
            Client(socket).shut_down()
            wait_until(lambda: not is_listening(socket), STOP_SECONDS + _START_SECONDS)
    end_leftovers(site.key)
    socket.unlink(missing_ok=True)


def last_lines(site: Site, name: str, count: int) -> list[str]:
    """The end of the unit's log."""
    return tail(site.log(name), count)


def configuration(site: Site, known: Sequence[Unit]) -> str:
    """The configuration file of supervisord."""
    secret = frozenset(key for unit in known for key in unit.keys)
    socket = socket_path(site)
    lines = [
        "; Written by `stackplan up`. Holds no key.",
        "[supervisord]",
        _entry("logfile", str(site.logs / "supervisord.log")),
        "logfile_maxbytes=1MB",
        "logfile_backups=1",
        _entry("pidfile", str(site.state / "supervisord.pid")),
        _entry("directory", str(site.work)),
        _entry("childlogdir", str(site.logs)),
        "umask=077",
        "[unix_http_server]",
        _entry("file", str(socket)),
        "chmod=0700",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        "[supervisorctl]",
        _entry("serverurl", f"unix://{socket}"),
    ]
    for unit in known:
        lines += _program(site, unit, sorted(secret - set(unit.keys)))
    return "\n".join(lines) + "\n"


def _program(site: Site, unit: Unit, hidden: Sequence[str]) -> list[str]:
    without = [word for name in hidden for word in ("-u", name)]
    variables = [f"{name}={value}" for name, value in {**unit.environment, MARK: f"{site.key}/{unit.id}"}.items()]
    return [
        f"[program:{unit.id}]",
        _entry("command", shlex.join(["/usr/bin/env", *without, *variables, unit.program, *unit.arguments])),
        _entry("directory", str(site.work)),
        "autostart=false",
        "autorestart=unexpected",
        "exitcodes=0",
        f"startsecs={_STARTED_AFTER_SECONDS}",
        f"startretries={RESTARTS}",
        f"stopwaitsecs={STOP_SECONDS}",
        "stopasgroup=true",
        "killasgroup=true",
        "redirect_stderr=true",
        _entry("stdout_logfile", str(site.log(unit.id))),
        f"stdout_logfile_maxbytes={LOG_BYTES}",
        f"stdout_logfile_backups={LOG_FILES - 1}",
    ]


def _entry(name: str, value: str) -> str:
    """One line; a value that its parser would cut or expand is refused. Raises `UserError`."""
    if any(not letter.isprintable() for letter in value) or " ;" in value or " #" in value:
        raise UserError(
            f"{value[:80]!r} cannot stand in a configuration of supervisord",
            hint="move the folder to a path without line breaks, ' ;' and ' #'",
            slug="odd-path",
        )
    return f"{name}={value.replace('%', '%%')}"


def _launch(site: Site, socket: Path, keys: Mapping[str, str]) -> None:
    socket.unlink(missing_ok=True)
    words = [sys.executable, "-m", "supervisor.supervisord", "-c", str(_configuration_path(site))]
    done = subprocess.run(
        words,
        env={**passed_on(os.environ), **keys, MARK: f"{site.key}/supervisord"},
        cwd=site.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_START_SECONDS,
        check=False,
    )
    if done.returncode != 0 or not wait_until(lambda: is_listening(socket), _START_SECONDS):
        reason = (done.stderr.strip().splitlines() or tail(site.logs / "supervisord.log", 1) or ["it said nothing"])[-1]
        raise UserError(
            f"supervisord did not start: {reason}",
            hint=f"read {site.logs / 'supervisord.log'}",
            slug="supervisor-failed",
        )


def _state(name: str, pid: int, detail: str) -> State:
    return State(_STATUS[name], pid, detail) if name in _STATUS else STOPPED


def _configuration_path(site: Site) -> Path:
    return site.state / "supervisord.conf"
