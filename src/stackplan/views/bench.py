"""What a bench found, beside what was planned, as a table and as JSON."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from stackplan.bench.peaks import Peaks
from stackplan.bench.planned import Row
from stackplan.bench.run import Benched
from stackplan.calibration import over_estimate
from stackplan.measurement import Figure
from stackplan.plan import Instance, Plan
from stackplan.units import format_bytes
from stackplan.views.table import inert, table

_HEADER = ("model", "engine", "write tok/s", "planned", "read tok/s", "load", "host peak", "device peak")
_RIGHT = tuple(range(2, len(_HEADER)))


def bench_text(plan: Plan, rows: Sequence[Row]) -> str:
    """A row per instance; what could not be measured, and what takes more than planned, beneath."""
    lines = [_HEADER, *(_cells(row.planned.instance, row.benched, row.peaks) for row in rows if row.benched)]
    return "\n".join([*table(lines, right=_RIGHT), *(line for row in rows for line in _remarks(plan, row))])


def bench_data(plan: Plan, rows: Sequence[Row]) -> dict[str, Any]:
    """The same as data."""
    return {"schema": 1, "measured": [_data(plan, row) for row in rows]}


def single_text(benched: Benched) -> str:
    """One address."""
    cells = (
        inert(benched.target.model or benched.target.name),
        f"{benched.target.engine} {inert(benched.engine_version)}",
        figure(benched.decode),
        figure(benched.prompt),
    )
    lines = table([("model", "engine", "write tok/s", "read tok/s"), cells], right=(2, 3))
    return "\n".join([*lines, *([f" {benched.note}"] if benched.note else [])])


def single_data(benched: Benched) -> dict[str, Any]:
    """The same as data; never the key."""
    data = dataclasses.asdict(benched)
    data["target"].pop("key")
    return {"schema": 1, **data}


def figure(one: Figure | None) -> str:
    """``41.5 (40.9-42.0)``, or ``-``."""
    if one is None:
        return "-"
    digits = 0 if one.median >= 100 else 1
    return f"{one.median:.{digits}f} ({one.low:.{digits}f}-{one.high:.{digits}f})"


def _cells(instance: Instance, benched: Benched, peaks: Peaks) -> tuple[str, ...]:
    writes = instance.mode == "chat"
    speed = instance.speed
    return (
        inert(instance.id),
        f"{inert(instance.engine)} {inert(benched.engine_version)}",
        figure(benched.decode) if writes else "-",
        f"{speed.decode_tokens_per_second:.1f}" if speed else "-",
        figure(benched.prompt),
        f"{benched.load_seconds:.1f} s" if benched.load_seconds else "-",
        format_bytes(peaks.host_peak_bytes) if peaks.host_peak_bytes is not None else "-",
        format_bytes(peaks.device_peak_bytes) if peaks.device_peak_bytes is not None else "-",
    )


def _remarks(plan: Plan, row: Row) -> list[str]:
    name = inert(row.planned.instance.id)
    if row.benched is None:
        return [f" not measured: {name}: {inert(row.problem)}"]
    told = [f" note: {name}: {row.benched.note}"] if row.benched.note else []
    over = over_estimate(plan, row.planned.instance, row.peaks.host_peak_bytes, row.peaks.device_peak_bytes)
    return [*told, *([f" note: {name} took {format_bytes(over[0])}, planned {format_bytes(over[1])}"] if over else [])]


def _data(plan: Plan, row: Row) -> dict[str, Any]:
    instance = row.planned.instance
    head = {"instance": instance.id, "roles": list(row.planned.roles), "artifact": instance.artifact}
    if row.benched is None:
        return {**head, "problem": row.problem}
    found = dataclasses.asdict(row.benched)
    found.pop("target")
    peaks = row.peaks
    over = over_estimate(plan, instance, peaks.host_peak_bytes, peaks.device_peak_bytes)
    return {
        **head,
        "engine": instance.engine,
        **found,
        "planned_decode_tokens_per_second": instance.speed.decode_tokens_per_second if instance.speed else None,
        "host_peak_bytes": peaks.host_peak_bytes,
        "device_peak_bytes": peaks.device_peak_bytes,
        "over_planned_bytes": over[0] - over[1] if over else 0,
    }
