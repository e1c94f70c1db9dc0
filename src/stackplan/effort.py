"""How much work goes into a proof, in units that no slow machine changes: the same plan comes out everywhere."""

from dataclasses import dataclass
from math import inf, sqrt

from stackplan.values import replace

_BOUNDED = 0.16  # seconds of work that bound the space of the bundled catalog at most


@dataclass(frozen=True, slots=True)
class Stage:
    """One search for the best choice.

    ``work`` bounds branch and bound, all levels together: pivots of relaxations times their rows. It looks at all that
    could matter where that is no more than ``whole`` options, else at the ``columns`` likeliest. ``parts`` is into how
    many parts the space is split to tell what could. ``steps`` are those of walks from the best choice known. Where the
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
    """Searches one after the other, each wider than the one before, until one has proved its choice.

    After ``priced`` seconds of work (see `Meter`) no more prices are asked for, after ``reached`` no more that could
    matter is looked into, and after ``done`` no search goes on. What is left out then widens the bound.
    """

    stages: tuple[Stage, ...]
    priced: float = inf
    reached: float = inf
    done: float = inf

    def after(self, seconds: float) -> "Effort":
        """The same with more work where so many ``seconds`` of it bounded the space, as they do for large catalogs."""
        more, late = sqrt(max(1.0, seconds / _BOUNDED)), max(0.0, seconds - _BOUNDED)
        priced, reached, done = (late + more * each for each in (self.priced, self.reached, self.done))
        return replace(self, priced=priced, reached=reached, done=done)


_SOON = 5_000_000  # pivots times rows: 0.55 s of a search (`meter`)
# Of 55 bundled plans that were not proved soon a search improved 7, three whose bound was further away (2026-11).
# Half to three quarters of what is looked at are surpassed (11 plans, 2026-11; docs/adr/0018).
_FIRST = Stage(_SOON, columns=1_200, whole=4_000, near=0.01)
# All 0.03 sooner two more of 98 bundled plans have no proof; priced until 0.5, plans of sixteen roles lose up to 4 %
# (docs/adr/0019).
QUICK = Effort((_FIRST,), priced=0.55, reached=0.65, done=0.75)
_LONG = Stage(240 * _SOON, columns=20_000, whole=40_000, parts=24, steps=8_000)
THOROUGH = Effort((_FIRST, _LONG), priced=20.0, reached=60.0, done=120.0)  # `--prove` promises about two minutes
