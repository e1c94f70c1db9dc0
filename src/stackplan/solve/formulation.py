"""The problem as a mixed-integer programme: every constraint carries a name in the user's words.

Columns: ``serve|need|candidate`` (binary), ``run|candidate``, ``slot|group|pool`` and ``cold|pool``,
``file|name``, ``alike|a|b|lineage``. Only ``serve`` needs to be binary: ``run`` is pressed to the largest of its
``serve`` by cost, never beyond. A candidate with one offer runs when that is taken, and needs no column of its own.

Budgets are written in whole units of about 1/262144 of the budget, demands rounded down and budgets up. A solver's
tolerance then never decides what fits: HiGHS was seen to cut off the true optimum when a row was violated by two bytes.
The rounding only admits more; what exceeds a budget in exact integers is cut off afterwards (`exact`).

Memory of one pool (DESIGN.md section 4): HOT candidates add up; WARM ones take turns within their swap group, so a
group takes its largest member (the two largest where the engine overlaps them); kept bytes of WARM ones add up; the
largest COLD one must fit beside HOT when the WARM ones are out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from stackplan.arrays import Floats, Integers
from stackplan.problem import TIERS, Problem
from stackplan.solve.index import Indexed, Loaded, unit_of
from stackplan.solve.names import (
    alike_column,
    alike_row,
    apart_row,
    cold_memory_row,
    file_column,
    key_row,
    memory_row,
    need_row,
    run,
    run_column,
    serve,
)
from stackplan.solve.rows import Programme, Term
from stackplan.solve.turns import cold_column, warm_columns
from stackplan.solve.usage import disk_may_bind
from stackplan.units import MIB


def formulate(index: Indexed, *, partial: bool = False, files: bool = False) -> Programme:
    """All constraints, with no cost yet. ``partial`` lets required needs go unserved.

    Files have columns where the disk could be too small for them, or where ``files`` asks for them.
    """
    programme = Programme()
    programme.columns = [serve(offer) for offer in index.offers]
    programme.integer = set(range(len(index.offers)))
    deployed = zip(index.candidates, index.numbers.several.tolist(), strict=True)
    programme.columns += [run_column(candidate) for candidate, several in deployed if several]
    _need_rows(programme, index, partial)
    if index.offers:
        _link_rows(programme, index)
        _key_rows(programme, index)
        _distinct_rows(programme, index)
    for pool, budget in index.problem.pools.items():
        _pool_rows(programme, index, pool, budget)
        _alone_rows(programme, index, pool, budget)
    if files or disk_may_bind(index.problem, index.candidates.values()):
        _disk_rows(programme, index)
    _diversity_rows(programme, index)
    return programme


def value_terms(index: Indexed) -> Iterator[Term]:
    """The second level: value of every offer, less diversity penalties."""
    for offer in index.offers:
        yield serve(offer), float(offer.value)
    for rule in index.problem.diversities:
        for lineage in _lineages(index.problem):
            yield alike_column(rule.first, rule.second, lineage), -float(rule.penalty)


def memory_terms(index: Indexed) -> Iterator[Term]:
    """The third level: MiB over all pools of everything deployed."""
    for candidate in index.candidates.values():
        yield run(index, candidate.id), sum(take.fixed_bytes + take.kept_bytes for take in candidate.takes) / MIB
        per_slot = sum(take.per_slot_bytes for take in candidate.takes) / MIB
        if per_slot:
            for offer in index.by_candidate[candidate.id]:
                yield serve(offer), per_slot * offer.slots


def disk_terms(index: Indexed) -> Iterator[Term]:
    """The fourth level: MiB on disk, every file once."""
    for name, size in _files(index).items():
        yield file_column(name), size / MIB


def _need_rows(programme: Programme, index: Indexed, partial: bool) -> None:
    required = {need.id for need in index.problem.needs if need.required}
    for number, (need, offers) in enumerate(index.by_need.items()):
        sense = "E" if need in required and not partial else "L"
        times = len(index.members.get(need, (need,)))
        own = np.flatnonzero(index.numbers.need == number)
        programme.add([need_row(need)], np.zeros_like(own), own, np.ones(len(offers)), sense, float(times))


def _link_rows(programme: Programme, index: Indexed) -> None:
    numbers = index.numbers
    offers = np.flatnonzero(numbers.several[numbers.candidate])
    named = [index.offers[number] for number in offers.tolist()]
    names = [("{} runs for {}", offer.candidate, offer.need) for offer in named]
    rows, ones = np.arange(len(offers)), np.ones(len(offers))
    columns = np.concatenate([offers, numbers.run[numbers.candidate[offers]]])
    programme.add(names, np.concatenate([rows, rows]), columns, np.concatenate([ones, -ones]), "L", 0.0)


def _key_rows(programme: Programme, index: Indexed) -> None:
    numbers = index.numbers
    programme.add([key_row(key) for key in numbers.keys], numbers.key, numbers.run, np.ones(len(numbers.run)), "L", 1.0)


def _distinct_rows(programme: Programme, index: Indexed) -> None:
    place = {need: number for number, need in enumerate(index.by_need)}
    numbers = index.numbers
    for group in index.problem.distinct:
        if group[0] in index.members:
            continue  # one instance of a key serves the merged need once
        by_key: dict[int, list[int]] = defaultdict(list)
        for need in group:
            for offer in np.flatnonzero(numbers.need == place.get(need, -1)).tolist():
                by_key[int(numbers.key[numbers.candidate[offer]])].append(offer)
        for key, offers in by_key.items():
            programme.row(apart_row(numbers.keys[key], group), [(offer, 1.0) for offer in offers], "L", 1.0)


def _pool_rows(programme: Programme, index: Indexed, pool: str, budget: int) -> None:
    numbers, limit = index.numbers, _ceiling(budget, index.units[pool])
    hot, warm = (numbers.loaded.get((pool, tier)) for tier in ("hot", "warm"))
    columns, sizes = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    if hot is not None:
        columns += [numbers.run[hot.candidates], hot.offers]
        sizes += [hot.fixed.astype(np.float64), hot.slots.astype(np.float64)]
    own = _joined(columns, sizes)
    if warm is not None:
        columns.append(numbers.run[warm.candidates])
        sizes.append(warm.kept.astype(np.float64))
    places = warm_columns(programme, index, pool)
    columns.append(np.array(places, dtype=np.int64))
    sizes.append(np.ones(len(places)))
    chosen, values = _joined(columns, sizes)
    programme.add([memory_row(pool)], np.zeros_like(chosen), chosen, values, "L", limit)
    if (cold := cold_column(programme, index, pool)) is not None:
        chosen, values = np.append(own[0], cold), np.append(own[1], 1.0)
        programme.add([cold_memory_row(pool)], np.zeros_like(chosen), chosen, values, "L", limit)


def _joined(columns: list[Integers], sizes: list[Floats]) -> tuple[Integers, Floats]:
    return np.concatenate(columns), np.concatenate(sizes)


def _alone_rows(programme: Programme, index: Indexed, pool: str, budget: int) -> None:
    """A candidate fits alone with the slots of whom it serves: part of it must not serve as if all of it fitted."""
    limit = int(_ceiling(budget, index.units[pool]))
    for tier in TIERS:
        if (loaded := index.numbers.loaded.get((pool, tier))) is not None:
            _alone_rows_of(programme, index, loaded, pool, limit)


def _alone_rows_of(programme: Programme, index: Indexed, loaded: Loaded, pool: str, limit: int) -> None:
    numbers, candidates = index.numbers, tuple(index.candidates)
    asked = np.zeros(len(loaded.candidates), dtype=np.int64)
    np.add.at(asked, loaded.places, loaded.slots)
    own = loaded.some(numbers.several[loaded.candidates] & (asked > limit - loaded.fixed - loaded.kept))
    programme.add(
        [("{} fits {} alone", candidates[number], pool) for number in own.candidates.tolist()],
        np.concatenate([np.arange(len(own.candidates)), own.places]),
        np.concatenate([numbers.run[own.candidates], own.offers]),
        np.concatenate([own.fixed + own.kept - limit, own.slots]).astype(np.float64),
        "L",
        0.0,
    )


def _ceiling(budget: int, unit: int) -> float:
    return float(-(-budget // unit))


def _disk_rows(programme: Programme, index: Indexed) -> None:
    sizes = _files(index)
    columns = {name: programme.column(file_column(name)) for name in sizes}
    for candidate, running in zip(index.candidates.values(), index.numbers.run.tolist(), strict=True):
        for name, _ in candidate.files:
            row = ("{} needs {}", candidate.id, name)
            programme.row(row, [(running, 1.0), (columns[name], -1.0)], "L", 0.0)
    if index.problem.disk_bytes is not None:
        unit = unit_of(index.problem.disk_bytes)
        terms = [(columns[name], float(size // unit)) for name, size in sizes.items()]
        programme.row(("disk",), terms, "L", _ceiling(index.problem.disk_bytes, unit))


def _diversity_rows(programme: Programme, index: Indexed) -> None:
    for rule in index.problem.diversities:
        related = list(_related(index, (rule.first, rule.second)))
        for lineage in _lineages(index.problem):
            column = programme.column(alike_column(rule.first, rule.second, lineage))
            terms = [(offer, 1.0) for offer, own in related if own == lineage]
            programme.row(alike_row(rule.first, rule.second, lineage), [*terms, (column, -1.0)], "L", 1.0)


def _related(index: Indexed, needs: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Offers to needs, and the lineages of their candidates."""
    place = {need: number for number, need in enumerate(index.by_need)}
    for need in needs:
        for number in np.flatnonzero(index.numbers.need == place.get(need, -1)).tolist():
            yield number, index.candidates[index.offers[number].candidate].lineage


def _files(index: Indexed) -> dict[str, int]:
    return {name: size for candidate in index.candidates.values() for name, size in candidate.files}


def _lineages(problem: Problem) -> list[str]:
    return sorted({candidate.lineage for candidate in problem.candidates if candidate.lineage})
