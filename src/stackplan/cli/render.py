"""``stackplan render``: write the files of a saved plan again, for any targets."""

import json
from pathlib import Path
from typing import Annotated

import typer


def render(
    plan_file: Annotated[Path, typer.Option("--plan", help="A plan that `stackplan apply` saved.")] = Path(
        "deploy/plan.json"
    ),
    target: Annotated[
        str | None, typer.Option("--target", help="Targets, separated by commas; default: those of the plan's host.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write, replaced whole; default: beside the plan.")
    ] = None,
    templates: Annotated[Path | None, typer.Option("--templates", help="A folder with your own targets.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print {path: text} instead of writing.")] = False,
    names: Annotated[bool, typer.Option("--list", help="List the targets and stop.")] = False,
) -> None:
    """Write files for a saved plan: compose, gateways, scripts, units.

    A lock beside the plan gives the names of its files. Without --out the targets are renewed in the plan's own folder
    and the rest of it stays. Your own targets are folders with a manifest.yaml and templates under
    ~/.config/stackplan/templates or --templates.
    """
    from stackplan.cli.deployment import chosen_targets, locked_plan  # noqa: PLC0415
    from stackplan.deploy import is_tree, read_tree, write_tree  # noqa: PLC0415
    from stackplan.render import render_plan, target_names  # noqa: PLC0415
    from stackplan.render.user_targets import find_user_targets  # noqa: PLC0415

    own = find_user_targets(templates)
    if names:
        typer.echo("\n".join([*target_names(), *sorted(own)]))
        return
    plan = locked_plan(plan_file)
    chosen = chosen_targets(target, plan)
    files = render_plan(plan, chosen, own)
    if as_json:
        typer.echo(json.dumps(files, indent=2, ensure_ascii=False))
        return
    folder = out or plan_file.parent
    kept = read_tree(folder) if out is None and is_tree(folder) else {}
    write_tree(folder, kept | files)
    for path in files:
        typer.echo(f"{folder / path}")
    typer.echo(f"{len(files)} files for {', '.join(chosen)}", err=True)
