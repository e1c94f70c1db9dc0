"""How much work goes into a proof, in units that no slow machine changes: the same plan comes out everywhere."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Stage:
    """One search for the best choice.

    ``work`` bounds branch and bound of one level: pivots of relaxations times their rows. It looks at all that could
    matter where that is no more than ``whole`` options, else at the ``columns`` likeliest. ``parts`` is into how many
    parts the space is split to tell what could. ``steps`` are those of walks from the best choice known. Where the
    bound is further than ``near`` of the value above that choice, not all is looked for: what is left out would decide,
    and the time is better spent on walks.
    """

    work: int
    columns: int
    whole: int
    parts: int = 1
    steps: int = 400
    near: float = inf


@dataclass(frozen=True, slots=True)
class Effort:
    """Searches one after the other, each wider than the one before, until one has proved its choice."""

    stages: tuple[Stage, ...]


# Some 30 million row-pivots are a second (2026-11, one busy core).
_SOON = 2_500_000
# Of 55 bundled plans that were not proved soon a search improved 7, three whose bound was further away (2026-11).
# Half to three quarters of what is looked at are surpassed (11 plans, 2026-11; docs/adr/0018).
QUICK = Effort((Stage(_SOON, columns=1_200, whole=4_000, near=0.01),))
THOROUGH = Effort((*QUICK.stages, Stage(2_400 * _SOON, columns=20_000, whole=40_000, parts=24, steps=8_000)))
