"""Writes docs/cli.md: the ``--help`` of every verb and of its subcommands, as the program prints them.

A test compares the file with the program, so that neither can change alone: run `make docs` after changing an option.
"""

import io
import os
import re
from contextlib import redirect_stdout
from pathlib import Path

from stackplan.cli import VERBS, run

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
_HEAD = """# Command line

Written by `make docs` from the program's own `--help`; do not edit. Data goes to stdout, the story to stderr.
Exit codes and every error are explained in [errors.md](errors.md).
"""
_SUBCOMMAND = re.compile(r"^  ([a-z][a-z-]*)(?:  |$)", re.MULTILINE)


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(section for verb in VERBS for section in _sections((verb,)))])


def _sections(words: tuple[str, ...]) -> list[str]:
    text = help_text(words)
    _, _, commands = text.partition("\nCommands:\n")
    heading = "#" * (len(words) + 1)
    section = f"{heading} stackplan {' '.join(words)}\n\n```\n{text.strip()}\n```\n"
    return [section, *(deeper for name in _SUBCOMMAND.findall(commands) for deeper in _sections((*words, name)))]


def help_text(words: tuple[str, ...]) -> str:
    """What ``stackplan WORDS --help`` prints on a terminal of 100 columns."""
    os.environ["COLUMNS"] = "100"
    with redirect_stdout(io.StringIO()) as said:
        run([*words, "--help"])
    return re.sub(r"[ \t]+$", "", said.getvalue(), flags=re.MULTILINE)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
