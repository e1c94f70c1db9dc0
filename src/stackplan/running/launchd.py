"""Units as LaunchAgents of this login on macOS, loaded from the site's own folder: they last until `down` or logout.

launchd reads no file of variables, so a shell reads the user's own for the unit that needs keys. It knows no limit of
restarts, only their pace; a log is rotated when its unit is started.
"""

import os
import plistlib
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stackplan.bundled import config_folder
from stackplan.running.environment import key_files, require_written_keys, written_down
from stackplan.running.leftovers import MARK, end_leftovers
from stackplan.running.logs import rotate, tail
from stackplan.running.programs import Manner, ask, require
from stackplan.running.site import Site
from stackplan.running.supervisor import LOG_BYTES, LOG_FILES, STOP_SECONDS, STOPPED, State, Status
from stackplan.running.units import Unit

_PACE_SECONDS = 10
_WITH_KEYS = (
    'set -a; for file in "$STACKPLAN_KEYS_2" "$STACKPLAN_KEYS_1"; do if [ -r "$file" ]; then . "$file"; fi; done; '
    'set +a; exec "$@"'
)


def obstacle(site: Site) -> str:  # noqa: ARG001  (one signature for all)
    """Why launchd cannot be used: it is part of macOS only."""
    return "" if sys.platform == "darwin" else "launchd is part of macOS only"


def start(site: Site, known: Sequence[Unit], names: Sequence[str], keys: Mapping[str, str]) -> None:  # noqa: ARG001
    """Write the agents, load those of ``names`` that are not loaded or have changed."""
    require_written_keys(known, key_files(config_folder(), site.folder))
    _agents(site).mkdir(parents=True, exist_ok=True, mode=0o700)
    for unit in known:
        path = _plist(site, unit.id)
        text, before = agent(site, unit), path.read_bytes() if path.is_file() else b""
        path.write_bytes(text)
        loaded = _is_loaded(site, unit.id)
        if loaded and text != before:
            stop(site, [unit.id])
            loaded = False
        if not loaded and (unit.id in names or text != before):
            rotate(site.log(unit.id), LOG_BYTES, LOG_FILES)
            require(["launchctl", "bootstrap", _domain(), str(path)])


def stop(site: Site, names: Sequence[str]) -> None:
    """Unload the agents, which ends their processes."""
    for name in names:
        ask(["launchctl", "bootout", f"{_domain()}/{label(site, name)}"], Manner(seconds=2 * STOP_SECONDS))


def states(site: Site) -> dict[str, State]:
    """The agents whose files are there."""
    return {path.name.removesuffix(".plist"): _state(site, path.name.removesuffix(".plist")) for path in _files(site)}


def shut_down(site: Site) -> None:
    """Unload every agent of the site and remove its files."""
    for path in _files(site):
        stop(site, [path.name.removesuffix(".plist")])
        path.unlink(missing_ok=True)
    end_leftovers(site.key)


def last_lines(site: Site, name: str, count: int) -> list[str]:
    """The end of the unit's log."""
    return tail(site.log(name), count)


def agent(site: Site, unit: Unit) -> bytes:
    """The agent's property list; it holds no key."""
    variables = {**written_down(os.environ), **unit.environment, MARK: f"{site.key}/{unit.id}"}
    words = [unit.program, *unit.arguments]
    if unit.keys:
        first, second = key_files(config_folder(), site.folder)
        variables |= {"STACKPLAN_KEYS_1": str(first), "STACKPLAN_KEYS_2": str(second)}
        words = ["/bin/sh", "-c", _WITH_KEYS, "sh", *words]
    document = {
        "Label": label(site, unit.id),
        "ProgramArguments": words,
        "EnvironmentVariables": variables,
        "WorkingDirectory": str(site.work),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": _PACE_SECONDS,
        "ExitTimeOut": STOP_SECONDS,
        "ProcessType": "Interactive",
        "StandardOutPath": str(site.log(unit.id)),
        "StandardErrorPath": str(site.log(unit.id)),
        "Umask": 0o077,
    }
    return plistlib.dumps(document, sort_keys=False)


def label(site: Site, unit_id: str) -> str:
    """The agent's label; two deployments never share one."""
    return f"org.stackplan.{site.key}.{unit_id}"


def state_of(said: str) -> State:
    """A unit's state from what ``launchctl print`` says."""
    pid = re.search(r"^\s*pid = (\d+)$", said, re.MULTILINE)
    if pid:
        return State(Status.RUNNING, int(pid[1]))
    ended = re.search(r"^\s*last exit code = (\d+)", said, re.MULTILINE)
    code = int(ended[1]) if ended else 0
    return State(Status.RESTARTING if code else Status.STOPPED, 0, f"ended with {code}" if code else "")


def _state(site: Site, name: str) -> State:
    said = ask(["launchctl", "print", f"{_domain()}/{label(site, name)}"])
    return state_of(said.output) if said.code == 0 else STOPPED


def _is_loaded(site: Site, name: str) -> bool:
    return ask(["launchctl", "print", f"{_domain()}/{label(site, name)}"]).code == 0


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _agents(site: Site) -> Path:
    return site.state / "agents"


def _plist(site: Site, unit_id: str) -> Path:
    return _agents(site) / f"{unit_id}.plist"


def _files(site: Site) -> list[Path]:
    return sorted(_agents(site).glob("*.plist"))
