"""What an option is worth to a role: points of 0..100 that the solver maximises, and the terms that explain them.

worth = quality x what is left after quantisation, cache type, and shortfalls of context, speed, tier and memory. Every
factor lies in (0, 1], so the worth never leaves 0..100, and more quality, context or speed never lowers it.
`utility_terms` tells the same arithmetic term by term. Sources and judgement: docs/quality.md.
"""

from dataclasses import dataclass
from math import log2

from stackplan.catalog import Role
from stackplan.stack import Policy, RoleRequest
from stackplan.units import GIB

# Shares of a model's worth that a whole shortfall costs at weight 1 (project judgement, 2026-11): at the default
# weights a context at its floor costs 25 %, decoding at its floor 30 %, WARM instead of HOT 15 %.
CONTEXT_SHARE = 0.5
SPEED_SHARE = 0.6
TIER_SHARE = 1.0
MEMORY_SHARE = 0.8
# The first halving of a wished context hurts less than the one that ends at the floor.
CONTEXT_POWER = 1.5
# Unknown speed is neither free nor the worst.
UNKNOWN_SPEED_SHORTFALL = 0.5
MEMORY_DOUBLINGS = 9.0  # 511 GiB is the whole shortfall of `frugal`
LEAST_FACTOR = 0.02  # an absurd weight must not make options indistinguishable
# Points lost when a role judges the work of a model of its own lineage, which shares its blind spots.
SAME_LINEAGE_POINTS = 6.0

_TIER_SHORTFALL = {
    ("hot", "hot"): 0.0,
    ("hot", "warm"): 0.5,
    ("hot", "cold"): 1.0,
    ("warm", "hot"): 0.0,
    ("warm", "warm"): 0.0,
    ("warm", "cold"): 0.6,
    ("cold", "hot"): 0.0,
    ("cold", "warm"): 0.0,
    ("cold", "cold"): 0.0,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What one role asks of its option under one policy, with everything computed that does not change by option."""

    context_floor_tokens: int
    context_wish_tokens: int
    speed_floor: float
    speed_wish: float
    tier: str
    quality_weight: float
    context_cost: float
    speed_cost: float
    tier_cost: float
    memory_cost: float
    context_doublings: float
    speed_doublings: float


def wish_of(role: Role, request: RoleRequest, policy: Policy) -> Wish:
    """The wish of ``request``, whose gaps ``role`` fills, weighed by ``policy``."""
    floor = _given(request.context_floor_tokens, role.context_floor_tokens)
    wish = max(floor, _given(request.context_wish_tokens, role.context_wish_tokens))
    speed_floor = _given(request.speed_floor, role.speed_floor)
    speed_wish = max(speed_floor, _given(request.speed_wish, role.speed_wish))
    return Wish(
        context_floor_tokens=int(floor),
        context_wish_tokens=int(wish),
        speed_floor=speed_floor,
        speed_wish=speed_wish,
        tier=request.tier or role.default_tier,
        quality_weight=policy.quality_weight,
        context_cost=policy.context_weight * CONTEXT_SHARE,
        speed_cost=policy.speed_weight * SPEED_SHARE,
        tier_cost=policy.tier_weight * TIER_SHARE,
        memory_cost=policy.memory_weight * MEMORY_SHARE,
        context_doublings=_doublings(floor, wish),
        speed_doublings=_doublings(speed_floor, speed_wish),
    )


def worth(
    wish: Wish,
    quality: float,
    kept: float,
    context_tokens: int,
    decode_tokens_per_second: float | None,
    tier: str,
    memory_bytes: int = 0,
) -> float:
    """Points of 0..100 of an option. ``kept`` is the share of quality left after quantisation of weights and cache.

    ``context_tokens`` are those of one request. ``decode_tokens_per_second`` None means unknown.
    """
    context, speed, held, memory = factors(wish, context_tokens, decode_tokens_per_second, tier, memory_bytes)
    return start(wish, quality) * kept * context * speed * held * memory


def factors(
    wish: Wish, context_tokens: int, decode_tokens_per_second: float | None, tier: str, memory_bytes: int = 0
) -> tuple[float, float, float, float]:
    """What shortfalls of context, speed, tier and memory leave of a model's worth, each in (0, 1]."""
    return (
        _factor(wish.context_cost * _context_shortfall(wish, context_tokens)),
        speed_factor(wish, decode_tokens_per_second),
        _factor(wish.tier_cost * _TIER_SHORTFALL[wish.tier, tier]),
        _factor(wish.memory_cost * _memory_shortfall(memory_bytes)) if wish.memory_cost else 1.0,
    )


def speed_factor(wish: Wish, decode_tokens_per_second: float | None) -> float:
    """What a shortfall of speed alone leaves of a model's worth, in (0, 1]."""
    return _factor(wish.speed_cost * _speed_shortfall(wish, decode_tokens_per_second))


def start(wish: Wish, points: float) -> float:
    """Quality points as the policy weighs them; everything else takes a share of these."""
    return max(0.0, 100.0 - wish.quality_weight * (100.0 - points))


def _context_shortfall(wish: Wish, context_tokens: int) -> float:
    if context_tokens >= wish.context_wish_tokens:
        return 0.0
    if context_tokens <= wish.context_floor_tokens:
        return 1.0
    share = log2(wish.context_wish_tokens / context_tokens) / wish.context_doublings
    return float(min(1.0, share) ** CONTEXT_POWER)


def _speed_shortfall(wish: Wish, speed: float | None) -> float:
    if wish.speed_wish <= 0 or (speed is not None and speed >= wish.speed_wish):
        return 0.0
    if speed is None:
        return UNKNOWN_SPEED_SHORTFALL
    if speed <= 0 or speed <= wish.speed_floor:
        return 1.0
    return min(1.0, log2(wish.speed_wish / speed) / wish.speed_doublings)


def _memory_shortfall(memory_bytes: int) -> float:
    return min(1.0, log2(1.0 + memory_bytes / GIB) / MEMORY_DOUBLINGS)


def _factor(cost: float) -> float:
    return 1.0 - cost if cost < 1.0 - LEAST_FACTOR else LEAST_FACTOR


def _doublings(floor: float, wish: float) -> float:
    """Doublings from ``floor`` to ``wish``; a floor of nothing counts as four below the wish."""
    if wish <= floor:
        return 1.0
    return log2(wish / floor) if floor > 0 else 4.0


def _given(asked: float | None, default: float) -> float:
    return default if asked is None else asked
