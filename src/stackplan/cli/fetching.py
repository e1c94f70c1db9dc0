"""The conversation of `download` and `lock` with terminal and signals: progress on stderr, Ctrl-C, the lock kept."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stackplan.errors import UserError

if TYPE_CHECKING:
    from stackplan.download.disk import DiskBudget
    from stackplan.download.places import Places
    from stackplan.download.progress import Progress


def say(text: str) -> None:
    """A line of the story."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def shown_progress() -> Iterator["Progress"]:
    """Bars on a terminal, lines elsewhere; always on stderr."""
    from stackplan.views.download_progress import BarProgress, PlainProgress  # noqa: PLC0415

    if not sys.stderr.isatty():
        yield PlainProgress(say)
        return
    from rich.console import Console  # noqa: PLC0415

    shown = BarProgress(Console(stderr=True))
    with shown.bars:
        yield shown


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Only our own words about the hub: its client would tell each retry on stderr in its own."""
    import logging  # noqa: PLC0415

    logger = logging.getLogger("huggingface_hub")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that is set when the user asks to stop, so that threads end at the next piece."""
    stop = threading.Event()
    try:
        yield stop
    except BaseException:
        stop.set()
        raise


def require_space(disks: "tuple[DiskBudget, ...]") -> None:
    """Raise `UserError` before the first byte when one disk is too small."""
    from stackplan.units import format_bytes  # noqa: PLC0415

    for disk in disks:
        if disk.short_bytes:
            raise UserError(
                f"{disk.folder} has {format_bytes(disk.free_bytes)} free, {format_bytes(disk.need_bytes)} are to come: "
                f"{format_bytes(disk.short_bytes)} short",
                hint="free some space, name another disk with --models, or fetch less: --tier hot",
                slug="disk-full",
            )


def note_use(places: "Places", lock_file: Path) -> None:
    """Remember for `prune` that this lock needs the models; a read-only folder is not pruned from here anyway."""
    from contextlib import suppress  # noqa: PLC0415

    from stackplan.download.uses import remember_use  # noqa: PLC0415

    with suppress(OSError):
        remember_use(places, lock_file)
