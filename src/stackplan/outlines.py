"""A base that was looked at closely, and its options: one for each context that fits."""

from dataclasses import dataclass

from stackplan.bases import Base
from stackplan.line_arrays import Points
from stackplan.taken import Taken


@dataclass(slots=True)
class Outline:
    """A base that was opened, and its number; its options have numbers from ``first`` on, one a point of ``points``."""

    base: Base
    number: int
    first: int = -1
    points: Points | None = None

    @property
    def options(self) -> range:
        """The numbers of its options, by context; none before they are asked for."""
        return range(self.first, self.first + len(self.points or ()))

    def context(self, option: int) -> int:
        """The context of an option that was asked for."""
        assert self.points is not None  # noqa: S101
        return self.points.contexts[option - self.first]

    def point(self, option: int) -> tuple[int, Taken]:
        """The context of an option that was asked for, and what it takes."""
        assert self.points is not None  # noqa: S101
        number = option - self.first
        return self.points.contexts[number], self.points.taken(number)
