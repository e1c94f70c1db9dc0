"""Options that another one of the same model in the same files makes pointless, told before they are columns.

At most one instance of a model runs, so who takes no more of any pool and is worth no less to any need can always take
the other's place. Only needs count that the other serves in some choice that matters: most of what is within reach is
so for one need, and surpassed. The solver tells the same of columns (`solve.dominance`), but making them takes longer
than telling so.
"""

from collections.abc import Iterator

import numpy as np

from stackplan.arrays import Floats, Integers, Truths
from stackplan.option_rows import Rows, Terms
from stackplan.problem import TIERS

_WARM = TIERS.index("warm")
_BLOCK = 512  # options compared with all of their group at once


def surpassed(
    rows: Rows, tiers: Integers, contexts: Integers, files: Integers, matters: Truths, terms: Terms
) -> Truths:
    """Which options another of the same model, tier (and place for turns) and files surpasses.

    ``matters`` tells which needs count, by row and need. Of options that are equal none surpasses the other.
    """
    given = _traits(rows, tiers, contexts, terms)
    asked = given.copy()
    asked[:, : matters.shape[1]][~matters] = np.inf
    groups = (tiers * len(terms.keys) + rows.key) * len(terms.groups) + np.where(tiers == _WARM, rows.group, 0)
    order, lost = np.argsort(groups, kind="stable"), np.zeros(len(rows), dtype=bool)
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    for own in np.split(order, starts[1:]):
        if len(own) > 1:
            lost[own] = np.concatenate(list(_lost(given[own], asked[own], files[own])))
    return lost


def _traits(rows: Rows, tiers: Integers, contexts: Integers, terms: Terms) -> Floats:
    """What should be small: the opposite of the worth to each need, and bytes as they count in the tier."""
    floors = np.array([need.context_floor_tokens for need in terms.needs])
    values = np.where(contexts[:, None] >= floors, rows.values, -np.inf)
    warm, fixed = tiers == _WARM, rows.fixed.copy()
    if terms.mapped >= 0:
        fixed[warm, terms.mapped] -= rows.loaded[warm]
    return np.column_stack([-values, fixed, rows.per_slot, np.where(warm, rows.kept, 0)])


def _lost(given: Floats, asked: Floats, files: Integers) -> Iterator[Truths]:
    """Of each block of rows whether another of the same files gives all that is asked of it, and is not its equal."""
    differing = (given != given[0]).any(axis=0) | (asked != given[0]).any(axis=0)
    traits = list(zip(given.T[differing].copy(), asked.T[differing].copy(), strict=True))
    for begun in range(0, len(given), _BLOCK):
        others = slice(begun, begun + _BLOCK)
        surpassing = files[:, None] == files[others]
        matched = surpassing.copy()
        for gives, asks in traits:
            surpassing &= gives[:, None] <= asks[others]
            matched &= asks[:, None] >= gives[others]
        yield (surpassing & ~matched).any(axis=0)
