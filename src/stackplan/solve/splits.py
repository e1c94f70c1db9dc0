"""Ways to split a relaxation's choice in two: what branch and bound tries.

Single columns hardly move a bound where a thousand options are nearly alike. What does: whether a place for turns is at
least so large, whether a model runs at all, whether it serves a need, and the lighter or the heavier half of a
model's ways to run (branching on generalised upper bounds: Beale and Tomlin, 1970).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import Struct

from stackplan.solve.index import Indexed
from stackplan.solve.names import key_row, need_row
from stackplan.solve.rows import Programme
from stackplan.solve.turns import levels_in

_WHOLE = 1e-6  # how far from 0 and 1 a relaxed column still counts as whole
_OF_A_KIND = 3


@dataclass(frozen=True, slots=True)
class Bars:
    """What one half of a split forbids, said so that it holds for options that were not there when it was made."""

    keys: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()  # need and the key that does not serve it
    only: tuple[tuple[str, str], ...] = ()  # need and the one key that may serve it
    below: tuple[tuple[str, int], ...] = ()  # place and the units that nobody who takes a turn there reaches


class Side(Struct, frozen=True):
    """One half of a split: columns that must be 0, columns that must be 1, and rows with a lower limit of 1.

    ``bars`` tells the same in words; None where words do not tell it.
    """

    zero: tuple[int, ...] = ()
    one: tuple[int, ...] = ()
    at_least_one: tuple[int, ...] = ()
    bars: Bars | None = None


Split = tuple[Side, Side]


@dataclass(frozen=True, slots=True)
class Structure:
    """Numbers of a programme's columns and rows by what they mean."""

    serving: dict[str, tuple[tuple[int, str], ...]]  # need -> (column, key)
    running: dict[str, tuple[int, ...]]  # key -> run columns, lightest first
    levels: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]  # place -> columns and units, smallest level first
    need_rows: dict[str, int]
    key_rows: dict[str, int]
    single: tuple[str, ...]  # needs that are served once

    @property
    def serve_columns(self) -> Iterable[int]:
        """Every column that must be whole in an answer."""
        return (column for pairs in self.serving.values() for column, _ in pairs)


def structure_of(index: Indexed, programme: Programme) -> Structure:
    """What the columns and rows of ``index``'s programme mean."""
    rows, numbers = {name: row for row, name in enumerate(programme.rows)}, index.numbers
    running: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for candidate, column in zip(index.candidates.values(), numbers.run.tolist(), strict=True):
        weight = sum(take.fixed_bytes + take.per_slot_bytes for take in candidate.takes)
        running[candidate.key].append((weight, column))
    serving: dict[str, list[tuple[int, str]]] = {need: [] for need in index.by_need}
    for column, (offer, candidate) in enumerate(zip(index.offers, numbers.candidate.tolist(), strict=True)):
        serving[offer.need].append((column, numbers.keys[numbers.key[candidate]]))
    return Structure(
        serving={need: tuple(own) for need, own in serving.items()},
        running={key: tuple(column for _, column in sorted(found)) for key, found in running.items()},
        levels=tuple((place, tuple(levels)) for place, levels in levels_in(programme, index)),
        need_rows={need: rows[need_row(need)] for need in index.by_need},
        key_rows={key: rows[key_row(key)] for key in running if key_row(key) in rows},
        single=tuple(need for need in index.by_need if need not in index.members),
    )


def splits(structure: Structure, values: Sequence[float]) -> list[Split]:
    """A few splits that each cut off the relaxed point ``values``; empty when the point is whole."""
    if all(_is_whole(values[column]) for column in structure.serve_columns):
        return []
    found = [
        *_best(_level_splits(structure, values)),
        *_best(_key_splits(structure, values)),
        *_best(_need_splits(structure, values)),
        *_best(_half_splits(structure, values)),
    ]
    return found or _column_splits(structure, values)


Scored = tuple[float, Split]


def _best(scored: Iterable[Scored]) -> list[Split]:
    ordered = sorted(scored, key=lambda pair: -pair[0])
    return [split for _, split in ordered[:_OF_A_KIND]]


def _level_splits(structure: Structure, values: Sequence[float]) -> Iterable[Scored]:
    """The place for turns is smaller than a level, or at least as large."""
    for place, levels in structure.levels:
        columns = tuple(column for column, _ in levels)
        for position, (column, units) in enumerate(levels):
            if not _is_whole(values[column]):
                below = Side(zero=columns[position:], bars=Bars(below=((place, units),)))
                yield _evenness(values[column]), (below, Side(one=columns[: position + 1], bars=Bars()))


def _key_splits(structure: Structure, values: Sequence[float]) -> Iterable[Scored]:
    """No instance of a model runs, or one does."""
    for key, row in structure.key_rows.items():
        columns = structure.running[key]
        share = sum(values[column] for column in columns)
        if not _is_whole(share):
            without = Side(zero=columns, bars=Bars(keys=(key,)))
            yield _evenness(share), (without, Side(at_least_one=(row,), bars=Bars()))


def _need_splits(structure: Structure, values: Sequence[float]) -> Iterable[Scored]:
    """A need is served by a model, or by another one or none."""
    for need in structure.single:
        shares: dict[str, float] = defaultdict(float)
        for column, key in structure.serving[need]:
            shares[key] += values[column]
        for key, share in shares.items():
            if not _is_whole(share):
                own = tuple(column for column, other in structure.serving[need] if other == key)
                others = tuple(column for column, other in structure.serving[need] if other != key)
                yes = Side(zero=others, at_least_one=(structure.need_rows[need],), bars=Bars(only=((need, key),)))
                yield _evenness(share), (Side(zero=own, bars=Bars(pairs=((need, key),))), yes)


def _half_splits(structure: Structure, values: Sequence[float]) -> Iterable[Scored]:
    """A model runs in one of its lighter ways, or in one of its heavier ways."""
    for columns in structure.running.values():
        used = [column for column in columns if values[column] > _WHOLE]
        if len(used) > 1:
            total, light = sum(values[column] for column in used), 0.0
            for position, column in enumerate(used[:-1]):
                light += values[column]
                if light >= total / 2 or position == len(used) - 2:
                    cut = columns.index(used[position + 1])
                    yield _evenness(light), (Side(zero=columns[cut:]), Side(zero=columns[:cut]))
                    break


def _column_splits(structure: Structure, values: Sequence[float]) -> list[Split]:
    fractional = [column for column in structure.serve_columns if not _is_whole(values[column])]
    column = max(fractional, key=lambda column: (_evenness(values[column]), -column))
    return [(Side(zero=(column,)), Side(one=(column,)))]


def _evenness(share: float) -> float:
    return min(share, 1.0 - share) if share < 1.0 else 0.0


def _is_whole(value: float) -> bool:
    return abs(value - round(value)) <= _WHOLE
