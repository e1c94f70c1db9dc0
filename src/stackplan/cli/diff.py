"""``stackplan diff``: what differs between two saved plans or locks."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackplan.errors import ExitCode, UserError

if TYPE_CHECKING:
    from stackplan.plan import Plan

_FORMATS = ("text", "markdown", "json")


def diff(
    before: Annotated[Path, typer.Argument(help="A plan, a lock, or a folder that `stackplan apply` wrote.")],
    after: Annotated[Path, typer.Argument(help="The other one.")],
    form: Annotated[str, typer.Option("--format", help="text, markdown or json.")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Compare two plans: by role, instance and pool. Exit code 0 when they would run the same, 2 when not."""
    from stackplan.diff import difference  # noqa: PLC0415
    from stackplan.views.diff import difference_json, difference_markdown, difference_text  # noqa: PLC0415

    if form not in _FORMATS:
        hint = f"formats are {', '.join(_FORMATS)}"
        raise UserError(f"there is no format {form[:40]!r}", hint=hint, slug="bad-options")
    found = difference(read_any(before), read_any(after))
    if as_json or form == "json":
        typer.echo(json.dumps(difference_json(found), indent=2, ensure_ascii=False))
    elif form == "markdown":
        typer.echo(difference_markdown(found), nl=False)
    else:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        typer.echo(difference_text(found, colour=colour, width=shutil.get_terminal_size((100, 24)).columns))
    raise typer.Exit(ExitCode.DONE if found.is_empty else ExitCode.DIFFERS)


def read_any(path: Path) -> "Plan":
    """The plan that a file or folder holds: a lock is known by its name or its field ``plan_digest``.

    Raises UserError for anything else.
    """
    from stackplan.cli.deployment import saved_lock  # noqa: PLC0415
    from stackplan.lock import LOCK_NAME, read_lock  # noqa: PLC0415
    from stackplan.render.saved_plan import read_plan  # noqa: PLC0415

    if path.is_dir():
        lock = saved_lock(path)
        return lock.plan if lock else read_plan(path / "plan.json")
    if path.suffix == Path(LOCK_NAME).suffix or _says_lock(path):
        return read_lock(_text(path), str(path)).plan
    return read_plan(path)


def _says_lock(path: Path) -> bool:
    """Whether the first lines have a lock's own field; the whole is checked when it is read."""
    try:
        with path.open("rb") as stream:
            return b'"plan_digest"' in stream.read(4096)
    except OSError:
        return False


def _text(path: Path) -> str:
    hint = "name a plan.json, a stackplan.lock or the folder that holds them"
    try:
        if path.stat().st_size > 128 * 1024**2:
            raise UserError(f"{path} is larger than any lock", hint=hint, slug="lock-unreadable")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}", hint=hint, slug="lock-unreadable") from error
