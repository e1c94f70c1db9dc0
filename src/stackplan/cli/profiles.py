"""``stackplan profiles``: named machines with a stack and a policy."""

import json
from typing import Annotated

import typer

from stackplan.cli.terminal import terminal_is_ascii
from stackplan.errors import UserError
from stackplan.units import parse_bytes

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ram = Annotated[str | None, typer.Option("--ram", help="Host memory in place of the profile's, like 64GiB.")]


@app.command("list")
def list_profiles(
    as_json: AsJson = False,
    devices: Annotated[bool, typer.Option("--devices", help="The hardware catalog: each device is a profile.")] = False,
) -> None:
    """List the profiles; with --devices, every device that can be named in place of one."""
    from stackplan.profile import profile_files, read_profile  # noqa: PLC0415
    from stackplan.views.profiles import devices_text, profiles_data, profiles_text  # noqa: PLC0415

    if devices:
        from stackplan.device_catalog_yaml import load_device_catalog  # noqa: PLC0415

        facts = load_device_catalog().devices
        typer.echo(json.dumps([one.id for one in facts], indent=2) if as_json else devices_text(facts))
        return
    profiles = [read_profile(path) for path in profile_files().values()]
    typer.echo(json.dumps(profiles_data(profiles), indent=2) if as_json else profiles_text(profiles))


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A profile, a file, or devices like '2x rtx-3090'.")],
    ram: Ram = None,
    as_json: AsJson = False,
) -> None:
    """Show a profile: its host with every line of the budget, its stack and policy."""
    from stackplan.profile import load_profile  # noqa: PLC0415
    from stackplan.views.profiles import profile_data, profile_text  # noqa: PLC0415

    profile = load_profile(name, ram_bytes=ram_bytes(ram))
    shown = (
        json.dumps(profile_data(profile), indent=2)
        if as_json
        else profile_text(profile, ascii_only=terminal_is_ascii())
    )
    typer.echo(shown)


@app.command("validate")
def validate(
    names: Annotated[list[str] | None, typer.Argument(help="Profiles or files; all when none is named.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check profiles; the first mistake names file, line and field."""
    from stackplan.profile import load_profile, profile_files, require_stack  # noqa: PLC0415

    wanted = names or list(profile_files())
    for name in wanted:
        require_stack(load_profile(name))
    typer.echo(json.dumps({"valid": wanted}) if as_json else f"{len(wanted)} profiles are sound")


@app.command("save")
def save(
    name: Annotated[str, typer.Argument(help="What to call this machine: letters, digits, '-', '.', '_'.")],
    stack: Annotated[str, typer.Option("--stack", help="The stack that it serves.")] = "everyday",
    idle: Annotated[bool, typer.Option("--idle", help="Leave out what programs hold now.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a profile of that name.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: name and file.")] = False,
) -> None:
    """Save this machine as a profile in your own folder."""
    from stackplan.detect import detect_host  # noqa: PLC0415
    from stackplan.idle_host import idle_host  # noqa: PLC0415
    from stackplan.profile import save_profile  # noqa: PLC0415

    host = idle_host(detect_host()) if idle else detect_host()
    path = save_profile(name, host, stack=stack, replace=force)
    typer.echo(f"saved {path}; plan for it with `stackplan plan {name}`", err=True)
    typer.echo(json.dumps({"name": name, "file": str(path)}) if as_json else str(path))


def ram_bytes(text: str | None) -> int | None:
    """The size that ``--ram`` gives; a `UserError` when it is none."""
    if text is None:
        return None
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise UserError(str(error), hint="write it like --ram 64GiB", slug="bad-size") from error
