"""What a kept supervisor is asked for; which one is used is decided in `stackplan.running.registry`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from stackplan.running.site import Site
from stackplan.running.units import Unit


class Status(StrEnum):
    """What a supervisor says of a unit."""

    RUNNING = "running"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class State:
    """A unit as its supervisor sees it. ``pid`` is 0 without a process; ``detail`` says why it is as it is."""

    status: Status
    pid: int = 0
    detail: str = ""


STOPPED = State(Status.STOPPED)
# At most this many restarts within the time, then the unit is left alone as failed: a crash is no loop.
RESTARTS = 5
RESTART_WINDOW_SECONDS = 300
STOP_SECONDS = 30
LOG_BYTES = 10_000_000
LOG_FILES = 3


class Supervisor(Protocol):
    """A program of the machine that starts, restarts and stops units. Every function raises `UserError`."""

    def obstacle(self, site: Site) -> str:
        """Why it cannot be used here; empty when it can."""
        ...

    def start(self, site: Site, known: Sequence[Unit], names: Sequence[str], keys: Mapping[str, str]) -> None:
        """Make ``known`` its units, start those of ``names``, restart none that runs as it should.

        ``keys`` are secrets by name; they reach units that ask for them, and no file.
        """
        ...

    def stop(self, site: Site, names: Sequence[str]) -> None:
        """Stop these units and wait until they are gone."""
        ...

    def states(self, site: Site) -> dict[str, State]:
        """Every unit that it knows of this site."""
        ...

    def shut_down(self, site: Site) -> None:
        """Stop everything of this site and forget it."""
        ...

    def last_lines(self, site: Site, name: str, count: int) -> list[str]:
        """The end of what the unit said."""
        ...
