"""The end of a log, without reading all of it."""

from pathlib import Path

_LARGEST_TAIL_BYTES = 1 << 16


def tail(path: Path, count: int) -> list[str]:
    """The last ``count`` lines, control characters made visible; none without a log."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LARGEST_TAIL_BYTES))
            text = file.read(_LARGEST_TAIL_BYTES).decode(errors="replace")
    except OSError:
        return []
    return [printable(line) for line in text.splitlines()[-count:]] if count else []


def printable(line: str) -> str:
    """``line`` as a terminal may show it: what programs and models write could otherwise steer it."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in line)


def rotate(path: Path, largest_bytes: int, count: int) -> None:
    """Begin a new log when this one is large, keeping ``count`` files in all: LOG, LOG.1, LOG.2 ..."""
    if not path.is_file() or path.stat().st_size < largest_bytes:
        return
    for number in range(count - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if older.is_file():
            older.replace(path.with_name(f"{path.name}.{number}"))
