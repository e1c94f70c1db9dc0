"""The problem as a mixed-integer programme: every constraint carries a name in the user's words.

Columns: ``serve|need|candidate`` (binary), ``run|candidate``, ``slot|group|pool`` and ``cold|pool``,
``file|name``, ``alike|a|b|lineage``. Only ``serve`` needs to be binary: ``run`` is pressed to the largest of its
``serve`` by cost, never beyond.

Budgets are written in whole units of about 1/32768 of the budget, demands rounded down and budgets up. A solver's
tolerance (1e-6 of a row's scale) then never decides what fits: HiGHS was seen to cut off the true optimum when a row
was violated by two bytes, within its tolerance before presolve and outside after. The rounding only admits more; what
exceeds a budget in exact integers is cut off by `cover_row` afterwards.

Memory of one pool (DESIGN.md section 4): HOT candidates add up; WARM ones take turns within their swap group, so a
group takes its largest member (the two largest where the engine overlaps them); kept bytes of WARM ones add up; the
largest COLD one must fit beside HOT when the WARM ones are out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from stackplan.problem import Candidate, Offer, Problem, Take
from stackplan.solve.index import Indexed, unit_of
from stackplan.solve.rows import Programme
from stackplan.units import MIB

Term = tuple[str, float]


def formulate(index: Indexed, *, partial: bool = False) -> Programme:
    """All constraints, with no cost yet. ``partial`` lets required needs go unserved."""
    programme = Programme()
    for offer in index.offers:
        programme.column(serve(offer), integer=True)
    for candidate in index.candidates:
        programme.column(run(candidate))
    _need_rows(programme, index, partial)
    _link_rows(programme, index)
    _key_rows(programme, index)
    _distinct_rows(programme, index)
    for pool, budget in index.problem.pools.items():
        _pool_rows(programme, index, pool, budget)
    _disk_rows(programme, index)
    _diversity_rows(programme, index)
    return programme


def cover_row(programme: Programme, index: Indexed, name: str, cover: dict[str, str]) -> None:
    """Forbid taking all offers of ``cover`` (need -> candidate) together."""
    first = {need: group[0] for group in index.members.values() for need in group}
    terms = [(f"serve|{first.get(need, need)}|{candidate}", 1.0) for need, candidate in cover.items()]
    programme.row(name, terms, "L", len(terms) - 1.0)


def serve(offer: Offer) -> str:
    """Name of the column that says that the offer is taken."""
    return f"serve|{offer.need}|{offer.candidate}"


def run(candidate: str) -> str:
    """Name of the column that says that the candidate is deployed."""
    return f"run|{candidate}"


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
        yield run(candidate.id), sum(take.fixed_bytes + take.kept_bytes for take in candidate.takes) / MIB
        per_slot = sum(take.per_slot_bytes for take in candidate.takes) / MIB
        if per_slot:
            for offer in index.by_candidate[candidate.id]:
                yield serve(offer), per_slot * offer.slots


def disk_terms(index: Indexed) -> Iterator[Term]:
    """The fourth level: MiB on disk, every file once."""
    for name, size in _files(index).items():
        yield f"file|{name}", size / MIB


def _need_rows(programme: Programme, index: Indexed, partial: bool) -> None:
    required = {need.id for need in index.problem.needs if need.required}
    for need, offers in index.by_need.items():
        sense = "E" if need in required and not partial else "L"
        times = len(index.members.get(need, (need,)))
        programme.row(f"role {need} served", [(serve(offer), 1.0) for offer in offers], sense, float(times))


def _link_rows(programme: Programme, index: Indexed) -> None:
    for offer in index.offers:
        programme.row(
            f"{offer.candidate} runs for {offer.need}",
            [(serve(offer), 1.0), (run(offer.candidate), -1.0)],
            "L",
            0.0,
        )


def _key_rows(programme: Programme, index: Indexed) -> None:
    by_key: dict[str, list[str]] = defaultdict(list)
    for candidate in index.candidates.values():
        by_key[candidate.key].append(candidate.id)
    for key, members in by_key.items():
        if len(members) > 1:
            programme.row(f"one instance of {key}", [(run(member), 1.0) for member in members], "L", 1.0)


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
    kept = [(run(c.id), float(take.kept_bytes // unit)) for c, take in _users(index, pool, "warm")]
    slots = [(slot, 1.0) for slot in _swap_columns(programme, index, pool)]
    programme.row(f"{pool} memory", [*hot, *kept, *slots], "L", _ceiling(budget, unit))
    if cold := _turn_column(programme, index, pool, "cold", f"cold|{pool}"):
        programme.row(f"{pool} memory with a COLD instance", [*hot, (cold, 1.0)], "L", _ceiling(budget, unit))


def _swap_columns(programme: Programme, index: Indexed, pool: str) -> Iterator[str]:
    groups = sorted({candidate.swap_group for candidate, _ in _users(index, pool, "warm")})
    for group in groups:
        if group in index.problem.overlapping_groups:
            yield _two_largest_column(programme, index, pool, group)
        elif column := _turn_column(programme, index, pool, "warm", f"slot|{group}|{pool}", group):
            yield column


def _turn_column(
    programme: Programme, index: Indexed, pool: str, tier: str, name: str, group: str | None = None
) -> str | None:
    """A column at least as large as any one member: members take turns."""
    users = [(c, t) for c, t in _users(index, pool, tier) if group is None or c.swap_group == group]
    if not users:
        return None
    programme.column(name, unbounded=True)
    chosen = {candidate.id: take for candidate, take in users}
    for need, offers in index.by_need.items():
        terms = [(serve(o), _units(index, chosen[o.candidate], o.slots)) for o in offers if o.candidate in chosen]
        if terms and need not in index.members:
            programme.row(f"{name} holds whoever serves {need}", [*terms, (name, -1.0)], "L", 0.0)
    for candidate, take in users:
        own = index.by_candidate[candidate.id]
        if len(own) > 1 or own[0].need in index.members:
            terms = list(_candidate_terms(index, candidate, take))
            programme.row(f"{name} holds {candidate.id}", [*terms, (name, -1.0)], "L", 0.0)
    return name


def _two_largest_column(programme: Programme, index: Indexed, pool: str, group: str) -> str:
    """A column at least as large as the two largest members: min over t of 2t + sum of max(0, size - t)."""
    name, level = f"slot|{group}|{pool}", f"level|{group}|{pool}"
    programme.column(name, unbounded=True)
    programme.column(level, unbounded=True)
    excess: list[Term] = []
    for candidate, take in _users(index, pool, "warm"):
        if candidate.swap_group == group:
            over = programme.column(f"over|{candidate.id}|{pool}", unbounded=True)
            terms = list(_candidate_terms(index, candidate, take))
            programme.row(f"{over} is the excess", [*terms, (level, -1.0), (over, -1.0)], "L", 0.0)
            excess.append((over, 1.0))
    programme.row(f"{name} holds two", [(level, 2.0), *excess, (name, -1.0)], "L", 0.0)
    return name


def _loaded_terms(index: Indexed, pool: str, tier: str) -> Iterator[Term]:
    for candidate, take in _users(index, pool, tier):
        yield from _candidate_terms(index, candidate, take)


def _candidate_terms(index: Indexed, candidate: Candidate, take: Take) -> Iterator[Term]:
    unit = index.units[take.pool]
    yield run(candidate.id), float(take.fixed_bytes // unit)
    for offer in index.by_candidate[candidate.id]:
        yield serve(offer), float(take.per_slot_bytes * offer.slots // unit)


def _units(index: Indexed, take: Take, slots: int) -> float:
    """Whole units of one loaded take, each part rounded down as `_candidate_terms` does."""
    unit = index.units[take.pool]
    return float(take.fixed_bytes // unit + take.per_slot_bytes * slots // unit)


def _ceiling(budget: int, unit: int) -> float:
    return float(-(-budget // unit))


def _users(index: Indexed, pool: str, tier: str) -> Iterator[tuple[Candidate, Take]]:
    for candidate in index.candidates.values():
        if candidate.tier == tier:
            for take in candidate.takes:
                if take.pool == pool:
                    yield candidate, take


def _disk_rows(programme: Programme, index: Indexed) -> None:
    sizes = _files(index)
    for name in sizes:
        programme.column(f"file|{name}")
    for candidate in index.candidates.values():
        for name, _ in candidate.files:
            programme.row(f"{candidate.id} needs {name}", [(run(candidate.id), 1.0), (f"file|{name}", -1.0)], "L", 0.0)
    if index.problem.disk_bytes is not None:
        unit = unit_of(index.problem.disk_bytes)
        terms = [(f"file|{name}", float(size // unit)) for name, size in sizes.items()]
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
