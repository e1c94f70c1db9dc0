"""Part of a space: whom it may serve with what."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from stackplan.bases import Base
from stackplan.catalog import Artifact, Model
from stackplan.values import replace


class May(Protocol):
    """Whether the need at a position may be served by a model, in a file, run so."""

    def __call__(self, position: int, model: Model, file: Artifact | None = None, base: Base | None = None, /) -> bool:
        """As far as is known already: what is None may be any."""


def anything(position: int, model: Model, file: Artifact | None = None, base: Base | None = None, /) -> bool:  # noqa: ARG001
    """The whole space."""
    return True


def narrowed(bases: Iterable[Base], may: May) -> Iterator[Base]:
    """Bases as far as they serve whom they may."""
    if may is anything:
        yield from bases
        return
    for base in bases:
        merits = tuple([one for one in base.merits if may(one[0], base.served.model, base.artifact, base)])
        if merits:
            yield base if len(merits) == len(base.merits) else replace(base, merits=merits)
