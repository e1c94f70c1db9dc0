"""The exact "what if it were otherwise": one need held to something, everything else chosen again.

The space of options is the one that the plan was chosen from, so the answer is the optimum of all plans in which the
need is served so, with the utility counted as before (tests/explain holds it against a plan made anew with the pin).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stackplan.bases import Base
from stackplan.catalog import Artifact, Model
from stackplan.diff import RoleChange, objective, role_changes
from stackplan.needs import RoleNeed
from stackplan.pipeline import Planned, Space, best_of
from stackplan.plan import Plan
from stackplan.problem import NoChoice, Problem
from stackplan.solve.conflict import is_feasible
from stackplan.units import MIB
from stackplan.values import replace

SECONDS = 4.0
_LARGEST_SHORTFALL = 1 << 44  # 16 TiB: beyond any machine that is planned for


@dataclass(frozen=True, slots=True)
class Force:
    """What one need is held to; what is empty stays free. ``least_context_tokens`` is a floor, not a wish.

    ``unaided`` forbids that a draft or a prediction head proposes tokens.
    """

    need: str
    model: str = ""
    artifact: str = ""
    kv_type: str = ""
    least_context_tokens: int = 0
    tier: str = ""
    unaided: bool = False

    def allows(self, model: Model, file: Artifact | None = None, base: Base | None = None) -> bool:
        """Whether a model, in this file, run so, serves the need as it is held."""
        return (
            self.model in ("", model.id)
            and (file is None or self.artifact in ("", file.id))
            and (base is None or self._runs(base))
        )

    def _runs(self, base: Base) -> bool:
        return (
            self.kv_type in ("", base.kv_type)
            and base.contexts[-1] >= self.least_context_tokens
            and not (self.unaided and base.ahead)
        )


@dataclass(frozen=True, slots=True)
class Block:
    """What makes a forced choice impossible: ``missing_bytes`` more on ``pool`` would make it possible."""

    pool: str
    missing_bytes: int


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """The best plan in which a need is held to ``force``; None with the ``conflict`` that forbids one.

    ``cost`` is what the plan's objective (utility x priority) loses, ``roles`` what changes for whom. Where time ran
    out before the proof, the true cost lies between ``least_cost`` and ``cost``; else both are the same.
    """

    force: Force
    plan: Plan | None
    cost: float
    least_cost: float
    roles: tuple[RoleChange, ...]
    conflict: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()


def counterfactual(planned: Planned, force: Force, *, seconds: float = SECONDS) -> Counterfactual:
    """Choose again with one need held, in about so many ``seconds``. ``planned`` must have a plan."""
    assert planned.plan is not None  # noqa: S101
    other = best_of(forced(planned.space, force), seconds=seconds)
    if other.plan is None:
        answer = other.chosen.answer
        conflict = answer.conflict if isinstance(answer, NoChoice) else ()
        return Counterfactual(force, None, 0.0, 0.0, (), conflict, tuple(blocks(other.chosen.problem, conflict)))
    best, proof = objective(planned.plan), other.plan.proof
    cost, least = best - objective(other.plan), best - proof.bound
    return Counterfactual(
        force, other.plan, cost, min(cost, max(0.0, least)), tuple(role_changes(planned.plan, other.plan))
    )


def forced(space: Space, force: Force) -> Space:
    """The space in which one need must be served, and only as ``force`` says; everything else as it was."""
    needs = tuple(_held(need, force) if need.id == force.need else need for need in space.finder.needs)
    position = next(place for place, need in enumerate(needs) if need.id == force.need)

    def may(own: int, model: Model, file: Artifact | None = None, base: Base | None = None) -> bool:
        return (own != position or force.allows(model, file, base)) and space.may(own, model, file, base)

    return replace(space, finder=space.finder.holding(needs), may=may)


def _held(need: RoleNeed, force: Force) -> RoleNeed:
    """Only the need's own bounds move: its request, by which it is rated, stays."""
    held = replace(
        need, held=True, required=True, context_floor_tokens=max(need.context_floor_tokens, force.least_context_tokens)
    )
    return replace(held, tier=force.tier, tier_pinned=True) if force.tier else held


def blocks(problem: Problem, conflict: tuple[str, ...]) -> Iterator[Block]:
    """Each pool of a conflict with the least bytes that would end it, to the MiB; none where no bytes would."""
    for name in conflict:
        pool = name.removeprefix("pool ")
        if name != pool and (missing := _missing(problem, pool)):
            yield Block(pool, missing)


def _missing(problem: Problem, pool: str) -> int:
    def enough(extra: int) -> bool:
        return is_feasible(replace(problem, pools={**problem.pools, pool: problem.pools[pool] + extra}))

    high = 64 * MIB
    while not enough(high):
        high *= 2
        if high > _LARGEST_SHORTFALL:
            return 0
    low = 0
    while high - low > MIB:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
