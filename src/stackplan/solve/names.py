"""Names of columns and rows, in the user's words where a user may see them, and how demands become whole units."""

from collections.abc import Iterator

from stackplan.problem import Candidate, Offer, Take
from stackplan.solve.index import Indexed

Term = tuple[str, float]


def serve(offer: Offer) -> str:
    """Name of the column that says that the offer is taken."""
    return f"serve|{offer.need}|{offer.candidate}"


def run(index: Indexed, candidate: str) -> str:
    """Name of the column that says that the candidate is deployed: that of its offer, if it has but one."""
    own = index.by_candidate[candidate]
    return serve(own[0]) if len(own) == 1 else f"run|{candidate}"


def file_column(name: str) -> str:
    """Name of the column that says that a file is on disk."""
    return f"file|{name}"


def need_row(need: str) -> str:
    """Name of the row that says how often a need is served."""
    return f"role {need} served"


def key_row(key: str) -> str:
    """Name of the row that lets one instance of the same weights run."""
    return f"one instance of {key}"


def level_column(place: str, level: int) -> str:
    """Name of the column that says that a place for turns reaches a level."""
    return f"reaches|{place}|{level}"


def level_row(place: str, level: int, need: str) -> str:
    """Name of the row by which whoever serves a need raises a place for turns to a level."""
    return f"{place} reaches level {level} for {need}"


def level_told(row: str) -> tuple[str, int, str] | None:
    """What a row's name tells when it is one of `level_row`: place, level and need."""
    place, among, rest = row.partition(" reaches level ")
    level, _, need = rest.partition(" for ")
    return (place, int(level), need) if among else None


def turn_row(place: str, need: str) -> str:
    """Name of the row by which a place for turns holds whoever serves a need."""
    return f"{place} holds whoever serves {need}"


def candidate_terms(index: Indexed, candidate: Candidate, take: Take) -> Iterator[Term]:
    """Whole units that a candidate takes while loaded: its own, and for the slots of whom it serves."""
    unit = index.units[take.pool]
    yield run(index, candidate.id), float(take.fixed_bytes // unit)
    for offer in index.by_candidate[candidate.id]:
        yield serve(offer), float(take.per_slot_bytes * offer.slots // unit)


def loaded_units(index: Indexed, take: Take, slots: int) -> int:
    """Whole units of one loaded take, each part rounded down as `candidate_terms` does."""
    unit = index.units[take.pool]
    return take.fixed_bytes // unit + take.per_slot_bytes * slots // unit


def users(index: Indexed, pool: str, tier: str) -> Iterator[tuple[Candidate, Take]]:
    """Candidates of a tier that take from a pool, and what they take."""
    for candidate in index.candidates.values():
        if candidate.tier == tier:
            for take in candidate.takes:
                if take.pool == pool:
                    yield candidate, take
