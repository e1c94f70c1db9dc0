"""A running download as people watch it: bars on a terminal, plain lines in a log. Written to stderr by the CLI."""

import threading
import time
from collections.abc import Callable
from typing import Any

from stackplan.units import format_bytes

_LINE_EVERY_SECONDS = 10.0


class PlainProgress:
    """A line when something ends, and one every ten seconds in between; for logs and pipes."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._there: dict[str, int] = {}
        self._total = 0
        self._told = clock()

    def begin(self, total_bytes: int) -> None:
        """See `Progress.begin`."""
        self._total = total_bytes

    def file(self, name: str, size_bytes: int, there_bytes: int) -> None:  # noqa: ARG002  (bars need the size)
        """See `Progress.file`."""
        with self._lock:
            self._there[name] = there_bytes

    def advance(self, name: str, there_bytes: int) -> None:
        """See `Progress.advance`."""
        with self._lock:
            self._there[name] = there_bytes
            if self._clock() - self._told >= _LINE_EVERY_SECONDS:
                self._told = self._clock()
                self._write(f"{format_bytes(sum(self._there.values()))} of {format_bytes(self._total)}")

    def end(self, name: str, outcome: str) -> None:
        """See `Progress.end`."""
        with self._lock:
            self._write(f"{outcome:7} {name}")

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        with self._lock:
            self._write(text)


class BarProgress:
    """One bar for everything and one for each file that is under way; for terminals."""

    def __init__(self, console: Any) -> None:
        from rich.progress import (  # noqa: PLC0415  (only a terminal needs it)
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self.bars = Progress(*columns, console=console, transient=True)
        self._tasks: dict[str, Any] = {}
        self._there: dict[str, int] = {}
        self._lock = threading.Lock()
        self._all = self.bars.add_task("everything", total=None)

    def begin(self, total_bytes: int) -> None:
        """See `Progress.begin`."""
        self.bars.update(self._all, total=total_bytes)

    def file(self, name: str, size_bytes: int, there_bytes: int) -> None:
        """See `Progress.file`."""
        shown = name if len(name) <= 48 else f"...{name[-45:]}"
        self._tasks[name] = self.bars.add_task(shown, total=size_bytes or None, completed=there_bytes)

    def advance(self, name: str, there_bytes: int) -> None:
        """See `Progress.advance`."""
        with self._lock:
            self._there[name] = there_bytes
            total = sum(self._there.values())
        self.bars.update(self._all, completed=total)
        if name in self._tasks:
            self.bars.update(self._tasks[name], completed=there_bytes)

    def end(self, name: str, outcome: str) -> None:
        """See `Progress.end`."""
        if name in self._tasks:
            self.bars.remove_task(self._tasks.pop(name))
        self.bars.console.print(f"{outcome:7} {name}", markup=False, highlight=False)

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        self.bars.console.print(text, markup=False, highlight=False)
