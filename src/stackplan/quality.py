"""How good a model is at a skill, in points of 0..100, from published figures; and what is assumed without any.

Which benchmark counts on which scale, the bridges between benchmarks and the prior are data: catalog/quality.yaml,
explained in docs/quality.md. Nothing here knows a model by name.
"""

from math import exp, log2, sqrt

from msgspec import Struct

from stackplan.catalog import Model, QualityFigure
from stackplan.hardware import Basis
from stackplan.quality_tables import Metric, Prior, QualityTables, Scale

# The prior's axes; the numbers in quality.yaml are fitted to them.
_YEAR_ZERO = 2024.0
_KNEE_BILLIONS = 8.0


class QualityScore(Struct, frozen=True):
    """Points of 0..100 with where they come from. ``note`` names figure, date and source for people."""

    points: float
    basis: Basis
    note: str


def quality_of(model: Model, scale: str, tables: QualityTables) -> QualityScore:
    """How good ``model`` is on ``scale``.

    The first group of benchmarks with figures counts, pulled towards the prior where the source is not
    independent; else the points of a bridged scale; else the prior alone. Raises KeyError for an unknown scale.
    """
    rule = tables.scales[scale]
    prior = prior_points(model, rule.prior)
    measured = _from_figures(model, rule, tables, prior)
    if measured is None:
        measured = _from_bridge(model, rule, tables, prior)
    if measured is not None:
        return measured
    return QualityScore(prior, Basis.ASSUMED, f"no figure; assumed from size and date: {rule.prior.note}".rstrip(": "))


def prior_points(model: Model, prior: Prior) -> float:
    """Points assumed of ``model`` from its size, date, family and kinds alone; the formula is `Prior`'s."""
    billions = sqrt(model.parameters * max(1, model.active_parameters or model.parameters)) / 1e9
    doublings = log2(max(billions, 0.001) / _KNEE_BILLIONS)
    z = prior.base + doublings * (prior.per_doubling_small if doublings < 0 else prior.per_doubling_large)
    z += prior.per_year * (_year(model.released) - _YEAR_ZERO)
    z += prior.families.get(model.family, 0.0)
    z += max((prior.kinds[kind] for kind in model.suits if kind in prior.kinds), default=0.0)
    return min(prior.ceiling, max(prior.floor, 100.0 / (1.0 + exp(-z)) - prior.margin))


def _from_figures(model: Model, rule: Scale, tables: QualityTables, prior: float) -> QualityScore | None:
    for group in rule.groups:
        found = [(metric, figure) for metric in group if (figure := _newest(model, metric.name)) is not None]
        if found:
            return _blend(found, tables, prior)
    return None


def _blend(found: list[tuple[Metric, QualityFigure]], tables: QualityTables, prior: float) -> QualityScore:
    weights = [metric.weight * tables.belief[figure.confidence] for metric, figure in found]
    points = sum(w * metric.curve.at(figure.value) for w, (metric, figure) in zip(weights, found, strict=True))
    belief = sum(weights) / sum(metric.weight for metric, _ in found)
    mean = points / sum(weights)
    basis = Basis.PUBLISHED if any(metric.basis is Basis.PUBLISHED for metric, _ in found) else Basis.DERIVED
    note = "; ".join(f"{metric.name} {figure.value:g} ({figure.date}, {figure.source})" for metric, figure in found)
    if belief < 1:
        note += f"; {belief:.0%} of it believed, the rest is the prior of {prior:.0f}"
    return QualityScore(belief * mean + (1 - belief) * prior, basis, note)


def _from_bridge(model: Model, rule: Scale, tables: QualityTables, prior: float) -> QualityScore | None:
    for bridge in rule.bridges:
        other = tables.scales[bridge.scale]
        score = _from_figures(model, other, tables, prior_points(model, other.prior))
        if score is not None:
            belief = tables.belief["bridge"]
            points = belief * bridge.curve.at(score.points) + (1 - belief) * prior
            return QualityScore(points, Basis.DERIVED, f"bridged from {bridge.scale}: {score.note}")
    return None


def _newest(model: Model, metric: str) -> QualityFigure | None:
    figures = [figure for figure in model.quality if figure.metric == metric]
    return max(figures, key=lambda figure: (figure.date, -figure.value), default=None)


def _year(released: str) -> float:
    """``2026-08`` as 2026.58; an unknown date counts as the start of the prior's axis."""
    year, _, rest = released.partition("-")
    if not year.isdigit():
        return _YEAR_ZERO
    month = rest[:2]
    return int(year) + (int(month) - 1) / 12 if month.isdigit() else int(year) + 0.5
