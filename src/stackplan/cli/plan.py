"""``stackplan plan``: the best stack for a machine, with its proof."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from stackplan.cli import world as options
from stackplan.cli.present import present, refuse
from stackplan.errors import ExitCode
from stackplan.pipeline import plan_world
from stackplan.plan import plan_to_json


def plan(
    profile: options.ProfileArgument = None,
    host: options.HostOption = None,
    stack: options.StackOption = None,
    catalog: options.CatalogOption = None,
    settings: options.SetOption = None,
    forbid: options.ForbidOption = None,
    policy: options.PolicyOption = None,
    headroom: options.HeadroomOption = None,
    vram: options.VramOption = None,
    ram: options.RamOption = None,
    commercial: options.CommercialOption = False,
    partial: options.PartialOption = False,
    idle: options.IdleOption = False,
    prove: options.ProveOption = False,
    no_measurements: options.NoMeasurementsOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    write_model: Annotated[Path | None, typer.Option(help="Write the problem as MPS for any other solver.")] = None,
) -> None:
    """Find the best stack for a machine and say why; writes nothing else."""
    started = time.monotonic()
    asked = options.asked_from(locals())
    planned = plan_world(options.read_world(asked))
    if write_model is not None:
        _write_model(write_model, planned.chosen.problem)
    if planned.plan is None:
        refuse(planned, as_json=as_json)
        raise typer.Exit(ExitCode.NO_PLAN)
    next_step = options.same_asked_of("apply", asked)
    typer.echo(plan_to_json(planned.plan), nl=False) if as_json else present(planned, next_step=next_step)
    print(f"planned in {time.monotonic() - started:.2f} s", file=sys.stderr)


def _write_model(path: Path, problem: object) -> None:
    from stackplan.deploy import write_file  # noqa: PLC0415
    from stackplan.problem import Problem  # noqa: PLC0415
    from stackplan.solve.lexicographic import write_model as mps  # noqa: PLC0415

    assert isinstance(problem, Problem)  # noqa: S101
    write_file(path, mps(problem))
