"""What a configuration takes of a host, pool by pool, as a line over slots."""

from typing import NamedTuple

from msgspec import Struct

from stackplan.hardware import Host, PoolKind
from stackplan.problem import Take, Tier

Amounts = tuple[tuple[str, int, int, int], ...]  # pool, fixed, per slot, kept while WARM and not loaded: bytes


class PoolTaken(NamedTuple):
    """Bytes taken from one pool: ``fixed + per_slot * slots``; ``weights_bytes`` of it are weights.

    A named tuple and no dataclass: planning makes a hundred thousand of them.
    """

    pool: str
    fixed_bytes: int
    per_slot_bytes: int
    weights_bytes: int


class Taken(Struct, frozen=True):
    """What a configuration takes, pool by pool."""

    pools: tuple[PoolTaken, ...]

    def for_tier(self, tier: Tier, host: Host) -> tuple[Take, ...]:
        """The takes of one tier. A WARM instance's weights stay mapped in host RAM, where loading finds them.

        On a unified pool they need not: the mapped pages are the loaded ones.
        """
        if tier != "warm":
            return tuple([Take(taken.pool, taken.fixed_bytes, taken.per_slot_bytes) for taken in self.pools])
        return tuple([Take(*amounts) for amounts in self.when_warm(mapped_in(host))])

    def when_warm(self, mapped: str) -> Amounts:
        """What a WARM instance takes whose weights stay mapped in the pool ``mapped``; empty: in none."""
        weights = sum([taken.weights_bytes for taken in self.pools]) if mapped else 0
        return tuple(
            [
                (taken.pool, taken.fixed_bytes - taken.weights_bytes, taken.per_slot_bytes, weights)
                if taken.pool == mapped
                else (taken.pool, taken.fixed_bytes, taken.per_slot_bytes, 0)
                for taken in self.pools
            ]
        )


def mapped_in(host: Host) -> str:
    """The pool where WARM weights stay mapped; empty on unified memory, where mapped pages are the loaded ones."""
    pool = host.host_pool
    return "" if pool.kind is PoolKind.UNIFIED else pool.id
