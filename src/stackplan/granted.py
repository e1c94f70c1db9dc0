"""A candidate for a wish, whether or not it fits: counted as the solver counts what is offered."""

from stackplan.bases import Base, BaseFinder
from stackplan.options import column_of
from stackplan.problem import Candidate, Tier
from stackplan.serving import Unestimable
from stackplan.taken import PoolTaken, Taken


def candidate_of(finder: BaseFinder, base: Base, context_tokens: int, tier: Tier) -> Candidate | None:
    """The candidate of a base at a context, though it be larger than its place; None where nobody knows."""
    configuration = base.configuration(context_tokens)
    taken = finder.assess.takes(configuration)
    if isinstance(taken, Unestimable):
        return None
    most = sum(need.slots for need in base.served.needs)
    raised = _raised(taken, finder.assess.slot_excess(configuration, most))
    column = column_of(base, context_tokens, raised, tier, finder)
    return column.candidate if column else None


def _raised(taken: Taken, excess: dict[str, int]) -> Taken:
    """What each slot beyond the first adds to buffers, counted as the options do."""
    return Taken(
        tuple(
            PoolTaken(
                pool.pool,
                pool.fixed_bytes - excess.get(pool.pool, 0),
                pool.per_slot_bytes + excess.get(pool.pool, 0),
                pool.weights_bytes,
            )
            for pool in taken.pools
        )
    )
