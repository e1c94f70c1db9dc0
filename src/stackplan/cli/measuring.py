"""What `bench` and `calibrate` share: the instances of a saved plan measured one after the other, and the store."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackplan.errors import UserError

if TYPE_CHECKING:
    from stackplan.bench.planned import Planned, Row
    from stackplan.bench.run import Effort
    from stackplan.hardware import Host
    from stackplan.measurement import Measurement
    from stackplan.plan import Plan
    from stackplan.verify.observation import ModelSeen

PlanOption = Annotated[Path, typer.Option("--plan", help="A plan that `stackplan apply` saved.")]
RepeatsOption = Annotated[int, typer.Option("--repeats", min=1, max=100, help="Requests that are timed per model.")]
SecondsOption = Annotated[float, typer.Option("--seconds", min=1, max=3600, help="The most time per model.")]
ReloadOption = Annotated[
    bool, typer.Option("--reload", help="Have Ollama or llama.cpp's router load models anew, to time it.")
]
HostOption = Annotated[Path | None, typer.Option("--host", help="A machine's JSON or recording in place of this one.")]
SAVED_PLAN = Path("deploy/plan.json")


def measure(plan: "Plan", role: str | None, effort: "Effort") -> "list[Row]":
    """Every instance of the plan, or the one behind ``role``, in turn. Raises `UserError` when none answers."""
    from stackplan.bench.planned import planned_targets  # noqa: PLC0415
    from stackplan.cli.fetching import say  # noqa: PLC0415

    rows = [_row(plan, one, effort) for one in planned_targets(plan, role)]
    for row in rows:
        if row.problem:
            say(f"not measured: {row.problem}")
    if all(row.benched is None for row in rows):
        raise UserError(
            f"nothing of the plan could be measured; {rows[0].problem}" if rows else "the plan serves no role",
            hint="start it first: stackplan up",
            slug="bench-failed",
        )
    return rows


def measurements(rows: "list[Row]", host: "Host") -> "Iterator[Measurement]":
    """What was measured, with the time of now; what has no headline figure is not kept."""
    from stackplan.bench.planned import measurement  # noqa: PLC0415

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for row in rows:
        if row.benched is not None:
            one = measurement(row.planned, row.benched, row.peaks, host, now)
            if one.headline is not None:
                yield one


def this_host(described: Path | None) -> "Host":
    """The machine at hand, or the one that a file describes."""
    from stackplan.cli.described import described_host  # noqa: PLC0415
    from stackplan.detect import detect_host  # noqa: PLC0415

    return described_host(described) if described else detect_host()


def _row(plan: "Plan", one: "Planned", effort: "Effort") -> "Row":
    from stackplan.bench.engines import MODES  # noqa: PLC0415
    from stackplan.bench.peaks import peaks_of  # noqa: PLC0415
    from stackplan.bench.planned import Row  # noqa: PLC0415
    from stackplan.bench.run import bench  # noqa: PLC0415
    from stackplan.bench.wire import means  # noqa: PLC0415
    from stackplan.cli.fetching import say  # noqa: PLC0415

    if one.target.mode not in MODES:
        return Row(one, None, problem=f"{one.target.mode} is not measured")
    asking = means(effort.seconds)
    seen = _seen(plan, one)
    try:
        benched = bench(one.target, effort, asking, say, loaded=seen.loaded if seen else None)
    except UserError as error:
        return Row(one, None, problem=error.message)
    now = _seen(plan, one)
    return Row(one, benched, peaks_of(plan, one.server, now or _unknown(one)))


def _seen(plan: "Plan", one: "Planned") -> "ModelSeen | None":
    from stackplan.verify.client import Client, Limits  # noqa: PLC0415
    from stackplan.verify.engines import ENGINES  # noqa: PLC0415

    ask = Client(Limits(10, 20))
    return ENGINES[one.server.engine](plan, one.server, one.target.base, ask).model(one.instance.id)


def _unknown(one: "Planned") -> "ModelSeen":
    from stackplan.verify.observation import ModelSeen  # noqa: PLC0415

    return ModelSeen(one.instance.id)
