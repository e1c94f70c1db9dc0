"""Linear programmes as plain values: named columns, named rows, and the MPS text that every solver reads."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_UNSAFE = re.compile(r"[^A-Za-z0-9_.\-]")


@dataclass(slots=True)
class Programme:
    """A minimisation being written. Columns are [0, 1]; ``integer`` columns are binary, ``free`` ones only >= 0."""

    columns: dict[str, int] = field(default_factory=dict)
    integer: set[str] = field(default_factory=set)
    unbounded: set[str] = field(default_factory=set)
    cost: dict[str, float] = field(default_factory=dict)
    rows: list[tuple[str, str, float]] = field(default_factory=list)
    entries: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    """By column the numbers of its rows, ascending, and its coefficients in them."""

    def column(self, name: str, *, integer: bool = False, unbounded: bool = False) -> str:
        """Add the column ``name`` once and return it."""
        if name not in self.columns:
            self.columns[name] = len(self.columns)
            self.entries[name] = ([], [])
            if integer:
                self.integer.add(name)
            if unbounded:
                self.unbounded.add(name)
        return name

    def row(self, name: str, terms: Iterable[tuple[str, float]], sense: str, right: float) -> None:
        """Add ``sum(terms) sense right``; sense is L (<=), G (>=) or E (=). Terms of one column are summed."""
        index = len(self.rows)
        self.rows.append((name, sense, right))
        for column, coefficient in terms:
            if coefficient:
                rows, coefficients = self.entries[column]
                if rows and rows[-1] == index:
                    coefficients[-1] += coefficient
                else:
                    rows.append(index)
                    coefficients.append(coefficient)


def mps_text(programme: Programme, *, readable: bool = False) -> str:
    """The programme as free-format MPS. ``readable`` keeps names (made safe and unique), else they are short."""
    row_names = _names([name for name, _, _ in programme.rows], "r", readable)
    column_names = dict(zip(programme.columns, _names(list(programme.columns), "c", readable), strict=True))
    lines = ["NAME stackplan", "ROWS", " N cost"]
    lines += [f" {sense} {name}" for name, (_, sense, _) in zip(row_names, programme.rows, strict=True)]
    lines += ["COLUMNS", *_column_lines(programme, column_names, row_names), "RHS"]
    lines += [f" rhs {name} {right!r}" for name, (_, _, right) in zip(row_names, programme.rows, strict=True) if right]
    lines += ["BOUNDS", *_bound_lines(programme, column_names), "ENDATA", ""]
    return "\n".join(lines)


def _column_lines(programme: Programme, names: dict[str, str], row_names: list[str]) -> list[str]:
    lines: list[str] = []
    for integer in (True, False):
        chosen = [column for column in programme.columns if (column in programme.integer) is integer]
        if integer and chosen:
            lines.append(" MARK0 'MARKER' 'INTORG'")
        for column in chosen:
            name = names[column]
            cost = programme.cost.get(column, 0.0)
            lines.append(f" {name} cost {cost!r}")
            lines += [
                f" {name} {row_names[row]} {value!r}" for row, value in zip(*programme.entries[column], strict=True)
            ]
        if integer and chosen:
            lines.append(" MARK1 'MARKER' 'INTEND'")
    return lines


def _bound_lines(programme: Programme, names: dict[str, str]) -> list[str]:
    return [f" UP bnd {names[column]} 1" for column in programme.columns if column not in programme.unbounded]


def _names(names: list[str], prefix: str, readable: bool) -> list[str]:
    if not readable:
        return [f"{prefix}{index}" for index in range(len(names))]
    return [f"{_UNSAFE.sub('_', name)}.{index}" for index, name in enumerate(names)]
