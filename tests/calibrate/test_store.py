"""What is kept stays kept: many writers at once, kills at any moment, damaged and foreign files."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.calibrate.samples import SAMPLE, numbered

from stackplan.calibration_store import VERSION, Store
from stackplan.errors import UserError
from stackplan.measurement import Measurement

ROOT = Path(__file__).resolve().parents[2]
# Keeps one measurement after the other and says so after each commit; a number that was told must never be lost.
WRITER = """
import sys
from pathlib import Path
from tests.calibrate.samples import numbered
from stackplan.calibration_store import Store
store = Store(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    store.keep([numbered(number)])
    print(number, flush=True)
"""


def writer(path: Path, first: int, end: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(end)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def kept(store: Store) -> list[Measurement]:
    return [one.measurement for one in store.all()]


def numbers(store: Store) -> set[int]:
    return {int(one.artifact.removeprefix("model-").partition(":")[0]) for one in kept(store)}


def assert_sound(path: Path) -> None:
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state" / "measurements.sqlite3")


def test_what_is_kept_comes_back_as_it_was(store: Store) -> None:
    assert store.keep([SAMPLE, numbered(1)]) == 2
    assert sorted(kept(store), key=lambda one: one.digest) == sorted([SAMPLE, numbered(1)], key=lambda one: one.digest)


def test_keeping_again_changes_nothing(store: Store) -> None:
    store.keep([SAMPLE])
    assert store.keep([SAMPLE], imported=True) == 0
    assert [one.imported for one in store.all()] == [False]


def test_nothing_is_written_until_something_is_kept(store: Store) -> None:
    assert (store.all(), store.forget(["x"]), store.keep([])) == ((), 0, 0)
    assert not store.path.parent.exists()


def test_only_what_is_named_is_forgotten(store: Store) -> None:
    store.keep([SAMPLE, numbered(1)])
    assert store.forget([SAMPLE.digest, "no such"]) == 1
    assert kept(store) == [numbered(1)]


def test_the_file_is_for_its_owner_alone(store: Store) -> None:
    store.keep([SAMPLE])
    assert store.path.parent.stat().st_mode & 0o077 == 0


def test_six_writers_at_once_lose_nothing(store: Store) -> None:
    processes = [writer(store.path, 100 * one, 100 * one + 15) for one in range(6)]
    told = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 6
    assert numbers(store) == {int(line) for text in told for line in text.split()}
    assert len(numbers(store)) == 90
    assert_sound(store.path)


def kill_often(store: Store, times: int) -> None:
    """Kill a writer at a random moment, again and again, while a second one goes on writing."""
    chance = random.Random(11)  # noqa: S311  (the same moments every time, as far as a clock allows)
    told: set[int] = set()
    for round_ in range(times):
        doomed, other = writer(store.path, 1000 * round_, 1000 * round_ + 999), None
        if round_ % 4 == 0:
            other = writer(store.path, 1000 * round_ + 999_000, 1000 * round_ + 999_003)
        assert doomed.stdout is not None
        told.add(int(doomed.stdout.readline()))
        time.sleep(chance.random() * 0.05)
        doomed.send_signal(signal.SIGKILL)
        told |= {int(line) for line in doomed.communicate()[0].split()}
        if other is not None:
            told |= {int(line) for line in other.communicate(timeout=60)[0].split()}
            assert other.returncode == 0
        assert told <= numbers(store), "a committed row was lost"
    assert_sound(store.path)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is how a process ends without a last word")
def test_ten_kills_lose_no_row_that_was_committed(store: Store) -> None:
    kill_often(store, 10)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is how a process ends without a last word")
def test_fifty_kills_lose_no_row_that_was_committed(store: Store) -> None:
    kill_often(store, 50)


def test_a_file_of_the_first_version_is_brought_up_to_date_with_its_rows(store: Store) -> None:
    store.keep([SAMPLE])
    with sqlite3.connect(store.path) as database:
        database.execute("ALTER TABLE measurement DROP COLUMN imported")
        database.execute("PRAGMA user_version = 1")
    database.close()
    assert kept(store) == [SAMPLE]  # reading does not change it
    store.keep([numbered(1)], imported=True)
    assert {one.measurement.artifact: one.imported for one in store.all()} == {
        SAMPLE.artifact: False,
        numbered(1).artifact: True,
    }
    with sqlite3.connect(store.path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    database.close()


def refusals(store: Store) -> set[str]:
    found = set()
    for work in (store.all, lambda: store.keep([SAMPLE]), lambda: store.forget(["x"])):
        with pytest.raises(UserError) as refused:
            work()
        assert refused.value.hint
        assert str(store.path) in refused.value.message
        found.add(refused.value.slug)
    return found


@pytest.mark.parametrize("content", [b"thesis", b"SQLite format 3\0" + b"\xff" * 5000, bytes(range(256)) * 40])
def test_a_file_that_is_no_database_is_told_and_left_alone(store: Store, content: bytes) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(content)
    assert refusals(store) == {"state-damaged"}
    assert store.path.read_bytes() == content


def test_a_database_of_another_program_is_told_and_left_alone(store: Store) -> None:
    store.path.parent.mkdir()
    with sqlite3.connect(store.path) as database:
        database.execute("CREATE TABLE measurement (digest, record, imported)")
    database.close()
    before = store.path.read_bytes()
    assert refusals(store) == {"state-damaged"}
    assert store.path.read_bytes() == before


def test_a_file_of_a_newer_stackplan_is_told_and_left_alone(store: Store) -> None:
    store.keep([SAMPLE])
    with sqlite3.connect(store.path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    assert refusals(store) == {"state-newer"}


def test_pages_that_went_bad_are_told(store: Store) -> None:
    store.keep([numbered(number) for number in range(300)])
    content = bytearray(store.path.read_bytes())
    content[4096:-4096] = b"\xa5" * (len(content) - 8192)
    store.path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        store.all()
    assert refused.value.slug == "state-damaged"
    assert store.path.read_bytes() == content


def test_a_row_that_somebody_edited_is_told(store: Store) -> None:
    store.keep([SAMPLE])
    with sqlite3.connect(store.path) as database:
        database.execute("UPDATE measurement SET record = replace(record, '\"median\":100.0', '\"median\":-1')")
    database.close()
    with pytest.raises(UserError, match=r"decode\.median"):
        store.all()


def test_a_view_in_place_of_the_table_runs_nothing(store: Store) -> None:
    store.keep([SAMPLE])
    with sqlite3.connect(store.path) as database:
        database.execute("DROP TABLE measurement")
        endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
        endless += " SELECT x AS digest, x AS record, 0 AS imported FROM n"
        database.execute(f"CREATE VIEW measurement AS {endless}")
    database.close()
    started = time.monotonic()
    assert refusals(store) == {"state-damaged"}
    assert time.monotonic() - started < 5


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as refused:
        Store(tmp_path / "file" / "state" / "measurements.sqlite3").keep([SAMPLE])
    assert refused.value.slug == "state-denied"


def test_a_database_that_stays_locked_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.keep([SAMPLE])
    monkeypatch.setattr("stackplan.calibration_store._WAIT_SECONDS", 0.2)
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        assert refusals(store) == {"state-busy"}
    finally:
        holder.close()
    assert kept(store) == [SAMPLE]
