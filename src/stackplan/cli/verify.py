"""``stackplan verify``: the living stack beside its plan."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackplan.errors import ExitCode, UserError

if TYPE_CHECKING:
    from stackplan.plan import Plan
    from stackplan.render.servers import Server
    from stackplan.running.site import Site
    from stackplan.verify.observation import MemorySeen, ServerSeen
    from stackplan.verify.run import Door, Means

_TIERS = {"hot": {"hot"}, "warm": {"hot", "warm"}, "all": {"hot", "warm", "cold"}}


def verify(
    saved: Annotated[
        Path, typer.Option("--plan", "--out", help="A plan that `stackplan apply` saved, or its folder.")
    ] = Path("deploy/plan.json"),
    tier: Annotated[
        str | None, typer.Option("--tier", help="What must run: hot, warm (and hot), all; default: what `up` started.")
    ] = None,
    exercise: Annotated[
        bool, typer.Option("--exercise", help="Load what is loaded on demand, then ask the HOT models again.")
    ] = False,
    no_gateway: Annotated[bool, typer.Option("--no-gateway", help="Leave the gateway out.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 2 also when something is unknown.")] = False,
    timeout: Annotated[int, typer.Option("--timeout", min=1, max=3600, help="Seconds for one request.")] = 60,
    limit: Annotated[int, typer.Option("--limit", min=1, max=86400, help="Seconds for all requests.")] = 900,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; `stackplan schema verify` has its schema.")
    ] = False,
) -> None:
    """Ask the running stack and set it beside the plan; exit code 2 when it breaks it, 1 when nobody answers."""
    from stackplan.cli.deployment import deployed  # noqa: PLC0415
    from stackplan.render.names import check_names  # noqa: PLC0415
    from stackplan.verify.compare import compare  # noqa: PLC0415
    from stackplan.verify.finding import Verdict  # noqa: PLC0415
    from stackplan.verify.run import can_be_asked, observe  # noqa: PLC0415
    from stackplan.views.verify import report, verify_json, verify_text  # noqa: PLC0415

    path = saved / "plan.json" if saved.is_dir() else saved
    plan, site = deployed(path, None)
    check_names(plan)
    started, with_gateway = _started(plan, site, tier)
    door = _door(plan, path.parent) if with_gateway and not no_gateway else None
    seen = observe(plan, _means(plan, timeout, limit), door, exercise=exercise)
    if not can_be_asked(seen):
        hint = f"start it: stackplan up{site.option}"
        raise UserError("nothing of this plan answers", hint=hint, slug="nothing-answers")
    told = report(plan, compare(plan, seen, started), seen)
    typer.echo(verify_json(told) if as_json else verify_text(plan, told.findings))
    if told.verdict is Verdict.BREACH or (strict and told.verdict is Verdict.UNKNOWN):
        raise typer.Exit(ExitCode.DIFFERS)


def _started(plan: "Plan", site: "Site", tier: str | None) -> tuple[set[str], bool]:
    """Ids of the servers that must run, and whether the gateway must: as asked, else as `up` was, else what is HOT."""
    from stackplan.render.servers import servers, starts_with_tier  # noqa: PLC0415
    from stackplan.running.record import read_record  # noqa: PLC0415
    from stackplan.running.units import GATEWAY, GATEWAY_CONFIG  # noqa: PLC0415

    if tier is not None and tier not in _TIERS:
        raise UserError(f"there is no tier {tier!r}", hint=f"choose from {', '.join(_TIERS)}", slug="unknown-tier")
    rendered = (site.folder / GATEWAY_CONFIG).is_file()
    record = read_record(site)
    if tier is None and record is not None:
        return set(record.units), rendered and GATEWAY in record.units
    planned, wanted = servers(plan), _TIERS[tier or "hot"]
    found = (one.id for one in planned if one.tier in wanted and (tier == "all" or starts_with_tier(planned, one)))
    return set(found), rendered


def _door(plan: "Plan", out: Path) -> "Door":
    from stackplan.bundled import config_folder  # noqa: PLC0415
    from stackplan.running.endpoints import gateway_url  # noqa: PLC0415
    from stackplan.running.environment import key_files, read_variables  # noqa: PLC0415
    from stackplan.verify.gateway import KEY_VARIABLE, is_sendable  # noqa: PLC0415
    from stackplan.verify.run import Door  # noqa: PLC0415

    places = (os.environ, *(read_variables(path) for path in key_files(config_folder(), out)))
    key = next((place[KEY_VARIABLE] for place in places if place.get(KEY_VARIABLE)), "")
    if not is_sendable(key):
        hint = "letters, digits and signs without spaces"
        raise UserError(f"{KEY_VARIABLE} holds what no HTTP header can carry", hint=hint, slug="bad-key")
    return Door(gateway_url(plan), key)


def _means(plan: "Plan", timeout: float, limit: float) -> "Means":
    from stackplan.verify.client import Client, Limits  # noqa: PLC0415
    from stackplan.verify.device_memory import device_memory  # noqa: PLC0415
    from stackplan.verify.processes import machine, memory_seen  # noqa: PLC0415
    from stackplan.verify.run import Means  # noqa: PLC0415

    def measure(server: "Server", seen: "ServerSeen") -> "tuple[MemorySeen, ...]":
        return memory_seen(plan, server, seen, machine(), device_memory(plan))

    return Means(Client(Limits(timeout, limit)), measure, lambda text: print(text, file=sys.stderr, flush=True))
