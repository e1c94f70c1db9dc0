"""``stackplan download``: fetch the weights of a planned stack."""

import json
from pathlib import Path
from typing import Annotated

import typer

from stackplan.errors import UserError


def download(
    role: Annotated[str | None, typer.Argument(help="Only what this role needs.")] = None,
    tier: Annotated[str, typer.Option("--tier", help="hot, warm, cold or all; HOT always comes first.")] = "all",
    plan_file: Annotated[Path, typer.Option("--plan", help="A plan that `stackplan apply` saved.")] = Path(
        "deploy/plan.json"
    ),
    models: Annotated[Path | None, typer.Option("--models", help="Folder that engines read weights from.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be fetched; asks no server.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fetch the weights of a planned stack, HOT first; run it again to continue where it stopped.

    Honours HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, STACKPLAN_MODELS, OLLAMA_SCHEME_HOST.
    """
    from stackplan.cli.deployment import check_plan, current_lock, ollama_folder, ollama_pulls, places  # noqa: PLC0415
    from stackplan.download.preview import disk_budgets, preview  # noqa: PLC0415
    from stackplan.download.wanted import wanted  # noqa: PLC0415
    from stackplan.render.saved_plan import read_plan  # noqa: PLC0415
    from stackplan.views.download import preview_data, preview_text  # noqa: PLC0415

    plan = read_plan(plan_file)
    lock = current_lock(plan, plan_file.parent)
    check_plan(plan, lock.artifacts)
    items = wanted(plan, tier.lower(), role, ollama_pulls(plan))
    there = places(models)
    previews = preview(lock, items, there)
    disks = disk_budgets(previews, there, ollama_folder())
    if dry_run:
        shown = preview_data(previews, disks)
        typer.echo(json.dumps(shown, indent=2) if as_json else preview_text(previews, disks))
        return
    raise UserError("only --dry-run is known so far", hint="add --dry-run", slug="not-yet")
