"""The choice to be made, as plain numbers: what `options` offers and `solve` decides.

Nothing here knows models or GPUs, so that the solver can be judged on generated worlds by other solvers.
Demands are bytes per pool, affine in the number of slots: ``fixed + per_slot * slots``. Values are integers
(thousandths of a utility point times priority), so that sums are exact and "equal" means equal.
"""

from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

Tier = Literal["hot", "warm", "cold"]
TIERS: tuple[Tier, ...] = ("hot", "warm", "cold")


class Take(Struct, frozen=True):
    """Bytes that a candidate takes from one pool.

    ``kept_bytes`` come on top and stay in the pool even while a WARM candidate is not loaded (its mapped weights in
    host memory); they are 0 for other tiers.
    """

    pool: str
    fixed_bytes: int
    per_slot_bytes: int = 0
    kept_bytes: int = 0

    def at(self, slots: int) -> int:
        """Bytes taken while loaded with so many slots."""
        return self.fixed_bytes + self.per_slot_bytes * slots


class Candidate(Struct, frozen=True):
    """One deployable instance. At most one candidate of a ``key`` (the same weights in the same engine) is deployed.

    ``swap_group`` names the place that WARM candidates take turns in. ``files`` are (name, bytes) on disk, counted
    once however many candidates use them. ``lineage`` is the family of training.
    """

    id: str
    key: str
    tier: Tier
    takes: tuple[Take, ...]
    files: tuple[tuple[str, int], ...] = ()
    swap_group: str = ""
    lineage: str = ""


class Offer(Struct, frozen=True):
    """A candidate offered to a need, with its value; ``slots`` are what this need asks of it."""

    need: str
    candidate: str
    value: int
    slots: int = 1


@dataclass(frozen=True, slots=True)
class Need:
    """A role to be served once."""

    id: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Diversity:
    """``penalty`` is lost when both needs are served by candidates of one lineage."""

    first: str
    second: str
    penalty: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A world to choose in. ``pools`` maps a pool to its budget in bytes; ``disk_bytes`` None means unknown."""

    needs: tuple[Need, ...]
    pools: dict[str, int]
    candidates: tuple[Candidate, ...]
    offers: tuple[Offer, ...]
    disk_bytes: int | None = None
    diversities: tuple[Diversity, ...] = ()
    overlapping_groups: frozenset[str] = field(default_factory=frozenset)
    distinct: tuple[tuple[str, ...], ...] = ()
    """Groups of needs that must be served by different weights (a pool of embedders)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a choice takes: bytes per pool at the worst moment, bytes on disk."""

    pools: dict[str, int]
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer: which candidate serves each need, and how good it is known to be.

    ``value`` is the sum of offers less diversity penalties, ``bound`` the proved upper bound of it. ``work`` is what
    the search took, see `Relaxation.work`.
    """

    assignment: dict[str, str]
    value: int
    bound: int
    memory_bytes: int
    disk_bytes: int
    optimal: bool
    status: str = "optimal"
    work: float = field(default=0.0, compare=False)

    @property
    def gap(self) -> float:
        """Relative distance of the value from its proved bound; 0 when nothing better exists."""
        return 0.0 if self.bound <= self.value else (self.bound - self.value) / max(1, abs(self.bound))


@dataclass(frozen=True, slots=True)
class NoChoice:
    """No assignment serves every required need.

    ``conflict`` names a minimal set of constraints that cannot hold together ("need worker", "pool gpu0", "disk").
    """

    conflict: tuple[str, ...]
