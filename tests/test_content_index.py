"""What is kept of slow readers is never stale, never trusted when it is damaged, foreign or odd, and never needed."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackplan.bundled import bundled_folder
from stackplan.catalog_index import load_catalog
from stackplan.content_index import MAX_INDEX_BYTES, ContentIndex
from stackplan.errors import UserError
from stackplan.judgement_index import FILES, load_judgement
from stackplan.speed_index import load_speed
from tests.catalog.files import write_catalog

Loader = Callable[..., Any]
READERS: dict[str, Loader] = {"catalog": load_catalog, "judgement": load_judgement, "speed": load_speed}
each_reader = pytest.mark.parametrize("name", READERS)


class Counted:
    """A slow reader of texts that counts how often it is asked; its index is ``words-*.json``."""

    def __init__(self, folder: Path, *, name: str = "words", kept: int = 3) -> None:
        self.made = 0
        self.cache = folder / "cache"
        self.package = folder / "package"
        self.package.mkdir(exist_ok=True)
        self.source = self.package / "reader.py"
        self.source.touch()
        self.index: ContentIndex[list[str]] = ContentIndex(name, ("reader.py",), list, self._decode, kept, self.package)

    def words(self, text: str) -> list[str]:
        """The words of ``text``, from the index or made."""
        return self.index.get(lambda: (text.encode(errors="surrogateescape"),), lambda: self._make(text), self.cache)

    def places(self) -> list[Path]:
        """The indexes there are."""
        return sorted(self.cache.glob(f"{self.index.name}-*.json"))

    def _make(self, text: str) -> list[str]:
        self.made += 1
        return text.split()

    def _decode(self, data: Any) -> list[str]:
        return [data[position].strip() for position in range(len(data))]


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    return Counted(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small catalog with every table."""
    written = write_catalog(tmp_path / "catalog")
    for name in (*FILES, "speed.yaml"):
        shutil.copy(bundled_folder("catalog") / name, written)
    return written


def sealed(index: Path, body: bytes) -> bytes:
    """``body`` under the head that ``index`` would have for it: well made, by somebody else."""
    key = index.read_bytes().split(b" ", 1)[0]
    return key + b" " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def test_what_was_made_once_is_not_made_again(counted: Counted) -> None:
    assert [counted.words("a b"), counted.words("a b")] == [["a", "b"], ["a", "b"]]
    assert counted.made == 1


def test_other_content_is_made_and_kept_beside_the_first(counted: Counted) -> None:
    assert counted.words("a b") != counted.words("a c")
    assert (counted.made, len(counted.places())) == (2, 2)


def test_a_change_of_the_code_that_makes_it_makes_it_anew(counted: Counted) -> None:
    counted.words("a b")
    counted.source.write_text("# edited", encoding="utf-8")
    counted.words("a b")
    assert counted.made == 2


def test_parts_of_the_content_cannot_stand_for_each_other(counted: Counted) -> None:
    for parts in ((b"ab", b"c"), (b"a", b"bc"), (b"abc",), (b"abc", b"")):
        counted.index.get(lambda parts=parts: parts, lambda: ["made"], counted.cache)
    assert len(counted.places()) == 3  # of four, the oldest is forgotten


def test_content_that_changes_while_it_is_read_is_not_kept(counted: Counted) -> None:
    contents = iter([(b"before",), (b"after",)])
    assert counted.index.get(lambda: next(contents), lambda: ["mixed"], counted.cache) == ["mixed"]
    assert counted.places() == []


def test_what_the_reader_refuses_is_refused_each_time_and_not_kept(counted: Counted) -> None:
    def refuse() -> list[str]:
        raise UserError("no words", hint="write some", slug="bad-catalog")

    for _ in range(2):
        with pytest.raises(UserError, match="no words"):
            counted.index.get(lambda: (b"",), refuse, counted.cache)
    assert not counted.cache.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole.replace(b"b", b"d", 1) if b"b" in whole else b"",
        lambda whole: whole + b" ",
        lambda _: b"\xff" * 100,
        lambda whole: whole.partition(b"\n")[0] + b"\n[]",
        lambda whole: whole.partition(b"\n")[2],
    ],
    ids=["empty", "cut", "one letter", "longer", "binary", "another body", "no head"],
)
def test_a_damaged_index_is_made_anew_and_replaced(counted: Counted, damage: Callable[[bytes], bytes]) -> None:
    counted.words("a b")
    (index,) = counted.places()
    whole = index.read_bytes()
    index.write_bytes(damage(whole))
    assert counted.words("a b") == ["a", "b"]
    assert counted.made == 2
    assert index.read_bytes() == whole


@pytest.mark.parametrize(
    "body",
    [b"null", b"7", b"[1]", b'{"a": 1}', b"[" * 100_000, b"9" * 10_000, b"not json", b"\xff\xfe"],
    ids=["null", "number", "row", "mapping", "deep", "long number", "no json", "no text"],
)
def test_a_well_sealed_index_of_the_wrong_shape_is_made_anew(counted: Counted, body: bytes) -> None:
    counted.words("a b")
    (index,) = counted.places()
    index.write_bytes(sealed(index, body))
    assert counted.words("a b") == ["a", "b"]
    assert counted.made == 2


def test_the_index_of_something_else_under_this_name_is_made_anew(tmp_path: Path, counted: Counted) -> None:
    other = Counted(tmp_path, name="other")
    other.words("a c")
    counted.words("a b")
    (foreign,), (index,) = other.places(), counted.places()
    index.write_bytes(foreign.read_bytes())
    assert counted.words("a b") == ["a", "b"]
    assert counted.made == 2


def test_a_pipe_a_folder_and_a_device_in_the_place_of_the_index_hold_nobody_up(counted: Counted) -> None:
    counted.words("a b")
    (index,) = counted.places()
    for number, put in enumerate((os.mkfifo, os.mkdir, lambda place: place.symlink_to("/dev/zero")), 2):
        index.rmdir() if index.is_dir() else index.unlink()
        put(index)
        assert counted.words("a b") == ["a", "b"]
        assert counted.made == number
    assert [path.suffix for path in counted.cache.iterdir()] == [".json"]


def test_an_index_beyond_all_measure_is_not_read_however_well_it_is_sealed(counted: Counted) -> None:
    counted.words("a b")
    (index,) = counted.places()
    index.write_bytes(sealed(index, b'["forged"]'.ljust(MAX_INDEX_BYTES)))
    assert counted.words("a b") == ["a", "b"]
    assert index.stat().st_size < MAX_INDEX_BYTES


def test_a_cache_that_cannot_be_written_is_done_without(counted: Counted) -> None:
    counted.cache.write_text("in the way", encoding="utf-8")
    assert counted.words("a b") == counted.words("a b") == ["a", "b"]
    assert counted.made == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_is_read_and_not_written(counted: Counted) -> None:
    counted.words("a b")
    counted.cache.chmod(0o500)
    assert [counted.words("a b"), counted.words("c")] == [["a", "b"], ["c"]]
    assert (counted.made, len(counted.places())) == (2, 1)


def test_the_same_content_gives_the_same_index_byte_for_byte(tmp_path: Path, counted: Counted) -> None:
    counted.words("a b")
    (index,) = counted.places()
    before = index.read_bytes()
    index.unlink()
    counted.words("a b")
    assert index.read_bytes() == before


def test_a_name_that_is_no_utf8_is_kept_and_comes_back(counted: Counted) -> None:
    name = os.fsdecode(b"\xff.yaml")
    assert counted.words(name) == counted.words(name) == [name]
    assert counted.made == 1


def test_only_the_newest_few_of_one_kind_are_kept(tmp_path: Path, counted: Counted) -> None:
    other = Counted(tmp_path, name="other")
    other.words("a")
    for number in range(6):
        counted.words(str(number))
        newest = counted.places()[0] if number == 0 else max(counted.places(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (number, number))  # clocks are coarse; the order is what counts
    assert sorted(json.loads(path.read_bytes().partition(b"\n")[2]) for path in counted.places()) == [
        ["3"],
        ["4"],
        ["5"],
    ]
    assert len(other.places()) == 1
    assert not list(counted.cache.glob("*.tmp"))


def test_indexes_dated_in_the_future_do_not_push_out_the_one_just_written(counted: Counted) -> None:
    for text in "abc":
        counted.words(text)
    for place in counted.places():
        os.utime(place, (2**33, 2**33))
    counted.words("d")
    counted.words("d")
    assert counted.made == 4


def test_processes_that_start_together_all_get_the_whole_and_leave_one_index(folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from stackplan.speed_index import load_speed\n"
        "for _ in range(30):\n"
        "    value = load_speed([Path(sys.argv[1])], Path(sys.argv[2]))\n"
        "    for path in Path(sys.argv[2]).glob('speed-*.json'): path.unlink(missing_ok=True)\n"
        "import json; print(json.dumps(value, sort_keys=True))"
    )
    cache = tmp_path / "cache"
    command = [sys.executable, "-c", program, str(folder), str(cache)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=60) for process in running]
    expected = json.dumps(load_speed([folder], cache), sort_keys=True)
    assert [(out.strip(), problems) for out, problems in said] == [(expected, "")] * 4
    assert [path.suffix for path in cache.iterdir()] == [".json"]


@each_reader
def test_a_warm_start_gives_what_the_cold_one_gave(name: str, folder: Path, tmp_path: Path) -> None:
    cold = READERS[name]([folder], tmp_path / "cache")
    (index,) = (tmp_path / "cache").iterdir()
    before = index.stat()
    assert READERS[name]([folder], tmp_path / "cache") == cold
    assert index.stat().st_ino == before.st_ino  # read, not written again
    assert index.name.startswith(f"{name}-")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        *((name, body) for name in READERS for body in (b"[]", b'"text"', b'[{"models": 1}]')),
        *((name, b"{}") for name in ("catalog", "judgement")),  # the speed constants may be any mapping
    ],
)
def test_each_reader_refuses_a_well_sealed_index_of_another_shape(
    name: str, body: bytes, folder: Path, tmp_path: Path
) -> None:
    sound = READERS[name]([folder], tmp_path / "cache")
    (index,) = (tmp_path / "cache").iterdir()
    index.write_bytes(sealed(index, body))
    assert READERS[name]([folder], tmp_path / "cache") == sound


@each_reader
def test_no_reader_needs_a_cache(name: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert READERS[name]([folder], tmp_path / "file" / "cache") == READERS[name]([folder], tmp_path / "cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_tables_that_may_not_be_read_are_an_error_with_a_hint(folder: Path, tmp_path: Path) -> None:
    (folder / "speed.yaml").chmod(0)
    with pytest.raises(UserError) as caught:
        load_speed([folder], tmp_path / "cache")
    assert caught.value.hint
