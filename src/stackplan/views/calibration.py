"""Kept measurements as a table and as JSON."""

from collections.abc import Sequence
from typing import Any

from stackplan.calibration_store import Kept
from stackplan.measurement import measurement_data
from stackplan.units import format_tokens
from stackplan.views.table import inert, table

_HEADER = ("name", "day", "model", "on", "engine", "context", "KV", "tok/s", "from")


def kept_text(kept: Sequence[Kept]) -> str:
    """The newest first."""
    if not kept:
        return "nothing is kept yet; measure a running stack: stackplan calibrate"
    return "\n".join(table([_HEADER, *map(_cells, _newest_first(kept))], right=(7,)))


def kept_data(kept: Sequence[Kept]) -> list[dict[str, Any]]:
    """The same as data."""
    return [
        {"digest": one.measurement.digest, "imported": one.imported, **measurement_data(one.measurement)}
        for one in _newest_first(kept)
    ]


def _newest_first(kept: Sequence[Kept]) -> list[Kept]:
    ordered = sorted(kept, key=lambda one: one.measurement.digest)
    return sorted(ordered, key=lambda one: one.measurement.measured_at, reverse=True)


def _cells(kept: Kept) -> tuple[str, ...]:
    one = kept.measurement
    speed = one.headline
    return (
        one.digest,
        one.measured_at[:10],
        inert(one.artifact),
        inert(" + ".join(one.devices)),
        f"{inert(one.engine)} {inert(one.engine_version)}",
        format_tokens(one.context_tokens),
        one.kv_type,
        f"{speed.median:.1f}" if speed else "-",
        "import" if kept.imported else "here",
    )
