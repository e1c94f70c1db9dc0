"""Writes the plan that README.md shows: what ``stackplan plan`` prints on a terminal of 120 columns.

A test compares the page with the program, so that neither can change alone: run `make docs` after changing what plans.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "README.md"
_EXAMPLE = re.compile(r"(?<=```\n)\$ stackplan (plan [a-z0-9-]+)\n.*?(?=```\n)", re.DOTALL)


def renewed(page: str) -> str:
    """The page with its example as the program prints it now, for a user who has neither files nor measurements."""
    return _EXAMPLE.sub(lambda found: f"$ stackplan {found[1]}\n{_printed(found[1].split())}", page, count=1)


def _printed(words: list[str]) -> str:
    with tempfile.TemporaryDirectory() as empty:
        own = {"STACKPLAN_CONFIG": empty, "STACKPLAN_STATE": empty, "COLUMNS": "120", "PYTHONUTF8": "1"}
        command = [sys.executable, "-m", "stackplan", *words]
        done = subprocess.run(
            command, env={**os.environ, **own}, stdout=subprocess.PIPE, encoding="utf-8", check=True, cwd=empty
        )
    return re.sub(r"[ \t]+$", "", done.stdout, flags=re.MULTILINE)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
