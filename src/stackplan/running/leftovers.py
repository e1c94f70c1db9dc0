"""Processes of a deployment that lost their supervisor: found by a mark in their environment, and ended."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

MARK = "STACKPLAN_UNIT"
_PATIENCE_SECONDS = 15


def end_leftovers(key: str) -> int:
    """End every process of the site ``key``, politely first. How many there were."""
    import psutil  # noqa: PLC0415  (the CLI start does not need it)

    found = leftovers(key)
    for process in found:
        _signal(process, force=False)
    _, alive = psutil.wait_procs(found, timeout=_PATIENCE_SECONDS)
    for process in alive:
        _signal(process, force=True)
    psutil.wait_procs(alive, timeout=_PATIENCE_SECONDS)
    return len(found)


def leftovers(key: str) -> "list[psutil.Process]":
    """Processes of this user that carry the mark of the site."""
    import psutil  # noqa: PLC0415

    return [process for process in psutil.process_iter() if _mark(process).startswith(f"{key}/")]


def _mark(process: "psutil.Process") -> str:
    import psutil  # noqa: PLC0415

    try:
        return process.environ().get(MARK, "")
    except (psutil.Error, OSError):
        return ""


def _signal(process: "psutil.Process", *, force: bool) -> None:
    import psutil  # noqa: PLC0415

    try:
        process.kill() if force else process.terminate()
    except psutil.Error:
        return
