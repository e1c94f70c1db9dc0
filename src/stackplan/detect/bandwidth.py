"""Memory bandwidth, measured on request and kept: detection reads the kept figure and never measures by itself."""

import json
import os
import threading
import time

from stackplan.bundled import cache_folder
from stackplan.hardware import Cpu

_BUFFER_BYTES = 256 * 1024 * 1024
_PASSES = 3
_FILE = "memory-bandwidth.json"
_PLAUSIBLE = range(10**8, 10**14)


def kept_bandwidth(machine: str) -> int | None:
    """Bytes per second as measured before on ``machine`` (`machine_mark`), or None.

    Several machines may share one home, and one machine may give this process more or fewer processors than before.
    """
    try:
        value = json.loads((cache_folder() / _FILE).read_bytes())[machine]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return value if isinstance(value, int) and value in _PLAUSIBLE else None


def keep_bandwidth(machine: str, bytes_per_second: int) -> None:
    """Keep a measured figure for later runs; a read-only home keeps nothing."""
    path = cache_folder() / _FILE
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        known = {}
    known = {**known, machine: bytes_per_second} if isinstance(known, dict) else {machine: bytes_per_second}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_name(f"{path.name}.{os.getpid()}")
        whole.write_text(json.dumps(known, sort_keys=True), encoding="utf-8")
        whole.replace(path)
    except OSError:
        return


def machine_mark(cpu: Cpu) -> str:
    """What a figure was measured on: the processor and how much of it this process may use."""
    return f"{cpu.model}, {cpu.usable_threads} threads"


def measure_bandwidth(threads: int, buffer_bytes: int = _BUFFER_BYTES) -> int:
    """Bytes per second that ``threads`` threads read together: what decoding on a CPU is bound by.

    Each thread searches its own buffer, larger than any cache together, for a byte that is not there (``memchr``
    of the C library, which reads at memory speed and lets other threads run).
    """
    part = max(1, buffer_bytes // threads)
    buffers = [bytearray(part) for _ in range(threads)]
    best = 0.0
    for _ in range(_PASSES):
        started = time.perf_counter()
        workers = [threading.Thread(target=_read_through, args=(buffer,)) for buffer in buffers]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, part * threads * _REPEATS / (time.perf_counter() - started))
    return int(best)


_REPEATS = 4


def _read_through(buffer: bytearray) -> None:
    import ctypes  # noqa: PLC0415

    search = ctypes.CDLL("msvcrt" if _is_windows() else None).memchr
    search.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    search.restype = ctypes.c_void_p
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    for _ in range(_REPEATS):
        search(address, 1, len(buffer))


def _is_windows() -> bool:
    import sys  # noqa: PLC0415

    return sys.platform == "win32"
