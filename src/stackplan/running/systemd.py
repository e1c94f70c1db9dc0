"""Units under the user's own systemd, in its runtime folder: they last until `down` or the next boot, then are gone.

Keys are read by systemd from the files that the user wrote; what they hold never passes through here. Logs go to the
journal, which has limits of its own.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stackplan.bundled import config_folder
from stackplan.deploy import write_file
from stackplan.render.systemd import HARDENING
from stackplan.render.units import assignment, to_unit, word
from stackplan.running.environment import key_files, require_written_keys, written_down
from stackplan.running.leftovers import MARK, end_leftovers
from stackplan.running.logs import printable
from stackplan.running.programs import Answer, Manner, ask, require
from stackplan.running.site import Site
from stackplan.running.supervisor import RESTART_WINDOW_SECONDS, RESTARTS, STOP_SECONDS, State, Status
from stackplan.running.units import Unit

_ANSWERING = frozenset({"running", "degraded", "starting", "initializing"})
_PROPERTIES = "Id,ActiveState,SubState,MainPID,Result"


def obstacle(site: Site) -> str:  # noqa: ARG001  (one signature for all)
    """Why the user's systemd cannot be used; empty when it answers."""
    if not sys.platform.startswith("linux"):
        return "systemd runs on Linux only"
    said = _systemctl("is-system-running").output.strip()
    return "" if said in _ANSWERING and _folder() else f"no systemd of this user answers ({said or 'none installed'})"


def start(site: Site, known: Sequence[Unit], names: Sequence[str], keys: Mapping[str, str]) -> None:  # noqa: ARG001
    """Write the units, restart those that changed, start those that do not run."""
    require_written_keys(known, key_files(config_folder(), site.folder))
    wanted = {unit_name(site, unit.id): unit_text(site, unit, known) for unit in known}
    before = {path.name: path.read_text(encoding="utf-8") for path in _files(site)}
    _stop_and_remove(site, [name for name in before if name not in wanted])
    for name, text in wanted.items():
        write_file(_require_folder() / name, text)
    require(["systemctl", "--user", "daemon-reload"])
    changed = [name for name, text in wanted.items() if name in before and before[name] != text]
    fresh = [unit_name(site, name) for name in names]
    _systemctl("reset-failed", *fresh)
    if changed:
        require(["systemctl", "--user", "--no-block", "try-restart", *changed])
    if fresh:
        require(["systemctl", "--user", "--no-block", "start", *fresh])


def stop(site: Site, names: Sequence[str]) -> None:
    """Stop the units, with everything that they started."""
    if names:
        _systemctl("stop", *(unit_name(site, name) for name in names), seconds=2 * STOP_SECONDS)


def states(site: Site) -> dict[str, State]:
    """The units whose files are there."""
    names = [path.name for path in _files(site)]
    if not names:
        return {}
    said = require(["systemctl", "--user", "show", f"--property={_PROPERTIES}", *names])
    rows = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in said.split("\n\n")]
    return {_unit_id(site, row["Id"]): state_of(row) for row in rows if row.get("Id")}


def shut_down(site: Site) -> None:
    """Stop every unit of the site and remove its files."""
    _stop_and_remove(site, [path.name for path in _files(site)])
    _systemctl("daemon-reload")
    end_leftovers(site.key)


def last_lines(site: Site, name: str, count: int) -> list[str]:
    """The end of what the journal has of the unit."""
    said = ask(["journalctl", "--user", "-u", unit_name(site, name), "-n", str(count), "-o", "cat", "--no-pager"])
    return [printable(line) for line in said.output.splitlines()]


def unit_name(site: Site, unit_id: str) -> str:
    """The name of a unit; two deployments never share one."""
    return f"stackplan-{site.key}-{unit_id}.service"


def unit_text(site: Site, unit: Unit, known: Sequence[Unit]) -> str:
    """The unit's file; it holds no key."""
    hidden = sorted({key for other in known for key in other.keys} - set(unit.keys))
    variables = {**written_down(os.environ), **unit.environment, MARK: f"{site.key}/{unit.id}"}
    # The last file wins, so the first choice comes last; "-": it may be missing.
    files = reversed(key_files(config_folder(), site.folder)) if unit.keys else ()
    return to_unit(
        (
            "Unit",
            [
                ("Description", f"stackplan {unit.tier} {unit.engine}: {unit.id}"),
                ("StartLimitIntervalSec", str(RESTART_WINDOW_SECONDS)),
                ("StartLimitBurst", str(RESTARTS + 1)),
            ],
        ),
        (
            "Service",
            [
                ("Type", "exec"),
                ("WorkingDirectory", _path(site.work)),
                *(("Environment", assignment(name, value)) for name, value in variables.items()),
                *([("UnsetEnvironment", " ".join(hidden))] if hidden else []),
                *(("EnvironmentFile", f"-{_path(path)}") for path in files),
                ("ExecStart", " ".join(word(text) for text in (unit.program, *unit.arguments))),
                ("Restart", "on-failure"),
                ("RestartSec", "2"),
                ("TimeoutStopSec", str(STOP_SECONDS)),
                *HARDENING,
            ],
        ),
    )


def state_of(row: Mapping[str, str]) -> State:
    """A unit's state from the properties that systemctl shows."""
    active, pid, result = row.get("ActiveState", ""), int(row.get("MainPID") or 0), row.get("Result", "")
    detail = "" if result == "success" else result
    if active == "failed":
        return State(Status.FAILED, 0, detail)
    if active == "active" or (active == "activating" and pid):
        return State(Status.RUNNING, pid)
    return State(Status.RESTARTING if active == "activating" else Status.STOPPED, 0, detail)


def _stop_and_remove(site: Site, names: Sequence[str]) -> None:
    stop(site, [_unit_id(site, name) for name in names])
    for name in names:
        (_require_folder() / name).unlink(missing_ok=True)


def _systemctl(*words: str, seconds: float = 30) -> Answer:
    return ask(["systemctl", "--user", *words], Manner(seconds=seconds))


def _files(site: Site) -> list[Path]:
    folder = _folder()
    return sorted(folder.glob(unit_name(site, "*"))) if folder else []


def _folder() -> Path | None:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "systemd" / "user" if runtime else None


def _require_folder() -> Path:
    folder = _folder()
    assert folder is not None  # noqa: S101  (`obstacle` refused)
    return folder


def _path(path: Path) -> str:
    """A path as systemd reads it in a setting that is no command line."""
    return str(path).replace("%", "%%")


def _unit_id(site: Site, name: str) -> str:
    return name.removeprefix(f"stackplan-{site.key}-").removesuffix(".service")
