"""``stackplan down``: stop what `up` started."""

import json
from pathlib import Path
from typing import Annotated

import typer


def down(
    role: Annotated[str | None, typer.Argument(help="Only what serves this role.")] = None,
    plan_file: Annotated[Path, typer.Option("--plan", help="A plan that `stackplan apply` saved.")] = Path(
        "deploy/plan.json"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Stop what `up` started, every process of it; weights, logs and files stay."""
    from stackplan.cli.deployment import deployed  # noqa: PLC0415
    from stackplan.running.lifecycle import down as stop  # noqa: PLC0415

    plan, site = deployed(plan_file, None)
    stopped = stop(plan, site, role)
    if as_json:
        typer.echo(json.dumps({"stopped": list(stopped)}, indent=2))
    else:
        typer.echo(f"stopped {', '.join(stopped)}" if stopped else "nothing ran")
