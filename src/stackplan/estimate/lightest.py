"""What none of several files of a model goes below: all of them at once may be too slow or too large."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stackplan.architecture import Architecture, WeightTable
from stackplan.estimate.speed_traffic import Workload


@dataclass(frozen=True, slots=True)
class Light:
    """What no file of several goes below: bytes of each block, of the head and beside, and the factor of its speed."""

    architecture: Architecture
    weights: WeightTable
    work: Workload
    factor: float


def lightest(tables: Sequence[WeightTable]) -> WeightTable:
    """What each block, the head and the embeddings take at least in any of several files of a model."""
    if len(tables) == 1:
        return tables[0]
    return replace(
        tables[0],
        layer_bytes=tuple(map(min, *(table.layer_bytes for table in tables))),
        expert_bytes=tuple(map(min, *(table.expert_bytes for table in tables))),
        input_bytes=min(table.input_bytes for table in tables),
        output_bytes=min(table.output_bytes for table in tables),
        tied_output_bytes=min(table.tied_output_bytes for table in tables),
        prediction_bytes=max(table.prediction_bytes for table in tables),
    )
