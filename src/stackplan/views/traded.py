"""What a plan traded away, as a few lines under its table."""

from collections.abc import Iterator, Sequence

from stackplan.traded import Traded
from stackplan.units import format_bytes, format_gib
from stackplan.views.colour import paint
from stackplan.views.table import cell_width, inert, pad, table, wrap

_HEADER = ("Traded away", "because", "smallest change that buys it back")


def traded_text(traded: Sequence[Traded], *, colour: bool, width: int) -> str:
    """A row per wish that is not met; on narrow screens a line of its own for cause and remedy. "" when all are met."""
    if not traded:
        return ""
    rows = [(_HEADER), *((_what(one), _because(one), _remedy(one)) for one in traded)]
    lines = table(rows)
    if max(map(cell_width, lines)) > width:
        lines = [" Traded away, why, and the smallest change that buys it back", *_stacked(rows[1:], width)]
    return "\n".join([paint(lines[0], "bold", colour=colour), *lines[1:]])


def _stacked(rows: Sequence[tuple[str, str, str]], width: int) -> Iterator[str]:
    widest = max(cell_width(row[0]) for row in rows)
    for what, because, remedy in rows:
        if widest + cell_width(because) + 3 <= width:
            yield f" {pad(what, widest)}  {because}"
        else:
            yield from wrap(what, width)
            yield from wrap(because, width, first="   ", rest="   ")
        yield from wrap(remedy, width, first="   ", rest="   ")


def _what(one: Traded) -> str:
    more = f" +{len(one.roles) - 1}" if len(one.roles) > 1 else ""
    return inert(f"{one.roles[0]}{more} {one.what}")


def _because(one: Traded) -> str:
    """Both sides with as many digits as it takes to see that they differ."""
    digits = next((n for n in (1, 2, 3) if format_gib(one.needs_bytes, n) != format_gib(one.has_bytes, n)), 4)
    return (
        f"needs {format_gib(one.needs_bytes, digits)} GiB of {inert(one.pool)}, "
        f"which has {format_gib(one.has_bytes, digits)}"
    )


def _remedy(one: Traded) -> str:
    free = f"free {format_bytes(one.missing_bytes)}"
    if one.step:
        free = f"free {format_bytes(one.step_bytes)} for {one.step}, {format_bytes(one.missing_bytes)} for all"
    return f"{free}, or --set {inert(one.setting)}"
