"""What the terminal can show."""

import sys


def terminal_is_ascii() -> bool:
    """Whether stdout cannot show the glyphs of bars."""
    return "utf" not in (getattr(sys.stdout, "encoding", None) or "").lower()
