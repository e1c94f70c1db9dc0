"""Names of columns and rows, in the user's words where a user may see them."""

from stackplan.problem import Offer
from stackplan.solve.index import Indexed
from stackplan.solve.rows import Named

_FILE, _LEVEL = "file|{}", "{} reaches level {} for {}"
_LEVEL_COLUMN = "reaches|{}|{}"


def serve(offer: Offer) -> Named:
    """Name of the column that says that the offer is taken."""
    return ("serve|{}|{}", offer.need, offer.candidate)


def run(index: Indexed, candidate: str) -> Named:
    """Name of the column that says that the candidate is deployed: that of its offer, if it has but one."""
    own = index.by_candidate[candidate]
    return serve(own[0]) if len(own) == 1 else run_column(candidate)


def run_column(candidate: str) -> Named:
    """Name of the column that says that a candidate with several offers is deployed."""
    return ("run|{}", candidate)


def file_column(name: str) -> Named:
    """Name of the column that says that a file is on disk."""
    return (_FILE, name)


def is_file_column(name: Named) -> bool:
    """Whether a column is of a file."""
    return name[0] == _FILE


def alike_column(first: str, second: str, lineage: str) -> Named:
    """Name of the column that says that two needs are served by one lineage."""
    return ("alike|{}|{}|{}", first, second, lineage)


def alike_row(first: str, second: str, lineage: str) -> Named:
    """Name of the row that tells that two needs are served by one lineage."""
    return ("alike|{}|{}|{} told", first, second, lineage)


def need_row(need: str) -> Named:
    """Name of the row that says how often a need is served."""
    return ("role {} served", need)


def key_row(key: str) -> Named:
    """Name of the row that lets one instance of the same weights run."""
    return ("one instance of {}", key)


def apart_row(key: str, group: tuple[str, ...]) -> Named:
    """Name of the row that lets the same weights serve one of needs that must differ."""
    return ("{} serves one of {}", key, "+".join(group))


def memory_row(pool: str) -> Named:
    """Name of the row of a pool's budget."""
    return ("{} memory", pool)


def cold_memory_row(pool: str) -> Named:
    """Name of the row of a pool's budget while a COLD instance runs."""
    return ("{} memory with a COLD instance", pool)


def place_column(place: str) -> Named:
    """Name of the column that says how large a place for turns is."""
    return ("{}", place)


def level_column(place: str, level: int) -> Named:
    """Name of the column that says that a place for turns reaches a level."""
    return (_LEVEL_COLUMN, place, str(level))


def level_of(column: Named) -> tuple[str, int] | None:
    """The place and level of a column that is one of `level_column`."""
    return (column[1], int(column[2])) if column[0] == _LEVEL_COLUMN else None


def level_row(place: str, level: int, one: str) -> Named:
    """Name of the row by which whoever serves a need raises a place for turns to a level."""
    return (_LEVEL, place, str(level), one)


def level_told(row: Named) -> tuple[str, int, str] | None:
    """What a row's name tells when it is one of `level_row`: place, level and need."""
    return (row[1], int(row[2]), row[3]) if row[0] == _LEVEL else None


def turn_row(place: str, need: str) -> Named:
    """Name of the row by which a place for turns holds whoever serves a need."""
    return ("{} holds whoever serves {}", place, need)
