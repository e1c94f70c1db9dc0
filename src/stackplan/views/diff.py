"""A difference of two plans as text, as Markdown for a pull request, and as plain values."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from stackplan.diff import Difference, FieldChange, InstanceChange, PoolChange, RoleChange
from stackplan.reasons import SENTENCES
from stackplan.units import format_bytes, format_gib
from stackplan.views.colour import paint
from stackplan.views.table import inert, table, wrap


def difference_text(difference: Difference, *, colour: bool, width: int) -> str:
    """The difference for people: what it comes from, then roles, instances, pools, and the sum."""
    if difference.is_empty:
        return " Both plans would run the same."
    sections = (
        _titled("Because", [line for c in difference.causes for line in wrap(_change(c), width)], colour),
        _titled("Roles", [line for c in difference.roles for line in wrap(_role(c), width)], colour),
        _titled("Instances", [line for c in difference.instances for line in wrap(_instance(c), width)], colour),
        _titled("Memory", table(_pool_rows(difference)) if difference.pools else [], colour),
        [f" {line}" for line in _sums(difference)],
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def difference_markdown(difference: Difference) -> str:
    """The difference as Markdown; names are shown as code, so that nothing in them is markup."""
    if difference.is_empty:
        return "Both plans would run the same.\n"
    lines = ["### stackplan: what changes", ""]
    lines += [f"* {_code(change)}" for change in difference.causes]
    if difference.roles:
        lines += ["", "| role | utility | change |", "|---|---|---|"]
        lines += [
            f"| `{_cell(c.role)}` | {_points(c)} | {_cell(_fields(c.fields) or c.because)} |" for c in difference.roles
        ]
    if difference.instances:
        lines += ["", "| instance | | change |", "|---|---|---|"]
        lines += [f"| `{_cell(c.instance)}` | {c.kind} | {_cell(_fields(c.fields))} |" for c in difference.instances]
    if difference.pools:
        header, *rows = _pool_rows(difference)
        lines += ["", f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join([*lines, "", *_sums(difference), ""])


def difference_json(difference: Difference) -> dict[str, Any]:
    """The difference as plain values for ``--json``; sizes are bytes."""
    return {"differs": not difference.is_empty, **dataclasses.asdict(difference)}


def _titled(title: str, lines: list[str], colour: bool) -> list[str]:
    return [paint(f" {title}", "bold", colour=colour), *lines] if lines else []


def _change(change: FieldChange) -> str:
    return f"{change.name}: {change.before or 'none'} -> {change.after or 'none'}"


def _fields(fields: tuple[FieldChange, ...]) -> str:
    """Changes in one line; of what is new or gone only what it is."""
    if all(not field.before for field in fields) or all(not field.after for field in fields):
        return ", ".join(f"{field.name} {field.before or field.after}" for field in fields)
    return ", ".join(_change(field) for field in fields)


def _role(change: RoleChange) -> str:
    if change.points_after is None:
        because = SENTENCES.get(change.because, change.because) or "not asked for"
        return f"{change.role} {_points(change)}: not served any more ({because})"
    if change.points_before is None:
        return f"{change.role} {_points(change)}: now served, {_fields(change.fields)}"
    return f"{change.role} {_points(change)}: {_fields(change.fields)}"


def _points(change: RoleChange) -> str:
    before, after = ("-" if p is None else f"{p:.1f}" for p in (change.points_before, change.points_after))
    return f"{before} -> {after} ({change.gain:+.1f})"


def _instance(change: InstanceChange) -> str:
    sign = {"added": "+", "removed": "-", "changed": "~"}[change.kind]
    return f"{sign} {change.instance}: {_fields(change.fields)}"


def _pool_rows(difference: Difference) -> list[list[str]]:
    rows = [["pool", "capacity", "for models", "used", "free"]]
    return [*rows, *(_pool_row(change) for change in difference.pools)]


def _pool_row(change: PoolChange) -> list[str]:
    sizes = [
        ("-",) * 4
        if pool is None
        else tuple(
            format_gib(size)
            for size in (
                pool.capacity_bytes,
                pool.budget_bytes,
                pool.used_bytes,
                pool.budget_bytes - pool.used_bytes,
            )
        )
        for pool in (change.before, change.after)
    ]
    return [inert(change.pool), *(old if old == new else f"{old} -> {new}" for old, new in zip(*sizes, strict=True))]


def _sums(difference: Difference) -> Iterator[str]:
    gain = difference.objective_after - difference.objective_before
    yield f"utility x priority: {difference.objective_before:.1f} -> {difference.objective_after:.1f} ({gain:+.1f})"
    if any(change.points_before is None or change.points_after is None for change in difference.roles):
        yield f"of the roles that both serve: {difference.gain_of_both:+.1f}"
    yield f"on disk: {format_bytes(difference.disk_bytes_before)} -> {format_bytes(difference.disk_bytes_after)}"


def _code(change: FieldChange) -> str:
    return f"{_cell(change.name)}: `{_cell(change.before) or 'none'}` -> `{_cell(change.after) or 'none'}`"


def _cell(text: str) -> str:
    """Text that cannot end a cell, open a tag or a link, or close a code span."""
    return inert(text).replace("|", "/").replace("`", "'").replace("<", "(").replace("[", "(")
