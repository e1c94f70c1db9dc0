"""The best that each model could do for a need with the machine to itself: what a plan falls short of."""

from collections.abc import Callable
from dataclasses import dataclass

from stackplan.bases import Base
from stackplan.merits import most_worthy
from stackplan.needs import RoleNeed
from stackplan.pipeline import Space

Key = Callable[[Base], str]


@dataclass(frozen=True, slots=True)
class Alone:
    """A base at the context that is worth most to a need, and the points it gets there; HOT, nothing beside it."""

    base: Base
    context_tokens: int
    points: float


def best_alone(space: Space, need: RoleNeed, key: Key, *, most: int = 0) -> list[Alone]:
    """The best option of each ``key`` (a model, a file), the most worthy first; at most ``most`` of them, 0 means all.

    A base's merit bounds what it can be worth, so contexts are asked of few bases only.
    """
    position = [each.id for each in space.finder.needs].index(need.id)
    found: dict[str, Alone] = {}
    for merit, base in most_worthy(space, position):
        name = key(base)
        known = found.get(name)
        if most and known is None and len(found) >= most and _least(found, most) >= merit:
            break
        if known is None or known.points < merit:
            answer = _at_best(space, need, merit, base)
            if answer is not None and (known is None or answer.points > known.points):
                found[name] = answer
    ordered = sorted(found.values(), key=lambda one: (-one.points, one.base.name))
    return ordered[:most] if most else ordered


def _least(found: dict[str, Alone], most: int) -> float:
    return sorted((one.points for one in found.values()), reverse=True)[most - 1]


def _at_best(space: Space, need: RoleNeed, merit: float, base: Base) -> Alone | None:
    """The longest context that fits alone and is still wished for; a longer one adds nothing."""
    fitting = [context for context, _ in space.finder.curve(base) if context >= need.context_floor_tokens]
    if not fitting:
        return None
    context = next((each for each in fitting if each >= need.context_wish_tokens), fitting[-1])
    return Alone(base, context, merit * space.finder.rating.context_factor(need, context))
