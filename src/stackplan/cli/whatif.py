"""``stackplan whatif``: the plan of another machine or request, beside the present one."""

import json
import os
import shutil
import sys
from typing import Annotated

import typer

from stackplan.cli import world_options as options
from stackplan.cli.forked import started
from stackplan.cli.present import refuse
from stackplan.cli.world import Asked, asked_from, read_world, with_pool_size
from stackplan.errors import ExitCode, UserError
from stackplan.hardware import Host
from stackplan.pipeline import Planned, World, plan_world
from stackplan.plan import Plan
from stackplan.values import replace
from stackplan.whatif import MOST_STEPS, Step, Tried, upgrade_steps, upgrades, with_gpus, without_role

AddOption = Annotated[
    list[str] | None, typer.Option("--add-gpu", help="A card to add, like rtx-3090 or '2x rtx-3090'.")
]
VramOption = Annotated[list[str] | None, typer.Option("--vram", help="POOL=SIZE: another size, like gpu0=32GiB.")]
RamOption = Annotated[str | None, typer.Option("--ram", help="Another size of host memory, like 128GiB.")]
WithoutOption = Annotated[list[str] | None, typer.Option("--without", help="A role not to ask for.")]
UpgradeOption = Annotated[bool, typer.Option("--upgrade", help="Search the cheapest card that improves the stack.")]
StepsOption = Annotated[int, typer.Option("--steps", min=1, max=50, help="Cards that --upgrade tries at most.")]


def whatif(
    profile: options.ProfileArgument = None,
    host: options.HostOption = None,
    stack: options.StackOption = None,
    catalog: options.CatalogOption = None,
    settings: options.SetOption = None,
    forbid: options.ForbidOption = None,
    policy: options.PolicyOption = None,
    headroom: options.HeadroomOption = None,
    commercial: options.CommercialOption = False,
    partial: options.PartialOption = False,
    idle: options.IdleOption = False,
    prove: options.ProveOption = False,
    no_measurements: options.NoMeasurementsOption = False,
    vram: VramOption = None,
    ram: RamOption = None,
    add_gpu: AddOption = None,
    without: WithoutOption = None,
    upgrade: UpgradeOption = False,
    steps: StepsOption = MOST_STEPS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the difference as JSON.")] = False,
) -> None:
    """Plan again with other hardware or without a role, and show what changes."""
    asked = asked_from({**locals(), "vram": None, "ram": None})
    if not (vram or ram or add_gpu or without or upgrade):
        hint = "say --add-gpu, --vram, --ram, --without or --upgrade"
        raise UserError("nothing is to be changed", hint=hint, slug="bad-options")
    before = read_world(asked)
    after = _changed(before, asked, vram, ram, add_gpu, without)
    if upgrade:
        _search(after, plan_world(after).plan, steps, as_json=as_json)
        return
    present = started(lambda: plan_world(before).plan)
    planned = plan_world(after)
    _compare(present(), planned, as_json=as_json)


def _changed(
    before: World,
    asked: Asked,
    vram: list[str] | None,
    ram: str | None,
    add_gpu: list[str] | None,
    without: list[str] | None,
) -> World:
    """The world with every change; ``--ram`` of a machine that is not declared only sets the pool's size."""
    world = before
    if ram and asked.profile is not None:
        world = read_world(replace(asked, ram=ram))
    vram = [*(vram or []), *([f"{before.host.host_pool.id}={ram}"] if ram and asked.profile is None else [])]
    host = world.host
    for card in add_gpu or []:
        host = with_gpus(host, _card(card))
    for text in vram:
        host = with_pool_size(host, text)
    stack = world.request.stack
    for role in without or []:
        stack = without_role(stack, role)
    return replace(world, host=host, request=replace(world.request, stack=stack))


def _card(name: str) -> Host:
    from stackplan.device_catalog_yaml import load_device_catalog  # noqa: PLC0415
    from stackplan.device_profile import device_profile_host  # noqa: PLC0415

    host = device_profile_host(name[:120])
    if host is None or not host.gpus:
        near = ", ".join(load_device_catalog().nearest(name[:120])) or "see `stackplan profiles list`"
        raise UserError(f"no card is called {name[:80]!r}", hint=f"cards like it: {near}", slug="unknown-device")
    return host


def _compare(before: Plan | None, after: Planned, *, as_json: bool) -> None:
    """The new plan beside the present one. A plan where there was none is shown whole."""
    from stackplan.cli.present import present as show  # noqa: PLC0415
    from stackplan.diff import difference  # noqa: PLC0415
    from stackplan.views.diff import difference_json, difference_text  # noqa: PLC0415

    if after.plan is None:
        refuse(after, as_json=as_json)
        raise typer.Exit(ExitCode.NO_PLAN)
    if before is None:
        print("there is no plan at present; with the change there is:", file=sys.stderr)
        typer.echo(json.dumps({"differs": True, "before": None}, indent=2)) if as_json else show(after)
        return
    found = difference(before, after.plan)
    if as_json:
        typer.echo(json.dumps(difference_json(found), indent=2, ensure_ascii=False))
    else:
        typer.echo(difference_text(found, colour=_colour(), width=shutil.get_terminal_size((100, 24)).columns))


def _search(world: World, present: Plan | None, most: int, *, as_json: bool) -> None:
    from stackplan.device_catalog_yaml import load_device_catalog  # noqa: PLC0415
    from stackplan.diff import difference  # noqa: PLC0415
    from stackplan.views.diff import difference_json, difference_text  # noqa: PLC0415
    from stackplan.views.whatif import is_better, upgrades_json, upgrades_text  # noqa: PLC0415

    steps = upgrade_steps(world.host, load_device_catalog().devices)
    tried = list(_announced(world, present, steps, most))
    found = next((one for one in tried if is_better(one)), None)
    change = difference(present, found.plan) if present and found and found.plan else None
    if as_json:
        values = {"tried": upgrades_json(tried), "difference": difference_json(change) if change else None}
        typer.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    typer.echo(upgrades_text(tried, colour=_colour()))
    if change:
        width = shutil.get_terminal_size((100, 24)).columns
        typer.echo("\n" + difference_text(change, colour=_colour(), width=width))


def _announced(world: World, present: Plan | None, steps: tuple[Step, ...], most: int) -> list[Tried]:
    def planned(changed: World) -> Plan | None:
        print(f"planning {changed.host.name}", file=sys.stderr)
        return plan_world(changed).plan

    return list(upgrades(world, present, steps, _card, planned, most))


def _colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
