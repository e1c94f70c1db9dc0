"""What can go wrong for people, and how a command ends.

A `UserError` is one line and a hint, never a traceback. Refusals and "no plan" are values, not errors.
Anything else that is raised is a bug of stackplan and may crash loudly.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ends; stable, and written in ``--help``."""

    DONE = 0
    ERROR = 1
    DIFFERS = 2
    NO_PLAN = 3
    INTERRUPTED = 130


class UserError(Exception):
    """A mistake or an obstacle that the user can do something about.

    ``message`` says what is wrong in one line, ``hint`` names the next step, ``slug`` is the stable name
    under which docs/errors.md explains it.
    """

    def __init__(self, message: str, *, hint: str, slug: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.slug = slug
