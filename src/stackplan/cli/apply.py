"""``stackplan apply``: plan, and write everything needed to run the stack."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackplan.cli import world as options
from stackplan.cli.present import present, refuse
from stackplan.errors import ExitCode, UserError
from stackplan.pipeline import Planned, plan_world
from stackplan.plan import Plan, plan_to_json

if TYPE_CHECKING:
    from stackplan.lock import Lock


def apply(
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
    no_measurements: options.NoMeasurementsOption = False,
    out: Annotated[Path, typer.Option("--out", help="The folder to write; replaced whole or not at all.")] = Path(
        "deploy"
    ),
    target: Annotated[str | None, typer.Option("--target", help="Targets by name, comma separated.")] = None,
    templates: Annotated[Path | None, typer.Option("--templates", help="A folder with your own targets.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Plan, and write everything needed to run the stack into one folder."""
    planned = plan_world(options.read_world(options.asked_from(locals())))
    if planned.plan is None:
        refuse(planned, as_json=as_json)
        raise typer.Exit(ExitCode.NO_PLAN)
    count = _write(planned, out, target, templates)
    typer.echo(plan_to_json(planned.plan), nl=False) if as_json else present(planned, next_step=_next(out))
    print(f"wrote {count} files to {out}", file=sys.stderr)


def _write(planned: Planned, out: Path, target: str | None, templates: Path | None) -> int:
    from stackplan.cli.deployment import chosen_targets  # noqa: PLC0415
    from stackplan.deploy import write_tree  # noqa: PLC0415
    from stackplan.lock import LOCK_NAME, lock_text  # noqa: PLC0415
    from stackplan.render import render_plan  # noqa: PLC0415
    from stackplan.render.user_targets import find_user_targets  # noqa: PLC0415

    assert planned.plan is not None  # noqa: S101
    lock = _lock(planned.plan, out)
    # What follows, download first, reads the plan from the folder.
    targets = tuple(dict.fromkeys(("plan", *chosen_targets(target, lock.plan))))
    files = {**render_plan(lock.plan, targets, find_user_targets(templates)), LOCK_NAME: lock_text(lock)}
    write_tree(out, files)
    return len(files)


def _lock(plan: Plan, out: Path) -> "Lock":
    """The plan's lock, with what the folder's old lock knows of the same artifacts."""
    from stackplan.cli.deployment import current_lock  # noqa: PLC0415
    from stackplan.lock import locked  # noqa: PLC0415

    if not out.is_dir():
        return locked(plan)
    try:
        return current_lock(plan, out)
    except UserError as error:  # what cannot be read pins nothing; the new lock replaces it
        print(f"note: {error.message}; it is written anew", file=sys.stderr)
        return locked(plan)


def _next(out: Path) -> str:
    where = "" if out == Path("deploy") else f" --plan {out / 'plan.json'}"
    return f"stackplan download --tier hot{where}"
