"""Texts as people see them, kept in files. STACKPLAN_UPDATE_SNAPSHOTS=1 writes them anew, to be read in the diff."""

import os
from pathlib import Path

_FOLDER = Path(__file__).parent / "snapshots"


def same_as_snapshot(name: str, text: str) -> None:
    path = _FOLDER / f"{name}.txt"
    if os.environ.get("STACKPLAN_UPDATE_SNAPSHOTS"):
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8")
