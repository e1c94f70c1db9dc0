"""``stackplan explain``: why a role is served as it is, and what anything else would cost."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from stackplan.cli import world_options as options
from stackplan.cli.present import refuse
from stackplan.cli.world import asked_from, read_world
from stackplan.errors import ExitCode, UserError
from stackplan.pipeline import Planned, plan_world

if TYPE_CHECKING:
    from stackplan.counterfactual import Counterfactual
    from stackplan.explain import Rival
    from stackplan.needs import RoleNeed


def explain(
    role: Annotated[str, typer.Argument(help="A role of the stack, like worker.")],
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
    count: Annotated[int, typer.Option("--runners-up", min=0, max=50, help="How many other models to try.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the explanation as JSON.")] = False,
) -> None:
    """Show why a role is served as it is: its terms, the runners-up with their exact price, and what was refused."""
    from stackplan.cli.forked import started  # noqa: PLC0415
    from stackplan.explain import explanation, refused  # noqa: PLC0415
    from stackplan.views.explain import explanation_json, explanation_text  # noqa: PLC0415

    planned = plan_world(read_world(asked_from(locals())))
    need = _need(planned, role)
    if planned.plan is None:
        refuse(planned, as_json=as_json)
        raise typer.Exit(ExitCode.NO_PLAN)
    refusing = started(lambda: refused(planned, need))
    told = tuple(_told(planned, need, count))
    explained = explanation(planned, need, told, refusing())
    if as_json:
        typer.echo(json.dumps(explanation_json(explained), indent=2, ensure_ascii=False))
        return
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size((100, 24)).columns
    typer.echo(explanation_text(explained, planned.plan, colour=colour, width=width))


def _told(planned: Planned, need: "RoleNeed", count: int) -> "Iterator[tuple[Rival, Counterfactual]]":
    """Each rival with its counterfactual, announced on stderr since each takes as long as planning."""
    from stackplan.cli.forked import each  # noqa: PLC0415
    from stackplan.counterfactual import counterfactual  # noqa: PLC0415
    from stackplan.explain import rivals  # noqa: PLC0415

    found = rivals(planned, need, count)
    answers = each(lambda rival: counterfactual(planned, rival.force), found)
    for number, rival in enumerate(found, 1):
        print(f"choosing again {number}/{len(found)}: {rival.label}", file=sys.stderr)
        yield rival, next(answers)


def _need(planned: Planned, role: str) -> "RoleNeed":
    known = {need.id: need for need in planned.frame.needs}
    if role not in known:
        hint = f"roles of this stack: {', '.join(known)}"
        raise UserError(f"the stack has no role {role[:80]!r}", hint=hint, slug="unknown-role")
    return known[role]
