"""Measurements kept in one SQLite file of the user's state directory.

SQLite's rollback journal with full syncs: a kill at any moment leaves every committed row and nothing half-written, and
writers wait for each other. A file that is damaged or not ours is told, never deleted or replaced.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from stackplan.errors import UserError
from stackplan.measurement import Measurement, measurement_line
from stackplan.measurement_lines import LONGEST_LINE, MOST_LINES, read_measurement

_APPLICATION = 0x5354504C  # "STPL"; SQLite keeps it in the file's header, and `file` shows it
_WAIT_SECONDS = 30.0
# Each step brings the file to the next version; a published step is never changed.
_STEPS = (
    "CREATE TABLE measurement (digest TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT",
    "ALTER TABLE measurement ADD COLUMN imported INTEGER NOT NULL DEFAULT 0",
)
VERSION = len(_STEPS)
_OURS = {("table", "measurement"), ("index", "measurement")}


@dataclass(frozen=True, slots=True)
class Kept:
    """A measurement that is kept; ``imported`` when it came from a file."""

    measurement: Measurement
    imported: bool


@dataclass(frozen=True, slots=True)
class Store:
    """The measurements of one user. Every method raises `UserError` when the file cannot be used."""

    path: Path

    def keep(self, measurements: Iterable[Measurement], *, imported: bool = False) -> int:
        """Keep measurements, all or none; those that are there already stay once. How many are new."""
        rows = [(one.digest, measurement_line(one), int(imported)) for one in measurements]
        if not rows:
            return 0
        self._make_folder()
        with self._transaction(create=True) as database:
            before = _count(database)
            database.executemany("INSERT OR IGNORE INTO measurement VALUES (?, ?, ?)", rows)
            after = _count(database)
            if after > MOST_LINES:
                hint = "forget some: stackplan calibrate forget --artifact ID"
                raise UserError(f"{self.path} would hold over {MOST_LINES} measurements", hint=hint, slug="state-full")
            return after - before

    def all(self) -> tuple[Kept, ...]:
        """Everything kept, in the order of digests; nothing where nothing was ever kept. Writes nothing."""
        if not self.path.exists():
            return ()
        with self._open(create=False) as database:
            version = _version(database, self.path)
            if version == 0:
                return ()
            columns = "digest, record, imported" if version > 1 else "digest, record, 0"
            rows = database.execute(f"SELECT {columns} FROM measurement ORDER BY digest LIMIT ?", (MOST_LINES,))  # noqa: S608
            return tuple(self._read(*row) for row in rows)

    def forget(self, digests: Iterable[str]) -> int:
        """Forget measurements by digest. How many there were."""
        if not self.path.exists():
            return 0
        with self._transaction(create=False) as database:
            before = _count(database)
            database.executemany("DELETE FROM measurement WHERE digest = ?", [(digest,) for digest in digests])
            return before - _count(database)

    def _read(self, digest: str, record: str, imported: int) -> Kept:
        try:
            return Kept(read_measurement(record), bool(imported))
        except (ValueError, TypeError) as error:
            raise _damaged(self.path, f"measurement {digest[:16]!r}: {error}") from error

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _denied(self.path, error.strerror or str(error)) from error

    @contextmanager
    def _transaction(self, *, create: bool) -> Iterator[sqlite3.Connection]:
        """A database of the newest version, locked for writing; committed at the end, rolled back on any error."""
        with self._open(create=create) as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                _upgrade(database, self.path)
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    @contextmanager
    def _open(self, *, create: bool) -> Iterator[sqlite3.Connection]:
        mode = "rwc" if create else "rw"  # "rw" falls back to reading where the file is read-only
        try:
            uri = f"{self.path.absolute().as_uri()}?mode={mode}"
            connection = sqlite3.connect(uri, timeout=_WAIT_SECONDS, isolation_level=None, uri=True)
            with closing(connection) as database:
                _harden(database)
                yield database
        except sqlite3.DatabaseError as error:
            raise _told(self.path, error) from error


def _harden(database: sqlite3.Connection) -> None:
    """Full syncs, and nothing of a hostile file may run code or take memory without bound."""
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 64 * LONGEST_LINE)
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "synchronous = FULL"):
        database.execute(f"PRAGMA {pragma}")


def _version(database: sqlite3.Connection, path: Path) -> int:
    """The version of the file, 0 for an empty one. Raises `UserError` for files of others and of newer programs."""
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    holds = set(database.execute("SELECT type, tbl_name FROM sqlite_schema LIMIT 100"))
    if application != _APPLICATION and (application or version or holds):
        raise _damaged(path, "it is a database of another program")
    if not holds <= _OURS:  # a view could be endless, a trigger could do anything
        raise _damaged(path, "it holds more than measurements")
    if not 0 <= version <= VERSION:
        hint = "upgrade stackplan, or name another state folder: STACKPLAN_STATE"
        raise UserError(f"{path} was written by a newer stackplan", hint=hint, slug="state-newer")
    return int(version)


def _upgrade(database: sqlite3.Connection, path: Path) -> None:
    version = _version(database, path)
    for statement in _STEPS[version:]:
        database.execute(statement)
    if version < VERSION:
        database.execute(f"PRAGMA application_id = {_APPLICATION}")
        database.execute(f"PRAGMA user_version = {VERSION}")


def _count(database: sqlite3.Connection) -> int:
    (count,) = database.execute("SELECT count(*) FROM measurement").fetchone()
    return int(count)


def _told(path: Path, error: sqlite3.DatabaseError) -> UserError:
    """SQLite's refusal as ours; what says nothing of damage is an obstacle of the place or of the moment."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        hint = "another stackplan is writing; try again when it is done"
        return UserError(f"{path} is locked for more than {_WAIT_SECONDS:.0f} s", hint=hint, slug="state-busy")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_IOERR", "SQLITE_FULL")):
        return _denied(path, str(error))
    return _damaged(path, str(error))


def _denied(path: Path, reason: str) -> UserError:
    hint = "make room or name a folder that you may write: STACKPLAN_STATE"
    return UserError(f"cannot use {path}: {reason}", hint=hint, slug="state-denied")


def _damaged(path: Path, reason: str) -> UserError:
    line = " ".join(reason.split())[:200]
    hint = "move that file away; `stackplan calibrate import` brings back what was exported"
    return UserError(f"{path} does not hold measurements: {line}", hint=hint, slug="state-damaged")
