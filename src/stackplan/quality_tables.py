"""How published figures become points: the values that `quality` and `utility` calculate with.

Read from ``catalog/quality.yaml``, ``quantisation.yaml`` and ``presets.yaml`` by `stack_yaml`; values only.
A `Curve` is a piecewise linear, monotone map; outside its ends it stays at its end values.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from stackplan.hardware import Basis


@dataclass(frozen=True, slots=True)
class Curve:
    """A monotone map through the points (``xs[i]``, ``ys[i]``); ``xs`` ascend."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def at(self, x: float) -> float:
        """The value at ``x``, constant beyond the ends."""
        right = bisect_right(self.xs, x)
        if right == 0:
            return self.ys[0]
        if right == len(self.xs):
            return self.ys[-1]
        x0, x1, y0, y1 = self.xs[right - 1], self.xs[right], self.ys[right - 1], self.ys[right]
        return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One benchmark on a scale: ``curve`` turns its figure into points.

    ``weight`` counts within its group. ``basis`` is "published" for the scale's own benchmark and "derived" where
    a bridge leads from another one; ``spread`` is the standard error of that bridge in points, 0 if none.
    """

    name: str
    curve: Curve
    weight: float = 1.0
    basis: Basis = Basis.PUBLISHED
    spread: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bridge:
    """The way from another scale's points to this one's, where that scale has figures and this one has not."""

    scale: str
    curve: Curve
    spread: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is assumed of a model without figures.

    z = ``base`` + slope x log2(billions / 8) + ``per_year`` x (years since 2024.0) + the offsets of its family and
    kinds, where the slope is ``per_doubling_small`` below 8 billion and ``per_doubling_large`` above; points =
    100 / (1 + exp(-z)) - ``margin``, held within ``floor`` and ``ceiling``. Billions are the geometric mean of all and
    active parameters, which is the parameters themselves for a dense model. Of several kinds the largest offset counts.
    """

    base: float
    per_doubling_small: float
    per_doubling_large: float
    per_year: float
    margin: float = 0.0
    floor: float = 1.0
    ceiling: float = 100.0
    families: Mapping[str, float] = field(default_factory=dict)
    kinds: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """A 0..100 map of one skill. The first of ``groups`` for which a model has figures counts."""

    id: str
    title: str
    groups: tuple[tuple[Metric, ...], ...]
    prior: Prior
    bridges: tuple[Bridge, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class QualityTables:
    """All scales, and how far a figure of each confidence is believed over the prior (1 = wholly)."""

    scales: Mapping[str, Scale]
    belief: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class QuantisationTables:
    """What quantisation costs; see catalog/quantisation.yaml.

    ``divergence`` is by type of the weights at ``bits`` per parameter of the whole file, ``kv_divergence`` by type of
    the KV cache: mean Kullback-Leibler divergence per token (nats) of a model of ``reference_parameters``.
    ``envelope`` gives the natural logarithm of the least divergence of any type at so many bits. ``native`` maps
    families to the quantised type that they were trained in.
    """

    divergence: Mapping[str, float]
    bits: Mapping[str, float]
    envelope: Curve
    kv_divergence: Mapping[str, float]
    native: Mapping[str, str]
    loss_per_divergence: float
    reference_parameters: int
    size_exponent: float
    least_factor: float
    most_factor: float
