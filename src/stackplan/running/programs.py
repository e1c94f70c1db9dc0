"""Other programs of the machine, asked with an end in time: systemctl, launchctl, docker."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackplan.errors import UserError

_MISSING = 127
_SILENT = 124


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said. ``code`` is 127 where it is not installed and 124 when it did not end."""

    code: int
    output: str
    errors: str


@dataclass(frozen=True, slots=True)
class Manner:
    """How a program is asked: for how long, where, with which environment.

    ``shown`` leaves its story on stderr to the user, for what takes minutes and tells its own progress.
    """

    seconds: float = 60
    folder: Path | None = None
    environment: Mapping[str, str] | None = None
    shown: bool = False


PLAIN = Manner()


def ask(words: Sequence[str], how: Manner = PLAIN) -> Answer:
    """Run a program and wait for its answer; never raises."""
    try:
        done = subprocess.run(
            list(words),
            cwd=how.folder,
            env=how.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if how.shown else subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=how.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(_SILENT, "", f"no answer within {how.seconds:.0f} s")
    except OSError as error:
        return Answer(_MISSING, "", str(error))
    return Answer(done.returncode, done.stdout, done.stderr or "")


def require(words: Sequence[str], how: Manner = PLAIN) -> str:
    """What the program printed. Raises `UserError` with its last line when it failed."""
    answer = ask(words, how)
    if answer.code:
        reason = (answer.errors.strip().splitlines() or [f"exit code {answer.code}"])[-1]
        raise UserError(
            f"{' '.join(words[:3])}: {reason}", hint="read its messages, then try again", slug="supervisor-failed"
        )
    return answer.output
