"""``stackplan apply``: plan, and write everything needed to run the stack."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackplan.cli import world_options as options
from stackplan.cli.present import present, present_plan, refuse
from stackplan.cli.world import Asked, asked_from, read_world, say_how_this_machine_differs
from stackplan.errors import ExitCode, UserError
from stackplan.pipeline import plan_world
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
    prove: options.ProveOption = False,
    no_measurements: options.NoMeasurementsOption = False,
    out: Annotated[Path, typer.Option("--out", help="The folder to write; replaced whole or not at all.")] = Path(
        "deploy"
    ),
    target: Annotated[str | None, typer.Option("--target", help="Targets by name, comma separated.")] = None,
    templates: Annotated[Path | None, typer.Option("--templates", help="A folder with your own targets.")] = None,
    lock: Annotated[
        Path | None, typer.Option("--lock", help="Write what this lock pins, byte for byte: nothing is planned.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Plan, and write everything needed to run the stack into one folder."""
    if lock is not None:
        _apply_lock(lock, asked_from(locals()), out, target, templates, as_json=as_json)
        return
    asked = asked_from(locals())
    planned = plan_world(read_world(asked))
    if planned.plan is None:
        refuse(planned, as_json=as_json)
        raise typer.Exit(ExitCode.NO_PLAN)
    count = _write(_lock(planned.plan, out), out, target, templates)
    typer.echo(plan_to_json(planned.plan), nl=False) if as_json else present(planned, next_step=_next(out))
    say_how_this_machine_differs(asked, planned.plan.host.machine)
    print(f"wrote {count} files to {out}", file=sys.stderr)


def _apply_lock(
    path: Path, asked: Asked, out: Path, target: str | None, templates: Path | None, *, as_json: bool
) -> None:
    """Write the folder of a lock. Neither catalog nor machine nor network is looked at."""
    from stackplan.cli.deployment import check_plan, lock_at  # noqa: PLC0415
    from stackplan.lock import LOCK_NAME  # noqa: PLC0415

    if asked != Asked():
        hint = "leave out what is planned with; only --out, --target and --templates go with --lock"
        raise UserError("a lock says itself what was planned", hint=hint, slug="bad-options")
    path = path / LOCK_NAME if path.is_dir() else path
    lock = lock_at(path)
    if lock is None:
        raise UserError(f"there is no lock at {path}", hint="run `stackplan lock`, or name its file", slug="no-lock")
    check_plan(lock.plan, lock.artifacts)
    count = _write(lock, out, target, templates)
    typer.echo(plan_to_json(lock.plan), nl=False) if as_json else present_plan(lock.plan, next_step=_next(out))
    print(f"wrote {count} files to {out}", file=sys.stderr)


def _write(lock: "Lock", out: Path, target: str | None, templates: Path | None) -> int:
    from stackplan.cli.deployment import chosen_targets  # noqa: PLC0415
    from stackplan.deploy import write_tree  # noqa: PLC0415
    from stackplan.lock import LOCK_NAME, lock_text  # noqa: PLC0415
    from stackplan.render import render_plan  # noqa: PLC0415
    from stackplan.render.user_targets import find_user_targets  # noqa: PLC0415

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
    where = "" if out == Path("deploy") else f" --plan {shlex.quote(str(out / 'plan.json'))}"
    return f"stackplan download --tier hot{where}"
