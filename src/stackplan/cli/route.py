"""``stackplan route``: where a task goes, and why."""

import json
from pathlib import Path
from typing import Annotated

import typer


def route(
    task: Annotated[
        str, typer.Option("--task", help="Kind of task: general, code, math, document, image ...")
    ] = "general",
    agents: Annotated[int, typer.Option("--agents", help="How many run at the same time.")] = 1,
    depth: Annotated[str, typer.Option("--depth", help="plain, stages (several important ones) or deep.")] = "plain",
    plan_file: Annotated[Path, typer.Option("--plan", help="A plan that `stackplan apply` saved.")] = Path(
        "deploy/plan.json"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which role answers a task, why, and what stands in when it cannot."""
    from stackplan.errors import UserError  # noqa: PLC0415
    from stackplan.render.routing import Depth, decide  # noqa: PLC0415
    from stackplan.render.routing_table import row  # noqa: PLC0415
    from stackplan.render.saved_plan import read_plan  # noqa: PLC0415

    if depth not in list(Depth):
        raise UserError(f"{depth!r} is no depth", hint=f"choose from {', '.join(Depth)}", slug="bad-depth")
    plan = read_plan(plan_file)
    decision = decide(plan, task, agents, Depth(depth))
    if as_json:
        typer.echo(json.dumps(row(decision), indent=2))
        return
    typer.echo(f"{decision.role}: {decision.because}")
    typer.echo(f"ask http://127.0.0.1:{plan.gateway_port}/v1 for model {decision.role}")
    if decision.queued:
        typer.echo(f"{decision.queued} of {agents} wait for a slot")
    for name in (*decision.fallback, *decision.remote):
        typer.echo(f"then {name}")
