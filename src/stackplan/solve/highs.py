"""HiGHS as a child process: 3 ms to start, no numpy, and it can be killed at a deadline (docs/adr/0003)."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from stackplan.solve.rows import Programme, mps_text

SOLVER = "HiGHS (highsbox)"
_OPTIONS = (
    "threads = 1",
    "parallel = off",
    "random_seed = 0",
    "mip_abs_gap = 1e-7",
    # Measured on plans (2026-11): restarts and heuristics cost 2-4x where a start is given.
    "mip_allow_restart = off",
    "mip_heuristic_effort = 0.01",
    "mip_heuristic_run_feasibility_jump = false",
    "mip_pscost_minreliable = 1",
    "output_flag = true",
    "log_to_console = true",
)
_GRACE_SECONDS = 5.0


class Termination(StrEnum):
    """How a solve ended; the only words that the rest of stackplan sees."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """Values by column (only those above 1/2 for binaries are set to 1), the objective and its proved bound."""

    termination: Termination
    values: dict[str, float]
    objective: float
    bound: float


@dataclass(frozen=True, slots=True)
class Prices:
    """The linear relaxation's optimum: its objective and the dual value of every row, by the row's name."""

    objective: float
    rows: dict[str, float]


class SolverError(RuntimeError):
    """HiGHS itself failed: a bug, not a property of the problem."""


def minimise(
    programme: Programme,
    *,
    seconds: float,
    start: Mapping[str, float] | None = None,
    gap: float = 0.0,
    nodes: int = 2_000_000_000,
) -> Answer:
    """Minimise the programme within ``seconds``; ``start`` is a feasible point to begin from.

    An answer within the relative ``gap`` of the best counts as optimal; 0 asks for the best. ``nodes`` bounds the
    work in a way that does not depend on how fast the machine is.
    """
    if not programme.columns:
        return _nothing_to_choose(programme)
    with tempfile.TemporaryDirectory(prefix="stackplan-") as name:
        folder = Path(name)
        (folder / "model.mps").write_text(mps_text(programme), encoding="ascii")
        options = "\n".join(
            [*_OPTIONS, f"time_limit = {seconds:.3f}", f"mip_rel_gap = {gap!r}", f"mip_max_nodes = {nodes}", ""]
        )
        (folder / "options").write_text(options, encoding="ascii")
        arguments = [] if start is None else ["--read_solution_file", _write_start(folder, programme, start)]
        log = _run(folder, arguments, seconds)
        return _read(folder, programme, log)


def _nothing_to_choose(programme: Programme) -> Answer:
    """A programme without columns: every row must hold with nothing in it."""
    holds = {"L": lambda right: right >= 0, "G": lambda right: right <= 0, "E": lambda right: right == 0}
    if all(holds[sense](right) for _, sense, right in programme.rows):
        return Answer(Termination.OPTIMAL, {}, 0.0, 0.0)
    return Answer(Termination.INFEASIBLE, {}, 0.0, 0.0)


def relax(programme: Programme, *, seconds: float) -> Prices | None:
    """The linear relaxation's minimum and duals; None when it has none or time ran out."""
    if not programme.columns:
        return None
    relaxed = replace(programme, integer=set())
    with tempfile.TemporaryDirectory(prefix="stackplan-") as name:
        folder = Path(name)
        (folder / "model.mps").write_text(mps_text(relaxed), encoding="ascii")
        (folder / "options").write_text("\n".join([*_OPTIONS, f"time_limit = {seconds:.3f}", ""]), encoding="ascii")
        _run(folder, [], seconds)
        path = folder / "solution"
        lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    if _model_status(lines) != "Optimal":
        return None
    values = _primal(lines, relaxed)
    return None if values is None else Prices(_objective(relaxed, values), _row_duals(lines, relaxed))


def _row_duals(lines: list[str], programme: Programme) -> dict[str, float]:
    section = lines.index("# Dual solution values")
    begin = next(i for i in range(section, len(lines)) if lines[i].startswith("# Rows")) + 1
    duals = (float(line.split()[1]) for line in lines[begin : begin + len(programme.rows)])
    return {name: dual for (name, _, _), dual in zip(programme.rows, duals, strict=True)}


def _run(folder: Path, arguments: list[str], seconds: float) -> str:
    import highsbox  # noqa: PLC0415  (only planning needs the solver)

    environment = {**os.environ, "LD_LIBRARY_PATH": str(highsbox.highs_lib_dir())}
    command = [str(highsbox.highs_bin_path()), "--options_file", "options", "--solution_file", "solution", *arguments]
    try:
        done = subprocess.run(
            [*command, "model.mps"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds + _GRACE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def _write_start(folder: Path, programme: Programme, start: Mapping[str, float]) -> str:
    lines = [
        "Model status",
        "Unknown",
        "",
        "# Primal solution values",
        "Feasible",
        "Objective 0",
        f"# Columns {len(programme.columns)}",
    ]
    integer_first = [*_ordered(programme)]
    lines += [f"c{programme.columns[column]} {start.get(column, 0.0)!r}" for column in integer_first]
    (folder / "start").write_text("\n".join([*lines, f"# Rows {0}", ""]), encoding="ascii")
    return "start"


def _ordered(programme: Programme) -> list[str]:
    binaries = [column for column in programme.columns if column in programme.integer]
    return binaries + [column for column in programme.columns if column not in programme.integer]


def _read(folder: Path, programme: Programme, log: str) -> Answer:
    path = folder / "solution"
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    status = _model_status(lines)
    if status == "Infeasible":
        return Answer(Termination.INFEASIBLE, {}, 0.0, 0.0)
    values = _primal(lines, programme)
    if status == "Optimal" and values is not None:
        objective = _objective(programme, values)
        return Answer(Termination.OPTIMAL, values, objective, objective)
    if values is not None:
        return Answer(Termination.FEASIBLE, values, _objective(programme, values), _dual_bound(log))
    if status in {"Time limit reached", ""}:
        return Answer(Termination.UNKNOWN, {}, 0.0, _dual_bound(log))
    raise SolverError(f"HiGHS ended with {status!r}: {log[-400:]}")


def _model_status(lines: list[str]) -> str:
    for position, line in enumerate(lines):
        if line.strip() == "Model status" and position + 1 < len(lines):
            return lines[position + 1].strip()
    return ""


def _primal(lines: list[str], programme: Programme) -> dict[str, float] | None:
    try:
        begin = lines.index("# Primal solution values")
    except ValueError:
        return None
    if lines[begin + 1].strip() != "Feasible":
        return None
    names = list(programme.columns)
    values: dict[str, float] = {}
    for line in lines[begin + 4 : begin + 4 + len(names)]:
        short, _, value = line.partition(" ")
        column = names[int(short[1:])]
        number = float(value)
        values[column] = float(round(number)) if column in programme.integer else number
    return values


def _objective(programme: Programme, values: dict[str, float]) -> float:
    return sum(cost * values[column] for column, cost in programme.cost.items())


def _dual_bound(log: str) -> float:
    for line in log.splitlines():
        if line.strip().startswith("Dual bound"):
            try:
                return float(line.split()[2])
            except (IndexError, ValueError):
                break
    return float("-inf")
