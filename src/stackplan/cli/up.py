"""``stackplan up``: start the planned servers and wait until they answer."""

import json
from pathlib import Path
from typing import Annotated

import typer


def up(
    role: Annotated[str | None, typer.Argument(help="Only what serves this role, and the gateway.")] = None,
    tier: Annotated[
        str | None, typer.Option("--tier", help="hot (default); warm: HOT and WARM; cold: needs a role.")
    ] = None,
    plan_file: Annotated[Path, typer.Option("--plan", help="A plan that `stackplan apply` saved.")] = Path(
        "deploy/plan.json"
    ),
    how: Annotated[
        str, typer.Option("--with", help="auto, native, compose; or systemd, launchd, supervisord by name.")
    ] = "auto",
    models: Annotated[Path | None, typer.Option("--models", help="Folder that engines read weights from.")] = None,
    seconds: Annotated[
        int | None, typer.Option("--timeout", min=1, help="Seconds to wait; default: by planned load times.")
    ] = None,
    no_gateway: Annotated[bool, typer.Option("--no-gateway", help="Leave the LiteLLM gateway out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Start the planned servers under a kept supervisor and wait until they answer.

    A program that crashes is started again, within bounds (docs/running.md). Keys come from the environment,
    ~/.config/stackplan/gateway.env or .env beside the plan. LLAMA_SERVER, LITELLM and the like name programs.
    """
    from stackplan.bundled import config_folder  # noqa: PLC0415
    from stackplan.cli.deployment import deployed  # noqa: PLC0415
    from stackplan.cli.fetching import say  # noqa: PLC0415
    from stackplan.running.lifecycle import Wish  # noqa: PLC0415
    from stackplan.running.lifecycle import up as start  # noqa: PLC0415
    from stackplan.views.running import started_data, started_text  # noqa: PLC0415

    plan, site = deployed(plan_file, models)
    wish = Wish(tier.lower() if tier else None, role, how, not no_gateway, seconds)
    started = start(plan, site, wish, config_folder(), say)
    typer.echo(json.dumps(started_data(started), indent=2) if as_json else started_text(started))
