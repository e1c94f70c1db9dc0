"""Whether what processes hold is what the plan says: a range, because part of a plan is an allowance.

Overhead lines (driver context, process, prompt cache) are upper limits, so that the least is the plan without them and
the most is the plan with them, each within the tolerance of the estimator (docs/estimate.md).
"""

from dataclasses import dataclass

from stackplan.estimate.process_memory import PROGRAM_BYTES
from stackplan.hardware import Basis
from stackplan.plan import Instance, PlannedDemand
from stackplan.verify.observation import HostBytes

TOLERANCE = 0.05
# What docs/estimate.md states for engines and shapes that nobody measured.
ASSUMED_TOLERANCE = 0.25
# Matrices of these types are never rewritten: ggml repacks quantised blocks only (llama.cpp b11434, ggml-cpu/repack).
_NEVER_REPACKED = ("F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the most that agree with the plan, and the plan's own figure with the allowance in it, in bytes."""

    least_bytes: int
    planned_bytes: int
    most_bytes: int
    allowance_bytes: int = 0

    def holds(self, size_bytes: int) -> bool:
        """Whether the size agrees."""
        return self.least_bytes <= size_bytes <= self.most_bytes


def tolerance(instance: Instance) -> float:
    """The share by which the estimate of an instance may be off."""
    return ASSUMED_TOLERANCE if instance.basis is Basis.ASSUMED else TOLERANCE


def planned_range(instance: Instance, demands: tuple[PlannedDemand, ...]) -> Range:
    """What the instance may hold by the plan, over ``demands``."""
    total = sum(demand.total_bytes for demand in demands)
    allowance = sum(demand.overhead_bytes for demand in demands)
    off = tolerance(instance)
    return Range(round((total - allowance) * (1 - off)), total, round(total * (1 + off)), allowance)


def told_range(instance: Instance) -> Range:
    """What an engine may say that it holds: its buffers, without driver and process, of which it does not know."""
    parts = sum(demand.total_bytes - demand.overhead_bytes for demand in instance.demand)
    off = tolerance(instance)
    return Range(round(parts * (1 - off)), parts, round(parts * (1 + off)))


def held_bytes(
    host: HostBytes, demand: PlannedDemand, quantisation: str, *, allocations_count: bool, set_aside_bytes: int = 0
) -> int:
    """Bytes that the processes take of host memory, in the sense of the plan.

    With ``allocations_count`` (ggml asks for its buffers once and for good) private memory counts whole, less what is
    set aside and never used (`set_aside`) as far as it is untouched indeed; else memory counts when it is resident.
    Weights that llama.cpp has rewritten for the CPU exist twice; the mapped originals are cold then and count only as
    far as they were not rewritten.
    """
    if not allocations_count:
        return host.resident_bytes
    private = host.allocated_bytes - min(set_aside_bytes, host.untouched_bytes) + host.program_bytes
    if quantisation.upper() in _NEVER_REPACKED:
        return private + host.mapped_bytes
    # What is certain beside weights: allowances such as a prompt cache may be empty.
    certain = demand.total_bytes - demand.weights_bytes - max(0, demand.overhead_bytes - PROGRAM_BYTES)
    rewritten = min(max(0, private - certain), demand.weights_bytes)
    return private + max(0, host.mapped_bytes - rewritten)
