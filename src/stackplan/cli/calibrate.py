"""``stackplan calibrate``: measurements kept, so that later plans rest on them."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackplan.cli import measuring
from stackplan.cli.kept import store
from stackplan.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from stackplan.measurement import Measurement
    from stackplan.measurement_lines import BadLine

app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)

_MOST_TOLD = 20
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def calibrate(
    context: typer.Context,
    role: Annotated[str | None, typer.Option("--role", help="Only what serves this role.")] = None,
    plan_file: measuring.PlanOption = measuring.SAVED_PLAN,
    host: measuring.HostOption = None,
    repeats: measuring.RepeatsOption = 5,
    seconds: measuring.SecondsOption = 60,
    reload: measuring.ReloadOption = False,
    as_json: AsJson = False,
) -> None:
    """Measure the running stack as `stackplan bench` does, and keep it: later plans use what was measured.

    Kept in $STACKPLAN_STATE, else $XDG_STATE_HOME/stackplan, on this machine only.
    """
    if context.invoked_subcommand is not None:
        return
    from stackplan.bench.run import Effort  # noqa: PLC0415
    from stackplan.cli.fetching import say  # noqa: PLC0415
    from stackplan.render.saved_plan import read_plan  # noqa: PLC0415
    from stackplan.views.bench import bench_data, bench_text  # noqa: PLC0415

    plan, kept = read_plan(plan_file), store()
    kept.all()  # what cannot be read is told before minutes are spent
    machine = measuring.this_host(host)
    rows = measuring.measure(plan, role, Effort(repeats, seconds, reload))
    new = kept.keep(measuring.measurements(rows, machine))
    typer.echo(json.dumps(bench_data(plan, rows), indent=2) if as_json else bench_text(plan, rows))
    say(f"{new} measurements kept in {kept.path}; `stackplan plan` uses them")


@app.command("list")
def list_kept(as_json: AsJson = False) -> None:
    """List what is kept, the newest first."""
    from stackplan.views.calibration import kept_data, kept_text  # noqa: PLC0415

    kept = store().all()
    typer.echo(json.dumps(kept_data(kept), indent=2) if as_json else kept_text(kept))


@app.command("export")
def export(
    artifact: Annotated[str | None, typer.Option("--artifact", help="Only of this artifact.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same: lines are JSON.")] = False,  # noqa: ARG001
) -> None:
    """Print what is kept as JSON Lines (`stackplan schema measurement`), to share it or keep it elsewhere."""
    from stackplan.measurement_lines import lines_of  # noqa: PLC0415

    kept = (one.measurement for one in store().all())
    typer.echo(lines_of(one for one in kept if artifact in (None, one.artifact)), nl=False)


@app.command("import")
def import_lines(
    file: Annotated[Path, typer.Argument(help="JSON Lines that `calibrate export` printed; - for stdin.")],
    as_json: AsJson = False,
) -> None:
    """Keep measurements from a file. A line that is none is refused by its number; the others are kept; then exit 1."""
    from stackplan.cli.fetching import say  # noqa: PLC0415

    good, bad = _read(file)
    kept = store()
    new = kept.keep(good, imported=True)
    refused = [{"line": one.number, "reason": one.reason} for one in bad]
    for one in bad[:_MOST_TOLD]:
        say(f"{file}, line {one.number}: {one.reason}")
    if len(bad) > _MOST_TOLD:
        say(f"and {len(bad) - _MOST_TOLD} lines more; --json lists them all")
    if as_json:
        typer.echo(json.dumps({"read": len(good), "new": new, "refused": refused}, indent=2))
    else:
        typer.echo(f"{len(good)} measurements read, {new} new, {len(bad)} lines refused")
    if bad:
        raise typer.Exit(ExitCode.ERROR)


@app.command("forget")
def forget(
    digests: Annotated[list[str] | None, typer.Argument(help="Measurements by the names that `list` shows.")] = None,
    artifact: Annotated[str | None, typer.Option("--artifact", help="Everything of this artifact.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget measurements."""
    kept = store()
    known = {one.measurement.digest: one.measurement for one in kept.all()}
    if not (digests or artifact or everything):
        hint = "name measurements (`stackplan calibrate list`), --artifact ID or --all"
        raise UserError("nothing is named", hint=hint, slug="bad-options")
    if missing := [digest for digest in digests or () if digest not in known]:
        hint = "see: stackplan calibrate list"
        raise UserError(f"there is no measurement {missing[0][:40]!r}", hint=hint, slug="unknown-measurement")
    chosen = {name for name, one in known.items() if everything or one.artifact == artifact} | set(digests or ())
    count = kept.forget(chosen)
    typer.echo(json.dumps({"forgotten": count}) if as_json else f"{count} measurements forgotten")


def _lines(stream: "BinaryIO", longest: int) -> "Iterator[bytes]":
    """The lines of a stream, each cut to ``longest`` bytes."""
    while line := stream.readline(longest):
        yield line
        while line and not line.endswith(b"\n"):
            line = stream.readline(longest)


def _read(file: Path) -> "tuple[list[Measurement], list[BadLine]]":
    """The measurements and the bad lines of a file; reading stops at a line or a file beyond all measure."""
    from stackplan.measurement_lines import LONGEST_LINE, BadLine, read_lines  # noqa: PLC0415

    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
            found = list(read_lines(_lines(stream, LONGEST_LINE + 2)))
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "name a file that `stackplan calibrate export` wrote"
        raise UserError(f"{file} cannot be read: {reason}", hint=hint, slug="measurements-unreadable") from error
    return [one for one in found if not isinstance(one, BadLine)], [one for one in found if isinstance(one, BadLine)]
