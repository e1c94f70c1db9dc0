"""Units as the services of the rendered compose files: Docker keeps, restarts and logs them.

Docker pauses longer before each restart of a container, up to a minute; each log is rotated as the file says.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stackplan.running.logs import printable
from stackplan.running.programs import Manner, ask, require
from stackplan.running.site import Site
from stackplan.running.supervisor import STOP_SECONDS, State, Status
from stackplan.running.units import Unit

PINNED = "compose.pinned.yaml"
_PULL_SECONDS = 3600
_STATUS = {
    "running": Status.RUNNING,
    "restarting": Status.RESTARTING,
    "created": Status.RESTARTING,
    "paused": Status.STOPPED,
    "removing": Status.STOPPED,
    "dead": Status.FAILED,
}


def obstacle(site: Site) -> str:
    """Why docker compose cannot be used; empty when its daemon answers and the files were rendered."""
    if not (site.folder / "compose.yaml").is_file():
        return "no compose.yaml was rendered"
    if ask(["docker", "compose", "version"]).code:
        return "docker compose is not installed"
    said = ask(["docker", "info", "--format", "{{.ServerVersion}}"], Manner(seconds=15))
    return "" if said.code == 0 and said.output.strip() else "the Docker daemon does not answer"


def start(site: Site, known: Sequence[Unit], names: Sequence[str], keys: Mapping[str, str]) -> None:  # noqa: ARG001
    """Create and start the services; images are pulled first where they are missing."""
    words = ["docker", "compose", *_files(site), "up", "--detach", "--no-deps", *names]
    require(words, Manner(_PULL_SECONDS, site.folder, {**os.environ, **keys}, shown=True))


def stop(site: Site, names: Sequence[str]) -> None:
    """Stop the services; their containers stay."""
    if names:
        require([*_project(site), "stop", *names], Manner(2 * STOP_SECONDS, site.work))


def states(site: Site) -> dict[str, State]:
    """Every service that has a container."""
    rows = rows_of(require([*_project(site), "ps", "--all", "--format", "json"], Manner(folder=site.work)))
    pids = _pids([str(row["ID"]) for row in rows if row.get("State") == "running"])
    return {str(row["Service"]): state_of(row, pids.get(str(row["ID"]), 0)) for row in rows}


def shut_down(site: Site) -> None:
    """Stop and remove every container of the project; volumes stay."""
    require([*_project(site), "down"], Manner(10 * STOP_SECONDS, site.work))


def last_lines(site: Site, name: str, count: int) -> list[str]:
    """The end of what the container said."""
    words = ["logs", "--no-color", "--no-log-prefix", "--tail", str(count), name]
    said = ask([*_project(site), *words], Manner(folder=site.work))
    return [printable(line) for line in (said.output + said.errors).splitlines()]


def rows_of(text: str) -> list[dict[str, Any]]:
    """Containers as ``docker compose ps --format json`` tells them: an object per line, before 2.21 one list."""
    if text.lstrip().startswith("["):
        found: list[dict[str, Any]] = json.loads(text)
        return found
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def state_of(row: Mapping[str, Any], pid: int) -> State:
    """A unit's state from its container; one that ended with an error has failed."""
    name, code = str(row.get("State", "")), int(row.get("ExitCode") or 0)
    if name == "exited":
        return State(Status.FAILED, 0, f"ended with {code}") if code else State(Status.STOPPED)
    return State(_STATUS.get(name, Status.STOPPED), pid, str(row.get("Health", "")) if name == "running" else "")


def compose_files(folder: Path) -> list[str]:
    """The files that COMPOSE_FILE of .env names, or of .env.example; else compose.yaml alone."""
    for name in (".env", ".env.example"):
        path = folder / name
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            if line.startswith("COMPOSE_FILE="):
                return [part for part in line.removeprefix("COMPOSE_FILE=").split(":") if part and part != PINNED]
    return ["compose.yaml"]


def _project(site: Site) -> list[str]:
    """Docker asked by the project's name alone: with the files it would want every key even to tell what runs."""
    path = site.folder / "compose.yaml"
    named = re.search(r"^name: ([a-z0-9][a-z0-9_-]*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return ["docker", "compose", "--project-name", named[1] if named else site.folder.name]


def _files(site: Site) -> list[str]:
    files = compose_files(site.folder)
    pinned = [PINNED] if (site.folder / PINNED).is_file() else []
    return [word for name in (*files, *pinned) for word in ("-f", name)]


def _pids(containers: Sequence[str]) -> dict[str, int]:
    """Ids of the containers' processes as the host counts them; empty where Docker runs in a machine of its own."""
    if not containers:
        return {}
    said = ask(["docker", "inspect", "--format", "{{.Id}} {{.State.Pid}}", *containers])
    pairs = [line.split() for line in said.output.splitlines()]
    whole = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
    return {short: pid for short in containers for name, pid in whole.items() if name.startswith(short)}
