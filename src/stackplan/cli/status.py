"""``stackplan status``: what runs, what it holds and where it listens."""

import json
from pathlib import Path
from typing import Annotated

import typer

from stackplan.errors import ExitCode


def status(
    plan_file: Annotated[Path, typer.Option("--plan", help="A plan that `stackplan apply` saved.")] = Path(
        "deploy/plan.json"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what runs, what it holds beside the plan, and where it listens.

    Exit code 2 when something that should run does not answer: HOT servers, and whatever `up` was asked for.
    """
    from stackplan.cli.deployment import deployed  # noqa: PLC0415
    from stackplan.running.status import look  # noqa: PLC0415
    from stackplan.verify.device_memory import device_memory  # noqa: PLC0415
    from stackplan.views.running import status_data, status_text  # noqa: PLC0415

    plan, site = deployed(plan_file, None)
    report = look(plan, site, device_memory(plan))
    typer.echo(json.dumps(status_data(report), indent=2) if as_json else status_text(report))
    if any(row.is_missing for row in report.rows):
        raise typer.Exit(ExitCode.DIFFERS)
