"""What may be deleted, as text and as plain data."""

from collections.abc import Sequence
from typing import Any

from stackplan.download.prune import Unneeded
from stackplan.units import format_bytes


def prune_text(entries: Sequence[Unneeded], *, deleted: bool) -> str:
    """One line per file with its reason, then what is freed."""
    if not entries:
        return "everything here is needed"
    lines = [f"{format_bytes(entry.size_bytes):>10}  {entry.path}  ({_why(entry)})" for entry in entries]
    freed = format_bytes(sum({entry.path: entry.freed_bytes for entry in entries}.values()))
    return "\n".join([*lines, f"{freed} {'freed' if deleted else 'would be freed'}"])


def prune_data(entries: Sequence[Unneeded], *, deleted: bool) -> dict[str, Any]:
    """The same as plain data; integers in bytes."""
    return {
        "deleted": deleted,
        "freed_bytes": sum(entry.freed_bytes for entry in entries),
        "files": [
            {
                "path": str(entry.path),
                "why": entry.why,
                "size_bytes": entry.size_bytes,
                "freed_bytes": entry.freed_bytes,
            }
            for entry in entries
        ],
    }


def _why(entry: Unneeded) -> str:
    return entry.why if entry.freed_bytes or not entry.size_bytes else f"{entry.why}; the cache keeps the content"
