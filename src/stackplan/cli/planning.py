"""What ``stackplan plan`` does once its words are read; imports no typer (`plain_words` says why)."""

import sys
import time
from pathlib import Path

from stackplan.cli.present import present, refuse
from stackplan.cli.terminal import tell
from stackplan.cli.world import Asked, read_world, same_asked_of
from stackplan.errors import ExitCode
from stackplan.pipeline import plan_world
from stackplan.plan import plan_to_json


def tell_plan(asked: Asked, *, as_json: bool, write_model: Path | None = None) -> ExitCode:
    """Plan, and print the plan or why there is none. Raises UserError."""
    started = time.monotonic()
    planned = plan_world(read_world(asked))
    if write_model is not None:
        _write_model(write_model, planned.chosen.problem)
    if planned.plan is None:
        refuse(planned, as_json=as_json)
        return ExitCode.NO_PLAN
    next_step = same_asked_of("apply", asked)
    tell(plan_to_json(planned.plan), end="") if as_json else present(planned, next_step=next_step)
    print(f"planned in {time.monotonic() - started:.2f} s", file=sys.stderr)
    if planned.plan.proof.gap and not asked.prove:
        print("--prove searches two minutes or so for a better plan, or the proof that there is none", file=sys.stderr)
    return ExitCode.DONE


def _write_model(path: Path, problem: object) -> None:
    from stackplan.deploy import write_file  # noqa: PLC0415
    from stackplan.problem import Problem  # noqa: PLC0415
    from stackplan.solve.lexicographic import write_model as mps  # noqa: PLC0415

    assert isinstance(problem, Problem)  # noqa: S101
    write_file(path, mps(problem))
