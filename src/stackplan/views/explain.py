"""An explanation as text: what was chosen and why, what else there was and what it would cost, what was refused."""

from collections.abc import Iterator
from typing import Any

from stackplan.counterfactual import Counterfactual
from stackplan.diff import RoleChange, speculation
from stackplan.explain import Explanation, Rival
from stackplan.plan import Plan
from stackplan.reasons import SENTENCES, sentence
from stackplan.units import format_bytes, format_tokens
from stackplan.views.colour import paint
from stackplan.views.table import inert, shorten, table, wrap

_SHORTEST_NOTE, _BEFORE_NOTE = 30, 36  # columns: of a term's note, and of what stands before it
_NEGLIGIBLE = 0.05  # points: less is not told role by role


def explanation_text(explanation: Explanation, plan: Plan, *, colour: bool, width: int) -> str:
    """The explanation for people, in lines of at most ``width`` columns where its names allow."""
    sections = (
        _chosen(explanation, plan, colour, width),
        _rivals(explanation, colour, width),
        _refused(explanation, colour, width),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain values for ``--json``."""
    served, instance = explanation.served, explanation.instance
    return {
        "role": explanation.need.id,
        "served": None
        if served is None or instance is None
        else {
            "instance": instance.id,
            "artifact": instance.artifact,
            "speculation": speculation(instance),
            "utility": served.utility.total,
            "terms": [
                {"name": t.name, "points": t.points, "basis": t.basis, "note": t.note} for t in served.utility.terms
            ],
        },
        "runners_up": [_rival_json(rival, outcome) for rival, outcome in explanation.rivals],
        "refused": {
            "counts": dict(explanation.refused.counts),
            "nearest": [
                {"model": r.model, "artifact": r.artifact, "pool": r.pool, "shortfall_bytes": r.shortfall_bytes}
                for r in explanation.refused.nearest
            ],
        },
    }


def _rival_json(rival: Rival, outcome: Counterfactual) -> dict[str, Any]:
    return {
        "kind": rival.kind,
        "option": rival.label,
        "points_alone": rival.points,
        "possible": outcome.plan is not None,
        "cost": outcome.cost if outcome.plan else None,
        "cost_at_least": outcome.least_cost if outcome.plan else None,
        "roles": [
            {"role": change.role, "before": change.points_before, "after": change.points_after}
            for change in outcome.roles
        ],
        "conflict": list(outcome.conflict),
        "missing": [{"pool": block.pool, "bytes": block.missing_bytes} for block in outcome.blocks],
    }


def _chosen(explanation: Explanation, plan: Plan, colour: bool, width: int) -> list[str]:
    served, instance = explanation.served, explanation.instance
    name = inert(explanation.need.id)
    if served is None or instance is None:
        told = next((each for each in plan.unserved if each.role == explanation.need.id), None)
        because = SENTENCES.get(told.because, told.because) if told else "nothing may serve it"
        return [paint(f" {name}: not served, because {because}", "bold", colour=colour)]
    quantisation = plan.artifact(instance.artifact).quantisation
    head = f" {name}: {inert(instance.model)} {quantisation}, {format_tokens(served.context_tokens)} {instance.kv_type}"
    lines = [["points", "term", "basis", "why"]]
    lines += [
        [
            f"{term.points:+.1f}",
            term.name,
            str(term.basis),
            shorten(inert(term.note), max(_SHORTEST_NOTE, width - _BEFORE_NOTE)),
        ]
        for term in served.utility.terms
    ]
    lines.append([f"{served.utility.total:.1f}", "utility", "", f"x priority {served.priority:g}"])
    aided = [f", {inert(speculation(instance))}"] if speculation(instance) else []
    head = "".join([f"{head}, {instance.tier.upper()}", *aided])
    return [paint(head, "bold", colour=colour), *table(lines, right=(0,))]


def _rivals(explanation: Explanation, colour: bool, width: int) -> list[str]:
    if not explanation.rivals:
        return []
    title = " Runners-up, each with everything else chosen again around it (cost: utility x priority of all roles)"
    lines = [paint(title, "bold", colour=colour)]
    for rival, outcome in explanation.rivals:
        alone = f" ({rival.points:.1f} points alone)" if rival.points is not None else ""
        lines += wrap(f"{rival.kind}: {rival.label}{alone}", width)
        lines += wrap("; ".join(outcome_clauses(outcome)), width, first="     ", rest="     ")
    return lines


def outcome_clauses(outcome: Counterfactual) -> Iterator[str]:
    """What choosing otherwise does, or what forbids it, clause by clause."""
    if outcome.plan is None:
        yield "impossible: " + conflict_clause(outcome)
        return
    proved = outcome.cost - outcome.least_cost < _NEGLIGIBLE
    bounds = f"costs {outcome.cost:.1f}" if proved else f"costs {outcome.least_cost:.1f} to {outcome.cost:.1f}"
    yield bounds if outcome.cost >= _NEGLIGIBLE else "costs nothing: as good as the plan"
    for change in outcome.roles:
        if told := _role(change):
            yield told


def conflict_clause(outcome: Counterfactual) -> str:
    """Who cannot be served together, and how many bytes would end it."""
    needs = [name.removeprefix("need ") for name in outcome.conflict if name.startswith("need ")]
    others = [name.replace("pool ", "memory of ") for name in outcome.conflict if not name.startswith("need ")]
    told = f"{' and '.join(needs) or 'it'} cannot be served" + (f" within {' and '.join(others)}" if others else "")
    missing = [f"{block.pool} misses {format_bytes(block.missing_bytes)}" for block in outcome.blocks]
    return ", ".join((told, *missing))


def _role(change: RoleChange) -> str:
    """One role's gain or loss with what else it is then served by."""
    now = {field.name: field.after for field in change.fields}
    if change.points_after is None:
        return f"{change.role} unserved ({change.gain:.1f})"
    if abs(change.gain) < _NEGLIGIBLE:
        return ""
    what = " ".join(
        inert(now[name]) for name in ("model", "quantisation", "context", "KV type", "tier", "on") if name in now
    )
    return f"{change.role} {change.gain:+.1f} ({what or 'otherwise the same'})"


def _refused(explanation: Explanation, colour: bool, width: int) -> list[str]:
    refused = explanation.refused
    if not refused.counts:
        return []
    counts = ", ".join(f"{count} {reason}" for reason, count in refused.counts)
    lines = [paint(" Refused", "bold", colour=colour), *wrap(f"{counts}.", width)]
    if refused.nearest:
        lines += [" Nearest misses among models that do not fit at all:"]
        rows = [["model", "short by", "bytes", "why"]]
        rows += [
            [inert(r.model), format_bytes(r.shortfall_bytes), str(r.shortfall_bytes), inert(sentence(r))]
            for r in refused.nearest
        ]
        lines += table(rows, right=(1, 2), indent="   ")
    return lines
