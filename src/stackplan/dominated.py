"""Ways to run a model that another way makes pointless, found while they are made.

One instance of a model runs at most, so a way can go when another of the same model, in the same place with the same
cache type, takes no more bytes of any pool and of the disk and is worth no less to any need: whatever a plan does with
the first it can do with the second. Nothing here looks at how large a pool is, so that more memory takes no way away.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stackplan.catalog import Artifact
from stackplan.configuration import Ahead
from stackplan.serving import Placement

# Between the files of a model that is cut. Of experts few are touched, so that nearly each file counts; what whole
# layers in host memory cost hides all but large steps.
EXPERT_SPACING, LAYER_SPACING = 1.05, 1.25


class Way(Protocol):
    """What is compared; see `bases.Base`."""

    @property
    def artifact(self) -> Artifact:
        """The file."""

    @property
    def placement(self) -> Placement:
        """Where it is."""

    @property
    def kv_type(self) -> str:
        """The type of its cache."""

    @property
    def merits(self) -> tuple[tuple[int, float], ...]:
        """What it is worth, by need."""

    @property
    def ahead(self) -> Ahead | None:
        """Who proposes tokens to it."""


@dataclass(slots=True)
class Undominated:
    """Lets ways of one model pass, smaller files first, but for those that one before them makes pointless."""

    _kept: dict[tuple[Placement, str, str], list[tuple[Way, Sequence[int]]]] = field(default_factory=dict)

    def admits(self, way: Way, held: Sequence[int]) -> bool:
        """Whether no way that was admitted before is as good in every respect; remembers the way if so.

        ``held`` are the bytes that its file adds, pool by pool; empty where nobody can tell them from the rest.
        """
        kept = self._kept.setdefault((way.placement, way.kv_type, way.ahead.name if way.ahead else ""), [])
        if any(dominates(other, way, ours, held) for other, ours in kept):
            return False
        kept.append((way, held))
        return True


def dominates(one: Way, other: Way, ours: Sequence[int], theirs: Sequence[int]) -> bool:
    """Whether ``one`` takes no more than ``other``, of the same place and cache type, and is worth as much or more.

    ``ours`` and ``theirs`` are what tells their bytes apart: all else is the same for each file of a model.
    """
    worth = dict(one.merits)
    if any(worth.get(need, -1.0) < merit for need, merit in other.merits):
        return False
    if one.artifact.file_bytes > other.artifact.file_bytes or _staged(one) > _staged(other):
        return False
    return 0 < len(ours) == len(theirs) and all(mine <= their for mine, their in zip(ours, theirs, strict=True))


def _staged(way: Way) -> int:
    """What buffers beside the weights depend on, of a model that is cut: its largest tensor."""
    weights = way.artifact.weights
    return max(weights.largest_layer_tensor_bytes, weights.largest_expert_tensor_bytes) if weights else 0


def best_files(
    files: Iterable[Artifact], pinned: Collection[str], kept: Callable[[Artifact], float]
) -> list[tuple[Artifact, float]]:
    """Files, ascending, that are not both larger and more lossy than another; of a ``pinned`` quantisation all.

    At most one instance of a model runs, so the better file can always take the place of the worse. ``kept`` is the
    share of quality that a file keeps; it is told of each.
    """
    found: list[tuple[Artifact, float]] = []
    most = -1.0
    for file in sorted(files, key=lambda file: (file.file_bytes, file.id)):
        quality = kept(file)
        if quality > most or file.quantisation in pinned:
            found.append((file, quality))
            most = max(most, quality)
    return found


def spaced(files: Sequence[Artifact], pinned: Collection[str], spacing: float) -> tuple[Artifact, ...]:
    """Of ascending files the smallest, each that is ``spacing`` times as large as the last, and those ``pinned``."""
    found: list[Artifact] = []
    for file in files:
        if not found or file.file_bytes >= spacing * found[-1].file_bytes or file.quantisation in pinned:
            found.append(file)
    return tuple(found)
