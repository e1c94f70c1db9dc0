"""How a planned world is told on the terminal: the plan, or why there is none."""

import json
import os
import shutil
import sys

import typer

from stackplan.pipeline import Planned
from stackplan.problem import NoChoice


def present(planned: Planned, *, next_step: str | None = None) -> None:
    """Print the plan for people."""
    from stackplan.traded import traded_away  # noqa: PLC0415
    from stackplan.views.plan import plan_text  # noqa: PLC0415
    from stackplan.views.traded import traded_text  # noqa: PLC0415

    assert planned.plan is not None  # noqa: S101
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size((100, 24)).columns
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    typer.echo(plan_text(planned.plan, colour=colour, width=width, ascii_only=ascii_only, next_step=next_step))
    if traded := traded_text(traded_away(planned), colour=colour, width=width):
        typer.echo("\n" + traded)


def refuse(planned: Planned, *, as_json: bool) -> None:
    """Print why there is no plan: the conflict on stderr, or as JSON on stdout."""
    from stackplan.reasons import conflict_lines  # noqa: PLC0415

    answer = planned.chosen.answer
    assert isinstance(answer, NoChoice)  # noqa: S101
    if as_json:
        typer.echo(json.dumps({"no_plan": {"conflict": list(answer.conflict)}}, indent=2))
    for line in conflict_lines(answer.conflict, planned.frame.refusals):
        print(line, file=sys.stderr)
    print(
        "hint: lower a floor with --set, make a role optional with --set ROLE.required=false, or use --partial",
        file=sys.stderr,
    )
