"""Why something could not be fetched, and whether waiting helps."""

import threading
from dataclasses import dataclass

from stackplan.errors import UserError


class Obstacle(UserError):  # noqa: N818  (a reason, shown to people)
    """Why a file or model cannot be had. Waiting may help ``temporary`` ones; ``wait_seconds`` is what is asked."""

    def __init__(
        self, message: str, *, hint: str, slug: str, temporary: bool = False, wait_seconds: float | None = None
    ) -> None:
        super().__init__(message, hint=hint, slug=slug)
        self.temporary = temporary
        self.wait_seconds = wait_seconds


class Interrupted(Exception):  # noqa: N818  (not an error: somebody asked to stop)
    """The user asked to stop; what was fetched stays where it is."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something without progress is tried again, and how long is waited: 1, 2, 4 ... times the pause.

    A server that asks for more than ``longest_pause_seconds`` is given up. ``silence_seconds`` is how long a
    server may send nothing.
    """

    tries: int = 5
    pause_seconds: float = 1.0
    longest_pause_seconds: float = 120.0
    silence_seconds: float = 10.0

    def wait(self, obstacle: Obstacle, attempt: int, stop: threading.Event) -> None:
        """Wait before try number ``attempt`` + 1, or raise ``obstacle`` when there is no use in it."""
        asked = obstacle.wait_seconds
        if not obstacle.temporary or attempt >= self.tries or (asked or 0) > self.longest_pause_seconds:
            raise obstacle
        own = self.pause_seconds * 2.0 ** (attempt - 1)
        if stop.wait(min(own if asked is None else asked, self.longest_pause_seconds)):
            raise Interrupted


@dataclass(frozen=True, slots=True)
class Failed:
    """What is not there, why, and what to do."""

    artifact: str
    name: str
    slug: str
    reason: str
    hint: str


def failed(artifact: str, name: str, error: UserError) -> Failed:
    """The failure that ``error`` means for one file or model."""
    return Failed(artifact, name, error.slug, error.message, error.hint)
