"""Bytes, rates and tokens: parsing at the edges, formatting for people.

Inside stackplan every size is an integer number of bytes and every rate is per second. This is the only
module that knows 1024; MiB = 2**20 bytes, GiB = 2**30 bytes, GB = 10**9 bytes.
"""

import re

KIB = 1024
MIB = 1024**2
GIB = 1024**3

_FACTORS = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1000,
    "m": 1000**2,
    "mb": 1000**2,
    "g": 1000**3,
    "gb": 1000**3,
    "t": 1000**4,
    "tb": 1000**4,
    "kib": KIB,
    "mib": MIB,
    "gib": GIB,
    "tib": 1024**4,
}
_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([a-zA-Z]{0,3})\s*")
_TOKENS = re.compile(r"\s*(\d{1,12})\s*([kKmM]?)\s*")


def parse_bytes(text: str | int) -> int:
    """Bytes meant by ``text``: ``24GiB``, ``24 GB``, ``512 MiB`` or a plain number of bytes.

    Raises ValueError when the text is not a size.
    """
    if isinstance(text, int):
        return text
    match = _SIZE.fullmatch(text)
    factor = _FACTORS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"{text!r} is not a size; write it like 20GiB, 500MiB or 1000000")
    whole, _, fraction = match[1].partition(".")
    return int(whole) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0)


def parse_tokens(text: str | int) -> int:
    """Tokens meant by ``text``: ``32768``, ``32k`` (= 32768) or ``1m`` (= 1048576).

    Raises ValueError when the text is not a number of tokens.
    """
    if isinstance(text, int):
        return text
    match = _TOKENS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number of tokens; write it like 32768 or 32k")
    return int(match[1]) * {"": 1, "k": KIB, "m": MIB}[match[2].lower()]


def format_gib(size_bytes: int, digits: int = 1) -> str:
    """GiB as people read them in a table, without the unit: ``18.4``."""
    return f"{size_bytes / GIB:.{digits}f}"


def format_bytes(size_bytes: int) -> str:
    """A size with the binary unit that keeps it short: ``18.4 GiB``, ``512 MiB``, ``0 B``."""
    sign, size = ("-" if size_bytes < 0 else ""), abs(size_bytes)
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size >= factor:
            return f"{sign}{size / factor:.1f} {unit}"
    return f"{sign}{size} B"


def format_tokens(tokens: int) -> str:
    """Tokens as people write them: ``32k`` for whole multiples of 1024, else the number."""
    return f"{tokens // KIB}k" if tokens >= KIB and tokens % KIB == 0 else str(tokens)
