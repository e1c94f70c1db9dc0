"""Adding up demands of several models in one process, place by place."""

from collections.abc import Sequence

from stackplan.serving import Demand, OverheadLine


def joined(demands: list[Demand], beside: list[Demand]) -> list[Demand]:
    """``demands`` with those of ``beside`` added where places agree."""
    return [_sum(demand, [other for other in beside if other.place == demand.place]) for demand in demands]


def _sum(demand: Demand, others: list[Demand]) -> Demand:
    return Demand(
        demand.place,
        demand.weights_bytes + sum(other.weights_bytes for other in others),
        demand.kv_bytes + sum(other.kv_bytes for other in others),
        demand.state_bytes + sum(other.state_bytes for other in others),
        demand.compute_bytes + sum(other.compute_bytes for other in others),
        demand.output_bytes + sum(other.output_bytes for other in others),
    )


def with_overhead(demand: Demand, size: int) -> Demand:
    """``demand`` with exactly ``size`` bytes of overhead."""
    return Demand(
        demand.place,
        demand.weights_bytes,
        demand.kv_bytes,
        demand.state_bytes,
        demand.compute_bytes,
        demand.output_bytes,
        size,
    )


def overheads(lines: Sequence[OverheadLine]) -> dict[str, int]:
    """Bytes of ``lines`` by place."""
    found: dict[str, int] = {}
    for line in lines:
        found[line.place] = found.get(line.place, 0) + line.bytes
    return found
