"""How long commands take from a cold process, and how much memory: best and median, beside a bare Python.

Prints a table and asserts nothing: machines differ. `bench/run.py [TIMES]`; warm means that the index is kept.
The budgets stand in docs/DESIGN.md.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MIB = 1024**2
STACKPLAN = (sys.executable, "-m", "stackplan")


@dataclass(frozen=True)
class Case:
    """A command; ``cold`` empties the cache before every run. ``budget`` is what docs/DESIGN.md grants."""

    name: str
    command: tuple[str, ...]
    budget: str = ""
    cold: bool = False
    codes: tuple[int, ...] = (0,)


CASES = (
    Case("python -c pass", (sys.executable, "-c", "pass")),
    Case("--version", (*STACKPLAN, "--version"), "0.15 s"),
    Case("detect", (*STACKPLAN, "detect")),
    Case("plan, this machine, no index", (*STACKPLAN, "plan"), cold=True, codes=(0, 3)),
    Case("plan, this machine", (*STACKPLAN, "plan"), "0.6 s, 120 MiB", codes=(0, 3)),
    Case("plan rtx-3090-ti", (*STACKPLAN, "plan", "rtx-3090-ti")),
    Case("plan dual-rtx-3090", (*STACKPLAN, "plan", "dual-rtx-3090")),
    Case("plan cpu-only", (*STACKPLAN, "plan", "cpu-only")),
)


def measure(case: Case, cache: Path) -> tuple[float, float, int]:
    """Seconds, MiB at the peak (its children's too, the larger one) and exit code of one run."""
    if case.cold:
        shutil.rmtree(cache, ignore_errors=True)
    started = time.perf_counter()
    process = subprocess.Popen(
        case.command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "STACKPLAN_CACHE": str(cache)},
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss * unit / MIB, process.returncode


def main(times: int) -> None:
    bare = 0.0
    print(f"{'command':30} {'best s':>7} {'median':>7} {'x python':>9} {'MiB':>6}  budget")
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            measure(case, Path(folder) / "cache")  # bytecode and index are written by a run that does not count
            runs = [measure(case, Path(folder) / "cache") for _ in range(times)]
            best = min(seconds for seconds, _, _ in runs)
            median = statistics.median(seconds for seconds, _, _ in runs)
            bare = bare or best
            failed = sorted({code for _, _, code in runs} - set(case.codes))
            remark = f"exit codes {failed}" if failed else case.budget
            memory = max(mib for _, mib, _ in runs)
            print(f"{case.name:30} {best:7.3f} {median:7.3f} {best / bare:9.1f} {memory:6.0f}  {remark}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
