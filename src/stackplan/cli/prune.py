"""``stackplan prune``: what no lock needs any more."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stackplan.lock import Lock


def prune(
    plan_file: Annotated[Path, typer.Option("--plan", help="A plan whose lock is needed, beside all noted ones.")] = (
        Path("deploy/plan.json")
    ),
    models: Annotated[Path | None, typer.Option("--models", help="Folder that engines read weights from.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete what is listed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the downloaded files that no lock needs; delete them only with --yes.

    Every download notes its lock in the models folder. Files that stackplan did not put there are never touched.
    """
    from stackplan.cli.deployment import places  # noqa: PLC0415
    from stackplan.cli.fetching import say  # noqa: PLC0415
    from stackplan.download.prune import remove, unneeded  # noqa: PLC0415
    from stackplan.download.uses import known_uses  # noqa: PLC0415
    from stackplan.views.prune import prune_data, prune_text  # noqa: PLC0415

    there = places(models)
    folders = sorted({path.parent for path in known_uses(there)} | {plan_file.parent.absolute()})
    entries = unneeded(there, _locks(folders))
    typer.echo(json.dumps(prune_data(entries, deleted=yes), indent=2) if as_json else prune_text(entries, deleted=yes))
    if yes:
        say(f"{remove(there, entries)} files deleted")
    elif entries:
        say("nothing was deleted; delete with --yes")


def _locks(folders: "list[Path]") -> "list[Lock]":
    from stackplan.cli.deployment import saved_lock  # noqa: PLC0415
    from stackplan.cli.fetching import say  # noqa: PLC0415

    found = []
    for folder in folders:
        lock = saved_lock(folder)
        if lock is None:
            say(f"no lock in {folder} any more: what only it needed is listed")
        else:
            found.append(lock)
    return found
