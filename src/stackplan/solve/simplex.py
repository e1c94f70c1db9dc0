"""Linear relaxations in HiGHS's own library, kept between solves: a change of bounds costs a few pivots, not a program.

highsbox brings the library beside the program; ctypes reaches its C interface without numpy (docs/adr/0010).
"""

import ctypes
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackplan.arrays import Floats
from stackplan.solve.rows import Named, Programme

SOLVER = "HiGHS (highsbox)"

Basis = tuple[bytes, bytes]
Ended = tuple[Mapping[Named, int], Mapping[Named, int]]  # unusual states of columns and rows by name

_OPTIMAL, _INFEASIBLE, _UNBOUNDED_OR_INFEASIBLE, _ABOVE_BOUND, _ITERATIONS = 7, 8, 9, 11, 14
_KNOWN_ENDINGS = {_OPTIMAL, _INFEASIBLE, _UNBOUNDED_OR_INFEASIBLE, _ABOVE_BOUND, _ITERATIONS}
_SOLVE_IN_PIVOTS = 20  # taking up a basis costs about as much
_STATED_IN_PIVOTS = 200  # of one row: what stating a row or a column costs (2026-11)
_BY_COLUMN, _MINIMISE = 1, 1
_DUAL = 1
_PRIMAL, _AT_LOWER, _BASIC = 4, 0, 1
_INFINITY = float("inf")
_LIBRARY = {"darwin": "libhighs*.dylib", "win32": "*highs*.dll"}.get(sys.platform, "libhighs.so*")


@dataclass(frozen=True, slots=True)
class Solved:
    """A relaxation's optimum: ``values`` and reduced costs by column number, prices by row number.

    ``finished`` is False when the pivots allowed ran out: ``objective`` is then a lower bound all the same, where the
    dual simplex was at work, and nothing else means anything.
    """

    objective: float
    finished: bool
    values: Sequence[float] = ()
    reduced: Sequence[float] = ()
    prices: Sequence[float] = ()


class Relaxation:
    """The linear relaxation of a programme, solved again and again under other bounds. Close it after use."""

    def __init__(self, programme: Programme) -> None:
        self.columns = len(programme.columns)
        self.rows = len(programme.rows)
        self._library = _library()
        self._model = ctypes.c_void_p(self._library.Highs_create())
        self.work = _STATED_IN_PIVOTS * (self.columns + self.rows)
        """Pivots so far times rows, and a little for each solve and for stating it: what the time goes with."""
        for name in (b"output_flag", b"log_to_console"):
            self._library.Highs_setBoolOptionValue(self._model, name, 0)
        self._library.Highs_setIntOptionValue(self._model, b"threads", 1)
        self._holds_empty = bool(self.columns) or _holds_empty(programme)
        self._pass(programme)

    def __enter__(self) -> "Relaxation":
        return self

    def __exit__(self, *_: object) -> None:
        self._library.Highs_destroy(self._model)

    def solve(self, *, most_pivots: int | None = None, above: float | None = None) -> Solved | None:
        """The optimum under the present bounds; None when there is none, or when it lies ``above``."""
        if not self.columns:
            return Solved(0.0, finished=True, prices=[0.0] * self.rows) if self._holds_empty else None
        self._library.Highs_setIntOptionValue(
            self._model, b"simplex_iteration_limit", 2_147_483_647 if most_pivots is None else most_pivots
        )
        limit = _INFINITY if above is None else above
        self._library.Highs_setDoubleOptionValue(self._model, b"objective_bound", ctypes.c_double(limit))
        status = self._run()
        if status not in _KNOWN_ENDINGS:  # seen from a basis taken up: an iteration that got nowhere
            self._library.Highs_clearSolver(self._model)
            self._library.Highs_setIntOptionValue(self._model, b"simplex_strategy", _PRIMAL)
            status = self._run()
            self._library.Highs_setIntOptionValue(self._model, b"simplex_strategy", _DUAL)
        if status in {_INFEASIBLE, _UNBOUNDED_OR_INFEASIBLE, _ABOVE_BOUND}:
            return None
        objective = self._library.Highs_getObjectiveValue(self._model)
        if status == _ITERATIONS or (most_pivots is not None and status not in _KNOWN_ENDINGS):
            return Solved(objective if status == _ITERATIONS else -_INFINITY, finished=False)
        if status != _OPTIMAL:
            raise SimplexError(f"HiGHS ended a relaxation with status {status}")
        return self._solved(objective)

    def _run(self) -> int:
        self._library.Highs_run(self._model)
        self.work += self.rows * (_SOLVE_IN_PIVOTS + self._pivots())
        return int(self._library.Highs_getModelStatus(self._model))

    def bound(self, columns: Iterable[int], lower: Sequence[float], upper: Sequence[float]) -> None:
        """Give columns other bounds."""
        chosen = array("i", columns)
        if chosen:
            self._library.Highs_changeColsBoundsBySet(
                self._model, len(chosen), _ints(chosen), _doubles(array("d", lower)), _doubles(array("d", upper))
            )

    def bound_row(self, row: int, lower: float, upper: float) -> None:
        """Give a row other bounds."""
        self._library.Highs_changeRowBounds(self._model, row, ctypes.c_double(lower), ctypes.c_double(upper))

    def add_row(self, terms: Mapping[int, float], lower: float, upper: float) -> int:
        """Add a row; its number."""
        index, value = array("i", terms), array("d", terms.values())
        self._library.Highs_addRow(
            self._model, ctypes.c_double(lower), ctypes.c_double(upper), len(index), _ints(index), _doubles(value)
        )
        self.rows += 1
        return self.rows - 1

    def basis(self) -> Basis:
        """Where the last solve ended, to begin from again."""
        columns, rows = array("i", bytes(4 * self.columns)), array("i", bytes(4 * self.rows))
        self._library.Highs_getBasis(self._model, _ints(columns), _ints(rows))
        return columns.tobytes(), rows.tobytes()

    def begin_from(self, basis: Basis) -> None:
        """Begin the next solve from a basis; rows added since are basic."""
        columns, rows = array("i", basis[0]), array("i", basis[1])
        rows.extend([1] * (self.rows - len(rows)))
        self._library.Highs_setBasis(self._model, _ints(columns), _ints(rows))

    def ended(self, programme: Programme) -> Ended:
        """Where the last solve ended, by names: the states of columns off their lower bound and of rows that bind."""
        columns, rows = self.basis()
        return _unlike(programme.columns, columns, _AT_LOWER), _unlike(programme.rows, rows, _BASIC)

    def begin_near(self, programme: Programme, ended: Ended) -> None:
        """Begin the next solve where one of a programme much like this ended: its basis fits but for new columns."""
        columns = array("i", map(ended[0].get, programme.columns, repeat(_AT_LOWER)))
        rows = array("i", map(ended[1].get, programme.rows, repeat(_BASIC)))
        self._library.Highs_setIntOptionValue(self._model, b"simplex_strategy", _PRIMAL)
        self._library.Highs_setBasis(self._model, _ints(columns), _ints(rows))

    def _pivots(self) -> int:
        pivots = ctypes.c_int(0)
        self._library.Highs_getIntInfoValue(self._model, b"simplex_iteration_count", ctypes.byref(pivots))
        return max(0, pivots.value)

    def _solved(self, objective: float) -> Solved:
        value, reduced = array("d", bytes(8 * self.columns)), array("d", bytes(8 * self.columns))
        activity, prices = array("d", bytes(8 * self.rows)), array("d", bytes(8 * self.rows))
        self._library.Highs_getSolution(
            self._model, _doubles(value), _doubles(reduced), _doubles(activity), _doubles(prices)
        )
        return Solved(objective, True, value, reduced, prices)

    def _pass(self, programme: Programme) -> None:
        entries, columns = programme.entries(), self.columns
        cost, upper = np.zeros(columns), np.ones(columns)
        cost[list(programme.cost)] = list(programme.cost.values())
        upper[list(programme.unbounded)] = _INFINITY
        senses = np.frombuffer("".join(programme.senses).encode(), dtype="S1")
        rights = np.array(programme.rights, dtype=np.float64)
        low, high = np.where(senses == b"L", -_INFINITY, rights), np.where(senses == b"G", _INFINITY, rights)
        lower = np.zeros(columns)
        self._library.Highs_passLp(
            self._model,
            *(columns, self.rows, len(entries.rows), _BY_COLUMN, _MINIMISE, ctypes.c_double(0.0)),
            *(_at(given) for given in (cost, lower, upper, low, high)),
            *(_at(given) for given in (entries.starts, entries.rows, entries.values)),
        )


class SimplexError(RuntimeError):
    """HiGHS itself failed: a bug, not a property of the problem."""


def _holds_empty(programme: Programme) -> bool:
    """Whether every row holds with nothing in it."""
    holds = {"L": lambda right: right >= 0, "G": lambda right: right <= 0, "E": lambda right: right == 0}
    return all(holds[sense](right) for sense, right in zip(programme.senses, programme.rights, strict=True))


def _unlike(names: Sequence[Named], states: bytes, usual: int) -> dict[Named, int]:
    """The states that are not the usual one, by name."""
    found = np.frombuffer(states, dtype=np.intc)
    return {names[number]: int(found[number]) for number in np.flatnonzero(found != usual).tolist()}


def _at(values: "Floats | NDArray[np.int32]") -> ctypes.c_void_p:
    """Where an array lies."""
    return ctypes.c_void_p(values.ctypes.data)


def _ints(values: "array[int]") -> Any:
    return (ctypes.c_int * len(values)).from_buffer(values)


def _doubles(values: "array[float]") -> Any:
    return (ctypes.c_double * len(values)).from_buffer(values)


@cache
def _library() -> Any:
    import highsbox  # noqa: PLC0415  (only planning needs the solver)

    folder = Path(str(highsbox.highs_lib_dir()))
    paths = sorted(folder.glob(_LIBRARY)) or sorted(folder.parent.glob(f"bin/{_LIBRARY}"))
    if not paths:
        raise SimplexError(f"highsbox has no library in {folder}")
    library = ctypes.CDLL(str(paths[0]))
    library.Highs_create.restype = ctypes.c_void_p
    library.Highs_getObjectiveValue.restype = ctypes.c_double
    return library
