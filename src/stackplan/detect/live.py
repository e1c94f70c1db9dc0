"""The machine at hand as a `World`: reads files, starts programs, asks the driver. No network."""

import os
import platform
import shutil
import subprocess  # vendor programs by name, never through a shell
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from stackplan.detect.memory_modules import MemoryModule, read_modules
from stackplan.detect.world import (
    ABSENT,
    COMMAND_TIMEOUT_SECONDS,
    ENVIRONMENT_NAMES,
    MAX_TEXT_BYTES,
    PYTHON,
    CommandResult,
    DiskUsage,
    MemoryCounters,
)

Answer = TypeVar("Answer")

# What further programs get when one of them hung: a sound one answers in less, and the wait stays near one limit.
_SHORT_PATIENCE_SECONDS = 0.3
_MACHINES = {"amd64": "x86_64", "AMD64": "x86_64", "ARM64": "arm64"}
# Programs that answer in English and without a pager, whatever the user's settings are.
_PROGRAM_ENVIRONMENT = {"LC_ALL": "C", "LANG": "C"}


class LiveWorld:
    """The machine that stackplan runs on; ``folder`` is where weights would be stored."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path.home()
        self._hung: set[str] = set()
        self._patience = COMMAND_TIMEOUT_SECONDS

    @property
    def system(self) -> str:
        """`World.system`."""
        return platform.system().lower()

    @property
    def machine(self) -> str:
        """`World.machine`."""
        return _MACHINES.get(platform.machine(), platform.machine())

    def read_text(self, path: str) -> str | None:
        """`World.read_text`, up to `MAX_TEXT_BYTES`."""
        try:
            with Path(path).open("rb") as stream:
                return stream.read(MAX_TEXT_BYTES).decode("utf-8", errors="replace")
        except (OSError, ValueError):
            return None

    def list(self, path: str) -> tuple[str, ...]:
        """`World.list`."""
        try:
            return tuple(sorted(os.listdir(path)))  # noqa: PTH208  (names only)
        except OSError:
            return ()

    def run(self, command: tuple[str, ...]) -> CommandResult:
        """`World.run`; the program and its children are killed at the limit."""
        program = sys.executable if command[0] == PYTHON else shutil.which(command[0])
        if not program:
            return ABSENT
        if program in self._hung:
            return CommandResult("timeout", 124)
        try:
            process = subprocess.Popen(
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_PROGRAM_ENVIRONMENT},
                start_new_session=True,
            )
        except OSError:
            return CommandResult("failed", 126)
        result = _finish(process, self._patience)
        if result.status == "timeout":
            self._hung.add(program)
            self._patience = _SHORT_PATIENCE_SECONDS
        return result

    def nvml(self) -> dict[str, Any] | None:
        """`World.nvml`."""
        from stackplan.detect import nvml  # noqa: PLC0415

        if not nvml.driver_is_plausible(self.system):
            return None
        started = time.monotonic()
        answer = _within(nvml.snapshot, COMMAND_TIMEOUT_SECONDS)
        if answer is None and time.monotonic() - started >= COMMAND_TIMEOUT_SECONDS:
            # A driver that holds its library holds its program too.
            self._hung |= {path for name in nvml.PROGRAMS if (path := shutil.which(name))}
            self._patience = _SHORT_PATIENCE_SECONDS
        return answer

    def disk(self, mount: str) -> DiskUsage | None:
        """`World.disk`."""
        try:
            usage = shutil.disk_usage(mount)
        except OSError:
            return None
        return DiskUsage(usage.total, usage.free) if usage.total else None

    def memory(self) -> MemoryCounters | None:
        """`World.memory`."""
        if self.system == "linux":
            return None
        import psutil  # noqa: PLC0415  (Linux does not need it)

        counters = psutil.virtual_memory()
        return MemoryCounters(counters.total, counters.available, psutil.swap_memory().total)

    def memory_modules(self) -> tuple[MemoryModule, ...]:
        """`World.memory_modules`."""
        return read_modules() if self.system == "linux" else ()

    def affinity(self) -> tuple[int, ...] | None:
        """`World.affinity`."""
        if hasattr(os, "sched_getaffinity"):
            return tuple(sorted(os.sched_getaffinity(0)))
        count = os.cpu_count()
        return tuple(range(count)) if count else None

    def environment(self, name: str) -> str | None:
        """`World.environment`."""
        return os.environ.get(name) if name in ENVIRONMENT_NAMES else None

    def storage_mount(self) -> str:
        """`World.storage_mount`."""
        place = self._folder.absolute()
        while not place.exists() and place != place.parent:
            place = place.parent
        while not place.is_mount() and place != place.parent:
            place = place.parent
        return str(place)


def _finish(process: "subprocess.Popen[bytes]", seconds: float) -> CommandResult:
    """Read the output within the limits of time and size; a program that breaks one is killed with its children."""
    deadline = time.monotonic() + seconds
    output = _within(lambda: process.stdout.read(MAX_TEXT_BYTES + 1) if process.stdout else b"", seconds)
    if output is None:
        _kill(process)
        return CommandResult("timeout", 124)
    if len(output) > MAX_TEXT_BYTES:
        _kill(process)
        return CommandResult("failed", 125)
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        _kill(process)
        return CommandResult("timeout", 124)
    return CommandResult("done", process.returncode, output.decode("utf-8", errors="replace"))


def _within(ask: Callable[[], Answer], seconds: float) -> Answer | None:
    """The answer of ``ask``, or None when it takes longer; what hangs in a driver cannot be ended, only left behind."""
    answers: list[Answer] = []
    worker = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    worker.start()
    worker.join(seconds)
    return answers[0] if answers else None


def _kill(process: "subprocess.Popen[bytes]") -> None:
    import signal  # noqa: PLC0415

    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def private_words() -> tuple[str, ...]:
    """Names of this machine and its user, which no recording may hold."""
    import getpass  # noqa: PLC0415

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = ""
    host = platform.node()
    return tuple(sorted({user, Path.home().name, host, host.split(".")[0]} - {""}))
