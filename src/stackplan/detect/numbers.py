"""Numbers and names out of text that drivers and kernels write; None where there is none."""

import re

# Linux numbers at most 8192 processors and 1024 memory nodes; a longer list is no list of this machine.
_LARGEST_ID = 8191
_MOST_RANGES = 512

_INTEGER = re.compile(r"\s*(\d{1,20})\b")


def printable(text: str) -> str:
    """``text`` on one line, without characters that a terminal obeys."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def integer(text: str | None) -> int | None:
    """The number that ``text`` starts with (``30536 MiB`` gives 30536)."""
    match = _INTEGER.match(text) if text else None
    return int(match[1]) if match else None


def id_list(text: str | None) -> tuple[int, ...]:
    """The numbers of a kernel list: ``0-3,8`` is 0, 1, 2, 3, 8. Empty when it is no list."""
    found: set[int] = set()
    for part in (text or "").strip().split(",")[:_MOST_RANGES]:
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part.strip())
        if match is not None:
            found.update(range(int(match[1]), min(int(match[2] or match[1]), _LARGEST_ID) + 1))
    return tuple(sorted(found))


def key_values(text: str | None, separator: str = ":") -> dict[str, str]:
    """Lines of ``key: value``; the first of equal keys wins."""
    found: dict[str, str] = {}
    for line in (text or "").splitlines():
        key, found_separator, value = line.partition(separator)
        if found_separator:
            found.setdefault(key.strip(), value.strip())
    return found
