"""``stackplan route``: where a task goes, and why."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stackplan.render.routing import Decision


def route(
    task: Annotated[
        str, typer.Option("--task", help="Kind of task: general, code, math, document, image ...")
    ] = "general",
    agents: Annotated[int, typer.Option("--agents", help="How many run at the same time.")] = 1,
    depth: Annotated[str, typer.Option("--depth", help="plain, stages (several important ones) or deep.")] = "plain",
    service: Annotated[
        str | None, typer.Option("--service", help="Every step of a service: retrieval, deep-research ...")
    ] = None,
    plan_file: Annotated[Path, typer.Option("--plan", help="A plan that `stackplan apply` saved.")] = Path(
        "deploy/plan.json"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which role answers a task, why, and what stands in when it cannot; or all steps of a service."""
    from stackplan.errors import UserError  # noqa: PLC0415
    from stackplan.render import routing  # noqa: PLC0415
    from stackplan.render.routing_policy import Depth  # noqa: PLC0415
    from stackplan.render.routing_table import row  # noqa: PLC0415
    from stackplan.render.saved_plan import read_plan  # noqa: PLC0415

    if depth not in list(Depth):
        raise UserError(f"{depth!r} is no depth", hint=f"choose from {', '.join(Depth)}", slug="bad-depth")
    plan = read_plan(plan_file)
    if service is not None:
        steps = routing.service(plan, service)
        told = [f"{step.kind} -> {step.role}: {step.because}" for step in steps]
        typer.echo(json.dumps([row(step) for step in steps], indent=2) if as_json else "\n".join(told))
        return
    decision = routing.decide(plan, task, agents, Depth(depth))
    if as_json:
        typer.echo(json.dumps(row(decision), indent=2))
        return
    typer.echo("\n".join(_told(decision, plan.gateway_port)))


def _told(decision: "Decision", gateway_port: int) -> list[str]:
    waiting = [f"{decision.queued} of {decision.agents} wait for a slot"] if decision.queued else []
    return [
        f"{decision.role}: {decision.because}",
        f"ask http://127.0.0.1:{gateway_port}/v1 for model {decision.role}",
        *waiting,
        *(f"then {name}" for name in (*decision.fallback, *decision.remote)),
    ]
