"""Which of many options that gain are taken first: the best of each way, and not all of one model."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from stackplan.arrays import Floats, Integers
from stackplan.offered import Offered
from stackplan.option_rows import Rows

_ADDED = 150  # options taken in one round
_OF_A_MODEL, _FEW = 6, 64  # of one model, unless there are few
_AT_ONCE = 40  # looked into before it is asked whether to go on

Option = tuple[int, int]  # its number, and that of its tier


@dataclass(frozen=True, slots=True)
class Gaining:
    """Options outside that gain most at given prices, and the most that all that is outside could add."""

    options: tuple[Option, ...]
    missed: float


@dataclass(frozen=True, slots=True)
class Live:
    """Outlines that may gain, their options (and keys) one outline after the other, and by tier what each may gain.

    ``unasked`` outlines may gain as much as their ``bounds``; nobody asked for their options.
    """

    outlines: Integers
    options: Integers
    gains: Floats
    starts: Integers
    unasked: Integers
    bounds: Floats
    keys: Integers


def varied(live: Live, gains: Floats, best: Floats, least: float) -> Iterator[Option]:
    """Options that gain more than ``least``: the best of each outline, or all where these are few; few of each model.

    ``gains`` are by option and tier, ``best`` those by outline and tier.
    """
    if (best > least).sum() < _FEW:
        options, tiers = (gains > least).nonzero()
    else:
        chosen, tiers = (best > least).nonzero()
        ends = [*live.starts[1:], len(live.options)]
        spans = [slice(live.starts[outline], ends[outline]) for outline in chosen]
        tops = [gains[own, tier].argmax() for own, tier in zip(spans, tiers, strict=True)]
        options = live.starts[chosen] + np.array(tops, dtype=np.int64)
    order = np.argsort(-gains[options, tiers], kind="stable")
    crowd = np.array(counted(live.keys[options[order]])) // _OF_A_MODEL
    most = max(_FEW, min(_ADDED, int((crowd == 0).sum())))
    for at in order[np.argsort(crowd, kind="stable")][:most]:
        yield int(live.options[options[at]]), int(tiers[at])


def counted(keys: Integers) -> list[int]:
    """For each key how often it came before."""
    seen, found = Counter[int](), list[int]()
    for key in keys.tolist():
        found.append(seen[key])
        seen[key] += 1
    return found


def tops(rows: Rows, tiers: Iterable[Offered], most: int) -> Iterator[tuple[int, Offered]]:
    """The rows of each key that gain most in each tier, at most so many of them; of equals the first."""
    for tier in tiers:
        gains = tier.gains(rows)
        order = np.argsort(-gains, kind="stable")
        before = np.array(counted(rows.key[order]), dtype=np.int64)
        for row in order[(before < most) & np.isfinite(gains[order])].tolist():
            yield row, tier


def in_turn(numbers: Integers, gains: Floats, into: Callable[[Integers], None], may_go_on: Callable[[], bool]) -> float:
    """Look into what gains most first, as long as that may go on; the most that what is left may gain."""
    for begun in range(0, len(numbers), _AT_ONCE):
        if not may_go_on():
            return float(gains[begun])
        into(numbers[begun : begun + _AT_ONCE])
    return -np.inf


def most_of_each(values: Floats, gains: Floats) -> Floats:
    """For each need the most that rows which serve it may gain."""
    most: Floats = np.where(np.isfinite(values), np.maximum(gains, 0.0)[:, None], 0.0).max(axis=0, initial=0.0)
    return most
