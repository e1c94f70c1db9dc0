"""What a configuration takes of a host, pool by pool, as a line over slots."""

from dataclasses import dataclass
from typing import NamedTuple

from stackplan.hardware import Host, PoolKind
from stackplan.problem import Take, Tier


class PoolTaken(NamedTuple):
    """Bytes taken from one pool: ``fixed + per_slot * slots``; ``weights_bytes`` of it are weights.

    A named tuple and no dataclass: planning makes a hundred thousand of them.
    """

    pool: str
    fixed_bytes: int
    per_slot_bytes: int
    weights_bytes: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What a configuration takes, pool by pool."""

    pools: tuple[PoolTaken, ...]

    def for_tier(self, tier: Tier, host: Host) -> tuple[Take, ...]:
        """The takes of one tier. A WARM instance's weights stay mapped in host RAM, where loading finds them.

        On a unified pool they need not: the mapped pages are the loaded ones.
        """
        host_pool = host.host_pool
        if tier != "warm" or host_pool.kind is PoolKind.UNIFIED:
            return tuple(Take(taken.pool, taken.fixed_bytes, taken.per_slot_bytes) for taken in self.pools)
        weights = sum(taken.weights_bytes for taken in self.pools)
        return tuple(
            Take(taken.pool, taken.fixed_bytes - taken.weights_bytes, taken.per_slot_bytes, weights)
            if taken.pool == host_pool.id
            else Take(taken.pool, taken.fixed_bytes, taken.per_slot_bytes)
            for taken in self.pools
        )
