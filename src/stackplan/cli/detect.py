"""``stackplan detect``: this machine, or a recording of one, as planning sees it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from stackplan.cli.terminal import terminal_is_ascii
from stackplan.errors import UserError
from stackplan.hardware import Host


def detect(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; `stackplan schema detect` has its schema.")
    ] = False,
    record: Annotated[
        Path | None, typer.Option("--record", help="Write what was read to this tar.gz, without names or serials.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option("--replay", help="Read a recorded machine instead of this one.")
    ] = None,
    idle: Annotated[bool, typer.Option("--idle", help="Show it as if no other program held memory.")] = False,
    measure_bandwidth: Annotated[
        bool, typer.Option("--measure-bandwidth", help="Measure the memory bandwidth (about 1 s) and keep it.")
    ] = False,
) -> None:
    """Show this machine as planning sees it: devices, memory pools and what is held by whom."""
    if replay is not None and (record is not None or measure_bandwidth):
        raise UserError(
            "--replay shows another machine",
            hint="leave out --record and --measure-bandwidth",
            slug="bad-options",
        )
    if measure_bandwidth:
        _measure()
    host = _recorded(record) if record else _replayed(replay) if replay else _detected()
    typer.echo(_shown(_idle(host) if idle else host, as_json))


def _idle(host: Host) -> Host:
    from stackplan.idle_host import idle_host  # noqa: PLC0415

    return idle_host(host)


def _shown(host: Host, as_json: bool) -> str:
    if as_json:
        from stackplan.host_json import host_to_json  # noqa: PLC0415

        return json.dumps(host_to_json(host), indent=2, ensure_ascii=False)
    from stackplan.views.host import host_text  # noqa: PLC0415

    return host_text(host, ascii_only=terminal_is_ascii())


def _detected() -> Host:
    from stackplan.detect import detect_host  # noqa: PLC0415

    return detect_host()


def _replayed(path: Path) -> Host:
    from stackplan.detect import replay_host  # noqa: PLC0415

    return replay_host(path)


def _recorded(path: Path) -> Host:
    from stackplan.detect import record_host  # noqa: PLC0415

    host, archive = record_host()
    try:
        path.write_bytes(archive)
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}", hint="name a file in a folder that you may write", slug="unwritable-file"
        ) from error
    typer.echo(f"wrote {path}: {len(archive)} bytes; look inside before you share it", err=True)
    return host


def _measure() -> None:
    from stackplan.detect import measure_and_keep_bandwidth  # noqa: PLC0415

    rate = measure_and_keep_bandwidth()
    typer.echo(f"memory bandwidth: {rate / 10**9:.1f} GB/s, kept", err=True)
