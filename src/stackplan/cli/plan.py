"""``stackplan plan``: the best stack for a machine, with its proof."""

from pathlib import Path
from typing import Annotated

import typer

from stackplan.cli import world_options as options
from stackplan.cli.planning import tell_plan
from stackplan.cli.world import asked_from
from stackplan.errors import ExitCode


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
) -> ExitCode:
    """Find the best stack for a machine and say why; writes nothing else."""
    return tell_plan(asked_from(locals()), as_json=as_json, write_model=write_model)
