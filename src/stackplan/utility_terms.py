"""A role's utility told term by term, for people: the arithmetic of `utility`, with the basis of each number."""

from dataclasses import dataclass

from stackplan.hardware import Basis
from stackplan.plan import Utility, UtilityTerm
from stackplan.quality import QualityScore
from stackplan.units import format_bytes, format_tokens
from stackplan.utility import Wish, factors, start, worth


@dataclass(frozen=True, slots=True)
class Offered:
    """What is told about an option; losses are shares of the quality, sizes bytes, the context one request's."""

    quality: QualityScore
    quantisation: str
    weight_loss: float
    kv_type: str
    cache_loss: float
    context_tokens: int
    decode_tokens_per_second: float | None
    speed_basis: Basis
    tier: str
    memory_bytes: int = 0

    @property
    def kept(self) -> float:
        """Share of the quality that weights and cache leave."""
        return (1.0 - self.weight_loss) * (1.0 - self.cache_loss)


def explained(wish: Wish, offered: Offered) -> Utility:
    """The worth of ``offered`` term by term; terms that take nothing are left out, the rest add up to the total."""
    speed = offered.decode_tokens_per_second
    context, fast, held, memory = factors(wish, offered.context_tokens, speed, offered.tier, offered.memory_bytes)
    wished = f"{format_tokens(offered.context_tokens)} of {format_tokens(wish.context_wish_tokens)} wished"
    left = start(wish, offered.quality.points)
    terms = [UtilityTerm("quality", left, offered.quality.basis, offered.quality.note)]
    for name, factor, basis, note in (
        ("quantisation", 1.0 - offered.weight_loss, Basis.PUBLISHED, offered.quantisation),
        ("cache type", 1.0 - offered.cache_loss, Basis.PUBLISHED, offered.kv_type),
        ("context", context, Basis.DERIVED, wished),
        ("speed", fast, offered.speed_basis, _speed_note(wish, speed)),
        ("tier", held, Basis.DERIVED, f"{offered.tier.upper()}, {wish.tier.upper()} wished"),
        ("memory", memory, Basis.DERIVED, format_bytes(offered.memory_bytes)),
    ):
        if factor < 1.0:
            terms.append(UtilityTerm(name, left * factor - left, basis, note))
        left *= factor
    total = worth(
        wish,
        offered.quality.points,
        offered.kept,
        offered.context_tokens,
        speed,
        offered.tier,
        offered.memory_bytes,
    )
    return Utility(total, tuple(terms))


def _speed_note(wish: Wish, speed: float | None) -> str:
    if speed is None:
        return "speed unknown"
    return f"{speed:.0f} of {wish.speed_wish:.0f} tokens per second wished"
