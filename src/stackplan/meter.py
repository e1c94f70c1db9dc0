"""Work that planning did, told as the time that one processor takes for it.

A clock would end a search sooner on a slow machine, and the plan would be another one. Work is counted instead: it is
the same everywhere, and what it takes is known from measurements.
"""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "space",
    "prospect",
    "look",
    "rate",
    "base",
    "ask",
    "list",
    "row",
    "column",
    "relaxed",
    "step",
    "entered",
    "searched",
]

# Millionths of a second of one processor: least squares over the bundled plans, begun from each part timed by itself.
# At the machine's fastest pace eight in ten plans took 0.86 to 1.03 times as long (2026-11, docs/adr/0019).
# `bench/work.py` fits them anew, `bench/solve.py` sets the sum beside the clock.
MICROSECONDS: dict[Kind, float] = {
    "space": 50_000.0,  # whatever its size
    "prospect": 37.0,  # bounded
    "look": 40.0,  # a prospect looked into
    "rate": 140.0,  # a file in one place
    "base": 57.0,  # a way to run it
    "ask": 115.0,  # what it takes at each context
    "list": 2_850.0,  # prices made ready
    "row": 0.47,  # an option, or a bound of many, priced
    "column": 38.0,
    "relaxed": 0.024,  # of a relaxation's work
    "step": 4.0,  # of a walk, for each need
    "entered": 100.0,  # a column given to branch and bound
    "searched": 0.11,  # of a search's work
}


@dataclass(slots=True)
class Meter:
    """Work done so far."""

    seconds: float = 0.0
    """What it takes."""
    counts: dict[Kind, float] = field(default_factory=dict)

    def add(self, kind: Kind, count: float = 1) -> None:
        """So much more of a kind was done."""
        self.counts[kind] = self.counts.get(kind, 0.0) + count
        self.seconds += count * MICROSECONDS[kind] / 1e6


def within(seconds: float, kind: Kind) -> float:
    """How much of a kind may be done in so many seconds."""
    return max(0.0, seconds) * 1e6 / MICROSECONDS[kind]
