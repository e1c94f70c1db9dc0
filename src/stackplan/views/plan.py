"""A plan as one screen of text: pools as bars, roles as a table, what is not served, and how good the plan is."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stackplan.diff import speculation
from stackplan.hardware import Basis, Device, PoolKind
from stackplan.plan import Instance, Plan, Proof, ServedRole, Unserved
from stackplan.serving import SpeedEstimate
from stackplan.units import format_bytes, format_gib, format_tokens
from stackplan.views.bars import PoolUse, legend, pool_use, stacked_bar
from stackplan.views.colour import paint
from stackplan.views.table import cell_width, column_widths, inert, pad, shorten, table, wrap

_NARROWEST = 72
_LONGEST_BAR, _SHORTEST_BAR, _SHORTEST_LABEL = 40, 8, 16
_TIERS = ("hot", "warm", "cold")
_TIER_STYLES = {"HOT": ("bold", "red"), "WARM": ("bold", "yellow"), "COLD": ("bold", "cyan")}
_HEADER = ("role", "model", "quant", "context", "tier", "on", "weights", "KV", "tok/s (est.)", "basis")
_BENEATH = (2, 3, 9)  # columns that narrow screens show on a second line: how the model is served
_ROLE, _MODEL = 0, 1
_RIGHT = {"weights", "KV"}
_SHORTEST_WIDE_MODEL = 20
_SHORTEST = {_MODEL: 12, _ROLE: 8}  # models are cut first: a role stands on one line only
_LONGEST_QUANTISATION, _LONGEST_PLACE = 12, 12


@dataclass(frozen=True, slots=True)
class Look:
    """How to draw: colour or not, how many columns, block letters or ASCII."""

    colour: bool
    width: int
    ascii_only: bool

    @property
    def ellipsis(self) -> str:
        """What stands for letters left out."""
        return "~" if self.ascii_only else "…"


def plan_text(
    plan: Plan, *, colour: bool, width: int, ascii_only: bool = False, next_step: str | None = None, traded: str = ""
) -> str:
    """``plan`` for people, in lines of at most ``width`` columns (72 at least).

    ``next_step`` replaces the command that is suggested at the end; "" suggests none.
    ``traded`` is text that comes before the last lines: what the plan trades away.
    """
    look = Look(colour, max(_NARROWEST, width), ascii_only)
    sections = (
        _title(plan, look),
        _pools(plan, look),
        _roles(plan, look),
        _unserved(plan.unserved, look),
        [*_sharing(plan, look), *_notes(plan, look)],
        [traded] if traded else [],
        _closing(plan, look, next_step),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _title(plan: Plan, look: Look) -> list[str]:
    name = plan.profile if plan.profile in ("", plan.host.name) else f"{plan.profile}: {plan.host.name}"
    return wrap(f"{name or plan.host.name}, stack {plan.stack}, policy {plan.policy}", look.width)


def _pools(plan: Plan, look: Look) -> list[str]:
    """A bar per pool, the GPUs' own first, and the legend beneath."""
    pools = sorted(plan.host.pools, key=lambda pool: pool.kind != PoolKind.VRAM)
    if not pools:
        return []
    uses = [pool_use(plan, pool) for pool in pools]
    labels = [_pool_label(plan, pool.id, max(_SHORTEST_LABEL, look.width // 4)) for pool in pools]
    label_width = max(map(cell_width, labels))
    figures = _aligned([_figures(use) for use in uses])
    bar_width = max(_SHORTEST_BAR, min(_LONGEST_BAR, look.width - label_width - max(map(len, figures)) - 4))
    lines = []
    for label, use, text in zip(labels, uses, figures, strict=True):
        bar = stacked_bar(use.parts, bar_width, colour=look.colour, ascii_only=look.ascii_only)
        lines.append(f" {pad(label, label_width)} {bar}  {text}")
    return [*lines, f" {legend(uses, colour=look.colour, ascii_only=look.ascii_only)}"]


def _pool_label(plan: Plan, pool_id: str, widest: int) -> str:
    """The pool and the GPU that draws on it, of whose name the last words tell most."""
    cards = [device for device in plan.host.machine.gpus if device.pool == pool_id]
    label = inert(pool_id)
    if cards:
        more = f" +{len(cards) - 1}" if len(cards) > 1 else ""
        label += f" {_card_name(cards[0], widest - cell_width(label + more) - 1)}{more}"
    return shorten(label, widest)


def _card_name(card: Device, widest: int) -> str:
    words = inert(card.name).split()
    while len(words) > 1 and cell_width(" ".join(words)) > widest:
        words = words[1:]
    return " ".join(words)


def _figures(use: PoolUse) -> str:
    if not use.capacity_bytes:
        return "capacity unknown"
    left = f"free {format_gib(use.free_bytes)}" if use.free_bytes >= 0 else f"short {format_gib(-use.free_bytes)}"
    return f"{format_gib(use.taken_bytes)} / {format_gib(use.capacity_bytes)} GiB  {left}"


def _aligned(figures: Sequence[str]) -> list[str]:
    """The figures with their slashes beneath each other."""
    before = max((text.find("/") for text in figures), default=0)
    return [" " * max(0, before - text.find("/")) + text if "/" in text else text for text in figures]


def _roles(plan: Plan, look: Look) -> list[str]:
    rows = list(_rows(plan))
    if not rows:
        return []
    wide = _fitted([_HEADER, *rows], look, {_MODEL: _SHORTEST_WIDE_MODEL})
    if _table_width(wide) <= look.width:
        return _drawn(wide, look)
    narrow = _fitted([_without(line, _BENEATH) for line in (_HEADER, *rows)], look, _SHORTEST)
    header, *lines = _drawn(narrow, look)
    margin = " " * (column_widths(narrow)[_ROLE] + 3)
    beneath = (
        wrap(", ".join(row[column] for column in _BENEATH if row[column] != "-"), look.width, first=margin, rest=margin)
        for row in rows
    )
    return [header, *(text for line, details in zip(lines, beneath, strict=True) for text in (line, *details))]


def _rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """A row per role, by tier; what several roles share is counted once."""
    told: set[str] = set()
    for tier in _TIERS:
        for role in plan.roles:
            instance = plan.instance(role.instance)
            if instance.tier == tier:
                yield _row(plan, role, instance, shared=instance.id in told)
                told.add(instance.id)


def _row(plan: Plan, role: ServedRole, instance: Instance, *, shared: bool) -> tuple[str, ...]:
    weights = sum(demand.weights_bytes for demand in instance.demand)
    cache = sum(demand.kv_bytes for demand in instance.demand)
    return (
        inert(role.role),
        inert(instance.model),
        shorten(inert(plan.artifact(instance.artifact).quantisation), _LONGEST_QUANTISATION),
        _context(instance, cache),
        instance.tier.upper(),
        shorten(_place(instance), _LONGEST_PLACE),
        "shared" if shared else format_gib(weights),
        "" if shared else format_gib(cache) if cache else "-",
        _speed(instance.speed),
        _basis(instance),
    )


def _context(instance: Instance, cache_bytes: int) -> str:
    """What one request may use, how many at a time, and the type of the cache."""
    tokens = format_tokens(instance.context_tokens) if instance.context_tokens else "-"
    slots = f"{instance.slots} x " if instance.slots > 1 else ""
    return f"{slots}{tokens}" + (f" ({inert(instance.kv_type)})" if cache_bytes else "")


def _place(instance: Instance) -> str:
    """The devices that compute, ``+cpu`` where layers or experts stay in host memory."""
    placement = instance.placement
    if placement.is_cpu:
        return "cpu"
    devices = [inert(device) for device in placement.devices]
    named = "+".join(devices) if len(devices) <= 2 else f"{devices[0]} +{len(devices) - 1}"
    return f"{named}+cpu" if placement.is_cut else named


def _speed(speed: SpeedEstimate | None) -> str:
    if speed is None:
        return "-"
    low, middle, high = speed.decode_low, speed.decode_tokens_per_second, speed.decode_high
    digits = 0 if middle >= 10 else 1
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def _basis(instance: Instance) -> str:
    """What the row's figures rest on: the weaker of the bases of memory and of speed."""
    bases = (instance.basis, *((instance.speed.basis,) if instance.speed else ()))
    return str(max(bases, key=list(Basis).index))


def _without(line: tuple[str, ...], columns: Sequence[int]) -> tuple[str, ...]:
    return tuple(cell for column, cell in enumerate(line) if column not in columns)


def _fitted(lines: Sequence[tuple[str, ...]], look: Look, shortest: Mapping[int, int]) -> list[tuple[str, ...]]:
    """The lines with the columns of ``shortest`` cut, in that order, as far as the width asks and reading allows."""
    for column, least in shortest.items():
        over = _table_width(lines) - look.width
        if over > 0:
            room = max(least, column_widths(lines)[column] - over)
            lines = [
                (*line[:column], shorten(line[column], room, ellipsis=look.ellipsis), *line[column + 1 :])
                for line in lines
            ]
    return list(lines)


def _table_width(lines: Sequence[tuple[str, ...]]) -> int:
    widths = column_widths(lines)
    return 1 + sum(widths) + 2 * (len(widths) - 1)


def _drawn(lines: Sequence[tuple[str, ...]], look: Look) -> list[str]:
    """The table with its header in bold and tiers in their colours."""
    header = lines[0]
    tier = header.index("tier")

    def style(column: int, cell: str) -> str:
        return paint(cell, *_TIER_STYLES.get(cell.strip(), ()), colour=look.colour) if column == tier else cell

    drawn = table(lines, right=[column for column, name in enumerate(header) if name in _RIGHT], style=style)
    return [paint(drawn[0], "bold", colour=look.colour), *drawn[1:]]


def _unserved(unserved: Sequence[Unserved], look: Look) -> list[str]:
    if not unserved:
        return []
    roles = [shorten(inert(each.role), 20, ellipsis=look.ellipsis) for each in unserved]
    width = max(len("Not served"), *map(cell_width, roles))
    lines = [paint(f" {pad('Not served', width)}  because", "bold", colour=look.colour)]
    for role, each in zip(roles, unserved, strict=True):
        told = ": ".join(part for part in (each.because.replace("-", " "), each.detail) if part)
        lines += wrap(told, look.width, first=f" {pad(role, width)}  ", rest=" " * (width + 3))
    return lines


def _sharing(plan: Plan, look: Look) -> Iterator[str]:
    """Who takes turns in memory, who is started by hand, and who drafts for whom."""
    groups: dict[str, list[str]] = {}
    for instance in (each for each in plan.instances if each.tier == "warm" and each.swap_group):
        groups.setdefault(instance.swap_group, []).extend(role.role for role in plan.roles_of(instance.id))
    for roles in groups.values():
        if len(roles) > 1:
            told = f"WARM: {', '.join(roles)} take turns in one place in memory; the bar counts the largest."
            yield from wrap(told, look.width)
    cold = [role.role for each in plan.instances if each.tier == "cold" for role in plan.roles_of(each.id)]
    if cold:
        told = f"COLD: {', '.join(cold)} on disk, started by hand while WARM models are out; not in the bars."
        yield from wrap(told, look.width)
    for instance in plan.instances:
        if told := speculation(instance):
            yield from wrap(f"{instance.model} speculates: {told}{_gained(instance)}.", look.width)


def _gained(instance: Instance) -> str:
    gain = instance.acceleration
    if gain is None:
        return ""
    return f"; {gain.speedup:.1f} times as fast ({gain.speedup_low:.1f} to {gain.speedup_high:.1f}, {gain.basis})"


def _notes(plan: Plan, look: Look) -> Iterator[str]:
    for note in plan.notes:
        yield from wrap(f"note: {note}", look.width)


def _closing(plan: Plan, look: Look, next_step: str | None) -> list[str]:
    disk = sum(artifact.file_bytes + artifact.projector_bytes for artifact in plan.artifacts)
    lines = wrap(f"{proof_sentence(plan.proof)} {format_bytes(disk)} on disk.", look.width)
    apply = f"stackplan apply {shlex.quote(plan.profile)}" if plan.profile else "stackplan apply"
    step = apply if next_step is None else next_step
    return [*lines, *(wrap(f"Next: {step}", look.width) if step else [])]


def proof_sentence(proof: Proof) -> str:
    """How good the plan is known to be, in one sentence."""
    if proof.status == "optimal" and proof.gap == 0:
        count = proof.ways_passed_over
        others = f" and {count:,} {'way' if count == 1 else 'ways'} that a bound rules out" if count else ""
        return f"Best of {proof.options_offered:,} options{others}, proved optimal."
    return (
        f"Best found of {proof.options_offered:,} options, not proved optimal: "
        f"nothing can be more than {100 * proof.gap:.2g} % better."
    )
