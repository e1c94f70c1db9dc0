"""How much work goes into a proof, in units that no slow machine changes: the same plan comes out everywhere."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """Bounds on the search for the best choice.

    ``work`` bounds branch and bound of one level: pivots of relaxations times their rows. ``columns`` are the options
    that it may look at, the likeliest of what could matter. ``parts`` is into how many parts the space is split to tell
    what could.
    """

    work: int
    columns: int
    parts: int


# Some 30 million row-pivots are a second (2026-11, one busy core).
QUICK = Effort(work=30_000_000, columns=2_500, parts=1)
THOROUGH = Effort(work=6_000_000_000, columns=20_000, parts=24)
