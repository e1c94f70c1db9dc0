"""What the tables of judgement may say: quality scales, costs of quantisation, policy presets.

Apart from `stack_schema`, because building these shapes takes longer than reading a stack and an index spares it.
"""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stackplan.stack_schema import KvType, Name, Points, Record, Text

Weight = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Figure = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Slope = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class PresetRecord(Record):
    """One policy preset; see `stackplan.stack.Policy`."""

    why: Text
    quality_weight: Weight
    speed_weight: Weight
    context_weight: Weight
    tier_weight: Weight
    memory_weight: Weight
    kv_types: Annotated[list[KvType], Field(min_length=1)]


class PresetsFile(Record):
    """``catalog/presets.yaml``."""

    presets: Annotated[dict[Name, PresetRecord], Field(min_length=1)]


CurvePoints = Annotated[
    list[Annotated[list[Figure], Field(min_length=2, max_length=2)]], Field(min_length=2, max_length=64)
]


class _OnCurve(Record):
    points: CurvePoints
    spread: Points = 0.0
    note: str = ""

    @model_validator(mode="after")
    def _monotone(self) -> Self:
        xs, ys = [x for x, _ in self.points], [y for _, y in self.points]
        if any(a >= b for a, b in pairwise(xs)):
            raise ValueError("points must ascend in the figure")
        if ys not in (sorted(ys), sorted(ys, reverse=True)) or min(ys) < 0 or max(ys) > 100:
            raise ValueError("points must be monotone and within 0..100")
        return self


class MetricRecord(_OnCurve):
    """One benchmark of a scale."""

    metric: Text
    weight: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 1.0
    basis: Literal["published", "derived"] = "published"


class BridgeRecord(_OnCurve):
    """Another scale that stands in."""

    scale: Name


class PriorRecord(Record):
    """See `stackplan.quality_tables.Prior`."""

    base: Annotated[float, Field(ge=-20, le=20, allow_inf_nan=False)]
    per_doubling_small: Slope
    per_doubling_large: Slope
    per_year: Slope
    margin: Points = 0.0
    floor: Points = 1.0
    ceiling: Points = 100.0
    families: dict[Name, Annotated[float, Field(ge=-20, le=20, allow_inf_nan=False)]] = Field(default_factory=dict)
    kinds: dict[Name, Annotated[float, Field(ge=-20, le=20, allow_inf_nan=False)]] = Field(default_factory=dict)
    note: str = ""


class ScaleRecord(Record):
    """One quality scale."""

    id: Name
    title: Text
    source: Text
    groups: list[Annotated[list[MetricRecord], Field(min_length=1)]]
    bridges: list[BridgeRecord] = Field(default_factory=list)
    prior: PriorRecord


class BeliefRecord(Record):
    """How far figures of each confidence are believed over the prior."""

    high: Share
    medium: Share
    low: Share
    bridge: Share


class QualityFile(Record):
    """``catalog/quality.yaml``."""

    belief: BeliefRecord
    scales: Annotated[list[ScaleRecord], Field(min_length=1, max_length=100)]


class DivergenceRecord(Record):
    """How far one type moves the model's predictions: mean Kullback-Leibler divergence per token, in nats."""

    type: Text
    divergence: Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)]
    basis: Literal["measured", "published", "derived", "assumed"]
    note: str = ""


class WeightTypeRecord(DivergenceRecord):
    """``bits`` are those of the whole file per parameter, where the type was measured."""

    bits: Annotated[float, Field(gt=0, le=64, allow_inf_nan=False)]


class NativeRecord(Record):
    """A family whose weights were trained in a quantised type: what requantises the rest of the file costs nothing."""

    family: Name
    type: Text
    source: Text


class QuantisationFile(Record):
    """``catalog/quantisation.yaml``."""

    sources: Annotated[list[Text], Field(min_length=1)]
    loss_per_divergence: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
    reference_parameters: Annotated[int, Field(gt=0, le=10**14)]
    size_exponent: Share
    least_factor: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    most_factor: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)]
    native: list[NativeRecord]
    weights: Annotated[list[WeightTypeRecord], Field(min_length=2)]
    kv: Annotated[list[DivergenceRecord], Field(min_length=1)]
