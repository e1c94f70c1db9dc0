"""The most worthy ways to serve a need, one after the other; looked at only as far as they are asked for."""

import heapq
from collections.abc import Iterator

from stackplan.bases import Base
from stackplan.pipeline import Space


def most_worthy(space: Space, position: int) -> Iterator[tuple[float, Base]]:
    """Bases that serve the need at ``position`` with their merits, the best first; names decide between equals.

    What a prospect holds is worth no more than its bound, so prospects are opened when their turn comes.
    """
    own = [one for one in space.prospects if space.may(position, one.served.model)]
    bounds = [(bound, one) for one in own for place, bound in one.best if place == position]
    closed = sorted(bounds, key=lambda pair: -pair[0])
    waiting: list[tuple[float, str, int, Base]] = []
    opened = count = 0
    while waiting or opened < len(closed):
        while opened < len(closed) and (not waiting or closed[opened][0] >= -waiting[0][0]):
            for base in space.bases_in(closed[opened][1]):
                merit = dict(base.merits).get(position)
                if merit is not None:
                    count += 1
                    heapq.heappush(waiting, (-merit, base.name, count, base))
            opened += 1
        if waiting:
            merit, _, _, base = heapq.heappop(waiting)
            yield -merit, base
