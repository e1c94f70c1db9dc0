"""What a configuration takes over context lengths, from few questions to the estimator."""

from collections.abc import Callable

from stackplan.assess import PoolTaken, Taken
from stackplan.serving import Unestimable


def filled(contexts: tuple[int, ...], ask: Callable[[int], Taken | Unestimable]) -> dict[int, Taken | Unestimable]:
    """A curve from few questions: where the middle lies on the line between two ends, so does everything between.

    Memory over context is made of straight pieces (cells per token; windows that fill; the larger of two buffers).
    """
    known: dict[int, Taken | Unestimable] = {}

    def at(position: int) -> Taken | Unestimable:
        context = contexts[position]
        if context not in known:
            known[context] = ask(context)
        return known[context]

    def fill(low: int, high: int) -> None:
        if high - low < 2:
            return
        middle = (low + high) // 2
        ends, between = (at(low), at(high)), at(middle)
        straight = all(
            _on_line(contexts[low], contexts[high], contexts[position], *ends) == at(position)
            for position in {middle, low + 1}
        )
        if straight and not isinstance(between, Unestimable):
            for position in range(low + 1, high):
                known[contexts[position]] = _on_line(contexts[low], contexts[high], contexts[position], *ends)
        else:
            fill(low, middle)
            fill(middle, high)

    at(0), at(len(contexts) - 1)
    fill(0, len(contexts) - 1)
    return known


def _on_line(
    low: int, high: int, context: int, start: Taken | Unestimable, end: Taken | Unestimable
) -> Taken | Unestimable:
    if isinstance(start, Unestimable) or isinstance(end, Unestimable):
        return start

    def between(one: int, other: int) -> int:
        return one + (other - one) * (context - low) // (high - low)

    return Taken(
        tuple(
            PoolTaken(
                first.pool,
                between(first.fixed_bytes, last.fixed_bytes),
                between(first.per_slot_bytes, last.per_slot_bytes),
                first.weights_bytes,
            )
            for first, last in zip(start.pools, end.pools, strict=True)
        )
    )


def raised(taken: Taken | Unestimable, excess: dict[str, int]) -> Taken | Unestimable:
    """The same with more for each slot beyond the first: one slot takes what it took."""
    if isinstance(taken, Unestimable) or not any(excess.values()):
        return taken
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


def with_weights_of(shape: Taken | Unestimable, own: Taken) -> Taken | Unestimable:
    """What a file takes where another file of its model takes ``shape``: only the weights differ."""
    if isinstance(shape, Unestimable):
        return shape
    weights = {pool.pool: pool.weights_bytes for pool in own.pools}
    return Taken(
        tuple(
            PoolTaken(
                pool.pool,
                pool.fixed_bytes - pool.weights_bytes + weights[pool.pool],
                pool.per_slot_bytes,
                weights[pool.pool],
            )
            for pool in shape.pools
        )
    )
