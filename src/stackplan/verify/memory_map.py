"""Host memory of a process from its map (``/proc/PID/smaps``, proc(5)), by what it is for.

RSS alone answers another question: pages that an allocation has not touched yet are missing from it, pages of a file
that were read ahead are in it. A plan promises what may be taken, so that allocations count whole and files as mapped.
"""

import re
from collections.abc import Iterable

from stackplan.units import KIB
from stackplan.verify.observation import HostBytes

_HEAD = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ([-rwxsp]{4}) \S+ \S+ \S+\s*(.*)")
_RSS = re.compile(r"Rss:\s+(\d+) kB")


def host_bytes(lines: Iterable[str], stack_bytes: int) -> HostBytes:
    """What the lines of a map add up to. ``stack_bytes`` is the limit of a thread's stack, which is only a limit."""
    allocated = untouched = mapped = program = resident = 0
    before: tuple[int, bool] = (0, False)  # where the last region ends, and whether it is a guard page
    for start, end, permissions, name, rss in _regions(lines):
        size = end - start
        is_file = _is_file(name)
        resident += rss
        if is_file and permissions[3] == "s":
            mapped += size
        elif is_file:
            program += rss
        elif "w" in permissions and permissions[3] == "p":
            above_guard = before == (start, True)
            counted = max(rss, size - stack_bytes) if above_guard or name.startswith("[stack") else size
            allocated += counted
            untouched += max(0, counted - rss)
        before = (end, permissions.startswith("---") and not is_file)
    return HostBytes(allocated, mapped, program, resident, untouched)


def mapped_files(lines: Iterable[str]) -> tuple[str, ...]:
    """Paths of the files that are shared with the page cache, as models are."""
    found = (region for region in _regions(lines) if region[2].endswith("s") and _is_file(region[3]))
    return tuple(dict.fromkeys(name for _, _, _, name, _ in found))


def _is_file(name: str) -> bool:
    return name.startswith("/") and not name.startswith(("/dev/zero", "/memfd:", "/SYSV", "/[aio]"))


def _regions(lines: Iterable[str]) -> Iterable[tuple[int, int, str, str, int]]:
    head: tuple[int, int, str, str] | None = None
    for line in lines:
        if found := _RSS.match(line):
            if head:
                yield (*head, int(found[1]) * KIB)
            head = None
        elif found := _HEAD.match(line):
            head = (int(found[1], 16), int(found[2], 16), found[3], found[4].strip())
