"""What runs, as a table and as JSON."""

from typing import Any

from stackplan.running.lifecycle import Started
from stackplan.running.logs import printable
from stackplan.running.status import Report, Row
from stackplan.running.supervisor import Status
from stackplan.units import format_bytes
from stackplan.views.table import table

_HEADINGS = ("unit", "tier", "state", "process", "RAM held", "planned", "cards held", "planned", "listens", "roles")


def status_text(report: Report) -> str:
    """One line per unit, then what is missing and where the logs are."""
    lines = table([_HEADINGS, *map(_cells, report.rows)], right=(3, 4, 5, 6, 7))
    return "\n".join([*lines, "", *_notes(report)])


def status_data(report: Report) -> dict[str, Any]:
    """The same as plain values; sizes in bytes."""
    return {
        "supervisor": report.supervisor or None,
        "outdated": report.is_outdated,
        "logs": report.logs,
        "missing": [row.unit.id for row in report.rows if row.is_missing],
        "units": [_row_data(row) for row in report.rows],
    }


def started_text(started: tuple[Started, ...]) -> str:
    """One line per unit, slowest last, and the next step."""
    lines = [f"{one.unit.id}  {one.unit.address}  {', '.join(one.unit.roles)}" for one in started]
    return "\n".join([*lines, "all answer; next: stackplan status"])


def started_data(started: tuple[Started, ...]) -> dict[str, Any]:
    """What `up` started and how long each took."""
    rows = [
        {"unit": one.unit.id, "address": one.unit.address, "seconds_until_healthy": round(one.seconds, 2)}
        for one in started
    ]
    return {"started": rows}


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.unit.id,
        row.unit.tier.upper(),
        _state(row),
        str(row.state.pid or "-"),
        _held(row),
        _size(row.given.host_bytes if row.given else None),
        _size(row.device_bytes),
        _size(row.given.device_bytes if row.given else None),
        row.unit.address,
        ", ".join(row.unit.roles) if not row.unit.is_gateway else "every role",
    )


def _state(row: Row) -> str:
    if row.answers:
        return "up"
    if row.state.status is Status.RUNNING:
        return "loading"
    return "missing" if row.is_missing and row.state.status is Status.STOPPED else str(row.state.status)


def _size(size_bytes: int | None) -> str:
    return format_bytes(size_bytes) if size_bytes else "-"


def _held(row: Row) -> str:
    if row.held is None:
        return "-"
    share = row.held.proportional_bytes
    return format_bytes(row.held.resident_bytes if share is None else share)


def _notes(report: Report) -> list[str]:
    if not report.supervisor:
        return ["nothing was started; next: stackplan up"]
    missing = [row for row in report.rows if row.is_missing and row.state.detail]
    notes = [f"{row.unit.id}: {printable(row.state.detail)}" for row in missing]
    if report.is_outdated:
        notes.append("the plan changed since `up`; run it again")
    return [*notes, f"kept by {report.supervisor}; logs in {report.logs}"]


def _row_data(row: Row) -> dict[str, Any]:
    return {
        "id": row.unit.id,
        "engine": row.unit.engine,
        "tier": row.unit.tier,
        "roles": list(row.unit.roles),
        "instances": list(row.unit.instances),
        "address": row.unit.address,
        "state": str(row.state.status),
        "detail": row.state.detail,
        "answers": row.answers,
        "wanted": row.is_wanted,
        "pid": row.state.pid or None,
        "processes": len(row.held.pids) if row.held else 0,
        "resident_bytes": row.held.resident_bytes if row.held else None,
        "proportional_bytes": row.held.proportional_bytes if row.held else None,
        "planned_host_bytes": row.given.host_bytes if row.given else None,
        "device_bytes": row.device_bytes,
        "planned_device_bytes": row.given.device_bytes if row.given else None,
    }
