"""Aligned columns for terminals: names made inert, wide letters counted as two cells, long names cut with an ellipsis.

Shared by the views of this package. Our own and not rich's, whose import costs more than drawing (docs/adr/0009).
"""

import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence

_LONGEST = 1000  # letters of one name that are looked at; no honest name comes near
_NO_CELL = {"Mn", "Me"}  # marks that are drawn over the letter before them

Style = Callable[[int, str], str]
"""Column number and padded cell to the cell as it is printed, with the same width on screen."""


def inert(text: str) -> str:
    """``text`` on one line, with everything that could steer a terminal or reorder letters shown as ``?``."""
    flat = " ".join(text[:_LONGEST].split())
    return "".join(letter if letter.isprintable() else "?" for letter in flat)


def cell_width(text: str) -> int:
    """Terminal cells that ``text`` takes: East Asian wide letters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_cells(letter) for letter in text)


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in _NO_CELL:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def shorten(text: str, width: int, *, ellipsis: str = "…") -> str:
    """``text`` in at most ``width`` cells, cut at the end with an ellipsis where it is longer."""
    if cell_width(text) <= width:
        return text
    room, kept = width - len(ellipsis), ""
    for letter in text:
        if cell_width(kept) + _cells(letter) > room:
            break
        kept += letter
    return kept + ellipsis


def pad(text: str, width: int, *, right: bool = False) -> str:
    """``text`` filled with spaces to ``width`` cells."""
    fill = " " * max(0, width - cell_width(text))
    return fill + text if right else text + fill


def column_widths(lines: Iterable[Sequence[str]]) -> list[int]:
    """The widest cell of each column."""
    return [max(map(cell_width, column)) for column in zip(*lines, strict=True)]


def table(
    lines: Sequence[Sequence[str]], *, right: Collection[int] = (), style: Style | None = None, indent: str = " "
) -> list[str]:
    """``lines`` (the header first) as aligned text, two spaces between columns; those in ``right`` flush right."""
    widths = column_widths(lines)
    return [indent + _row(line, widths, right, style).rstrip() for line in lines]


def _row(line: Sequence[str], widths: Sequence[int], right: Collection[int], style: Style | None) -> str:
    padded = [
        pad(cell, width, right=place in right) for place, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(style(place, cell) if style else cell for place, cell in enumerate(padded))


def wrap(text: str, width: int, *, first: str = " ", rest: str = "   ") -> list[str]:
    """``text``, made inert, as lines of at most ``width`` cells; a word longer than a line is cut into pieces."""
    lines: list[str] = []
    line = first
    for word in _pieces(inert(text), width - max(cell_width(first), cell_width(rest))):
        fresh = (not lines and line == first) or line == rest
        joined = line + word if fresh else f"{line} {word}"
        if fresh or cell_width(joined) <= width:
            line = joined
        else:
            lines, line = [*lines, line], rest + word
    return [*lines, line]


def _pieces(text: str, width: int) -> Iterable[str]:
    for word in text.split():
        left = word
        while cell_width(left) > width:
            piece = shorten(left, width, ellipsis="")
            yield piece
            left = left[len(piece) :]
        yield left
