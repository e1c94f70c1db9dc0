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

from stackplan.problem import TIERS, Offer, Problem, Take
from stackplan.solve.index import Indexed, unit_of
from stackplan.solve.names import Term, candidate_terms, file_column, key_row, need_row, run, serve, users
from stackplan.solve.rows import Programme
from stackplan.solve.turns import cold_column, warm_columns
from stackplan.units import MIB


def formulate(index: Indexed, *, partial: bool = False, files: bool = False) -> Programme:
    """All constraints, with no cost yet. ``partial`` lets required needs go unserved.

    Files have columns where the disk could be too small for them, or where ``files`` asks for them.
    """
    programme = Programme()
    for offer in index.offers:
        programme.column(serve(offer), integer=True)
    for candidate in index.candidates:
        programme.column(run(index, candidate))
    _need_rows(programme, index, partial)
    _link_rows(programme, index)
    _key_rows(programme, index)
    _distinct_rows(programme, index)
    for pool, budget in index.problem.pools.items():
        _pool_rows(programme, index, pool, budget)
        _alone_rows(programme, index, pool, budget)
    if files or _disk_may_bind(index):
        _disk_rows(programme, index)
    _diversity_rows(programme, index)
    return programme


def value_terms(index: Indexed) -> Iterator[Term]:
    """The second level: value of every offer, less diversity penalties."""
    for offer in index.offers:
        yield serve(offer), float(offer.value)
    for rule in index.problem.diversities:
        for lineage in _lineages(index.problem):
            yield _alike(rule.first, rule.second, lineage), -float(rule.penalty)


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
    for need, offers in index.by_need.items():
        sense = "E" if need in required and not partial else "L"
        times = len(index.members.get(need, (need,)))
        programme.row(need_row(need), [(serve(offer), 1.0) for offer in offers], sense, float(times))


def _link_rows(programme: Programme, index: Indexed) -> None:
    for offer in index.offers:
        running = run(index, offer.candidate)
        if running != serve(offer):
            terms = [(serve(offer), 1.0), (running, -1.0)]
            programme.row(f"{offer.candidate} runs for {offer.need}", terms, "L", 0.0)


def _key_rows(programme: Programme, index: Indexed) -> None:
    by_key: dict[str, list[str]] = defaultdict(list)
    for candidate in index.candidates.values():
        by_key[candidate.key].append(candidate.id)
    for key, members in by_key.items():
        programme.row(key_row(key), [(run(index, member), 1.0) for member in members], "L", 1.0)


def _distinct_rows(programme: Programme, index: Indexed) -> None:
    for group in index.problem.distinct:
        if group[0] in index.members:
            continue  # one instance of a key serves the merged need once
        by_key: dict[str, list[Term]] = defaultdict(list)
        for need in group:
            for offer in index.by_need.get(need, ()):
                by_key[index.candidates[offer.candidate].key].append((serve(offer), 1.0))
        for key, terms in by_key.items():
            programme.row(f"{key} serves one of {'+'.join(group)}", terms, "L", 1.0)


def _pool_rows(programme: Programme, index: Indexed, pool: str, budget: int) -> None:
    unit = index.units[pool]
    hot = list(_loaded_terms(index, pool, "hot"))
    kept = [(run(index, c.id), float(take.kept_bytes // unit)) for c, take in users(index, pool, "warm")]
    slots = [(slot, 1.0) for slot in warm_columns(programme, index, pool)]
    programme.row(f"{pool} memory", [*hot, *kept, *slots], "L", _ceiling(budget, unit))
    if cold := cold_column(programme, index, pool):
        programme.row(f"{pool} memory with a COLD instance", [*hot, (cold, 1.0)], "L", _ceiling(budget, unit))


def _alone_rows(programme: Programme, index: Indexed, pool: str, budget: int) -> None:
    """A candidate fits alone with the slots of whom it serves: part of it must not serve as if all of it fitted."""
    limit = _ceiling(budget, index.units[pool])
    for tier in TIERS:
        for candidate, take in users(index, pool, tier):
            own = index.by_candidate[candidate.id]
            if len(own) > 1 and sum(_slots(index, take, offer) for offer in own) > limit - _fixed(index, take):
                slots = [(serve(offer), float(_slots(index, take, offer))) for offer in own]
                terms = [*slots, (run(index, candidate.id), _fixed(index, take) - limit)]
                programme.row(f"{candidate.id} fits {pool} alone", terms, "L", 0.0)


def _fixed(index: Indexed, take: Take) -> float:
    return float(take.fixed_bytes // index.units[take.pool] + take.kept_bytes // index.units[take.pool])


def _slots(index: Indexed, take: Take, offer: Offer) -> int:
    return take.per_slot_bytes * offer.slots // index.units[take.pool]


def _loaded_terms(index: Indexed, pool: str, tier: str) -> Iterator[Term]:
    for candidate, take in users(index, pool, tier):
        yield from candidate_terms(index, candidate, take)


def _ceiling(budget: int, unit: int) -> float:
    return float(-(-budget // unit))


def _disk_may_bind(index: Indexed) -> bool:
    if index.problem.disk_bytes is None:
        return False
    largest = sorted((sum(size for _, size in c.files) for c in index.candidates.values()), reverse=True)
    return sum(largest[: len(index.problem.needs)]) > index.problem.disk_bytes


def _disk_rows(programme: Programme, index: Indexed) -> None:
    sizes = _files(index)
    for name in sizes:
        programme.column(file_column(name))
    for candidate in index.candidates.values():
        for name, _ in candidate.files:
            programme.row(
                f"{candidate.id} needs {name}", [(run(index, candidate.id), 1.0), (file_column(name), -1.0)], "L", 0.0
            )
    if index.problem.disk_bytes is not None:
        unit = unit_of(index.problem.disk_bytes)
        terms = [(file_column(name), float(size // unit)) for name, size in sizes.items()]
        programme.row("disk", terms, "L", _ceiling(index.problem.disk_bytes, unit))


def _diversity_rows(programme: Programme, index: Indexed) -> None:
    for rule in index.problem.diversities:
        for lineage in _lineages(index.problem):
            column = programme.column(_alike(rule.first, rule.second, lineage))
            terms = list(_lineage_terms(index, (rule.first, rule.second), lineage))
            programme.row(f"{column} told", [*terms, (column, -1.0)], "L", 1.0)


def _lineage_terms(index: Indexed, needs: Iterable[str], lineage: str) -> Iterator[Term]:
    for need in needs:
        for offer in index.by_need.get(need, ()):
            if index.candidates[offer.candidate].lineage == lineage:
                yield serve(offer), 1.0


def _files(index: Indexed) -> dict[str, int]:
    return {name: size for candidate in index.candidates.values() for name, size in candidate.files}


def _lineages(problem: Problem) -> list[str]:
    return sorted({candidate.lineage for candidate in problem.candidates if candidate.lineage})


def _alike(first: str, second: str, lineage: str) -> str:
    return f"alike|{first}|{second}|{lineage}"
