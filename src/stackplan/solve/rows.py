"""Linear programmes as plain values: named columns, named rows, and the MPS text that every solver reads.

A column or row has a number, and a name that is put together only where somebody reads it: planning writes a thousand
programmes of a thousand rows. Entries come in arrays, many rows at a time.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap

import numpy as np
from numpy.typing import NDArray

from stackplan.arrays import Floats, Integers

_UNSAFE = re.compile(r"[^A-Za-z0-9_.\-]")

Named = tuple[str, ...]  # a name: how it reads, and the words that go into its braces
Term = tuple[Named, float]  # a coefficient by the name of its column


@dataclass(frozen=True, slots=True)
class Entries:
    """Coefficients column by column: those of a column lie between its ``starts`` and the next, by ascending row."""

    starts: NDArray[np.int32]
    rows: NDArray[np.int32]
    values: Floats


@dataclass(slots=True)
class Programme:
    """A minimisation being written. Columns are [0, 1]; ``integer`` columns are binary, ``unbounded`` ones only >= 0.

    ``cost`` is by column; what is not in it costs nothing.
    """

    columns: list[Named] = field(default_factory=list)
    integer: set[int] = field(default_factory=set)
    unbounded: set[int] = field(default_factory=set)
    cost: dict[int, float] = field(default_factory=dict)
    rows: list[Named] = field(default_factory=list)
    senses: list[str] = field(default_factory=list)
    rights: list[float] = field(default_factory=list)
    _entries: list[tuple[Integers, Integers, Floats]] = field(default_factory=list)
    _numbers: dict[Named, int] = field(default_factory=dict)

    def column(self, name: Named, *, integer: bool = False, unbounded: bool = False) -> int:
        """Add a column; its number."""
        number = len(self.columns)
        self.columns.append(name)
        if integer:
            self.integer.add(number)
        if unbounded:
            self.unbounded.add(number)
        return number

    def row(self, name: Named, terms: Iterable[tuple[int, float]], sense: str, right: float) -> int:
        """Add ``sum(terms) sense right``; sense is L (<=), G (>=) or E (=). Terms of one column are summed."""
        columns, values = [], []
        for column, value in terms:
            columns.append(column)
            values.append(value)
        chosen = np.array(columns, dtype=np.int64)
        self.add([name], np.zeros_like(chosen), chosen, np.array(values, dtype=np.float64), sense, right)
        return len(self.rows) - 1

    def add(
        self, names: Sequence[Named], rows: Integers, columns: Integers, values: Floats, sense: str, right: float
    ) -> None:
        """Add rows; ``rows`` are the numbers of entries among them."""
        self._entries.append((rows + len(self.rows), columns, values))
        self.rows += names
        self.senses += [sense] * len(names)
        self.rights += [right] * len(names)

    @property
    def numbers(self) -> Mapping[Named, int]:
        """Columns by name."""
        if len(self._numbers) < len(self.columns):
            self._numbers = {name: number for number, name in enumerate(self.columns)}
        return self._numbers

    def entries(self) -> Entries:
        """All coefficients but zeros."""
        if not self._entries:
            return Entries(np.zeros(len(self.columns) + 1, np.int32), np.zeros(0, np.int32), np.zeros(0))
        rows, columns, values = (np.concatenate(parts) for parts in zip(*self._entries, strict=True))
        used = np.flatnonzero(values)
        place, height = columns[used] * len(self.rows) + rows[used], max(1, len(self.rows))
        order = np.argsort(place, kind="stable")
        place, values = place[order], values[used[order]]
        first = np.flatnonzero(np.diff(place, prepend=-1))
        place, values = place[first], np.add.reduceat(values, first) if len(first) else values
        starts = np.searchsorted(place, np.arange(len(self.columns) + 1) * height)
        return Entries(starts.astype(np.int32), (place % height).astype(np.int32), values)


def readable(name: Named) -> str:
    """A name as it reads."""
    return name[0].format(*name[1:])


def mps_text(programme: Programme) -> str:
    """The programme as free-format MPS with readable names, made safe and unique."""
    row_names, column_names = _names(programme.rows), _names(programme.columns)
    lines = ["NAME stackplan", "ROWS", " N cost"]
    lines += starmap(" {} {}".format, zip(programme.senses, row_names, strict=True))
    lines += ["COLUMNS", *_column_lines(programme, column_names, row_names), "RHS"]
    lines += [f" rhs {name} {right!r}" for name, right in zip(row_names, programme.rights, strict=True) if right]
    upper = [f" UP bnd {name} 1" for number, name in enumerate(column_names) if number not in programme.unbounded]
    lines += ["BOUNDS", *upper, "ENDATA", ""]
    return "\n".join(lines)


def _column_lines(programme: Programme, names: list[str], row_names: list[str]) -> list[str]:
    lines: list[str] = []
    entries = programme.entries()
    starts, rows, values = entries.starts.tolist(), entries.rows.tolist(), entries.values.tolist()
    for integer in (True, False):
        chosen = [number for number in range(len(names)) if (number in programme.integer) is integer]
        if integer and chosen:
            lines.append(" MARK0 'MARKER' 'INTORG'")
        for number in chosen:
            name, own = names[number], slice(starts[number], starts[number + 1])
            lines.append(f" {name} cost {programme.cost.get(number, 0.0)!r}")
            lines += [f" {name} {row_names[row]} {value!r}" for row, value in zip(rows[own], values[own], strict=True)]
        if integer and chosen:
            lines.append(" MARK1 'MARKER' 'INTEND'")
    return lines


def _names(names: list[Named]) -> list[str]:
    return [f"{_UNSAFE.sub('_', readable(name))}.{index}" for index, name in enumerate(names)]
