"""Kept code of dataclasses is the code that Python would have compiled, and is run only where nobody else wrote it."""

import dataclasses
import hashlib
import marshal
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from stackplan.class_code import MAX_BYTES, kept_class_code
from stackplan.values import replace

POINT = """
@dataclass(frozen=True, slots=True, order=True)
class Point:
    x: int
    y: tuple[int, ...] = field(default_factory=tuple)
"""


def made(source: str, cache: Path) -> Any:
    """The class that ``source`` defines, made while code is kept in ``cache``."""
    names: dict[str, Any] = {"dataclass": dataclasses.dataclass, "field": dataclasses.field, "__name__": __name__}
    with kept_class_code("test", cache):
        exec(source, names)  # noqa: S102  (the sources are above and below)
    return names["Point"]


def kept(cache: Path) -> Path:
    (found,) = cache.glob("classes-test-*.bin")
    return found


def replaced_by_a_trap(place: Path) -> None:
    """Well made code in place of the kept: every ``__init__`` that is made from it sets 13."""
    known = marshal.loads(place.read_bytes()[32:])  # noqa: S302  (written by the line before)
    traps = {text: compile(text.replace("x)", "13)"), "<string>", "exec") for text in known}
    body = marshal.dumps(traps)
    place.write_bytes(hashlib.sha256(body).digest() + body)


def test_classes_from_kept_code_are_as_python_makes_them(tmp_path: Path) -> None:
    first = made(POINT, tmp_path)
    before = kept(tmp_path).stat().st_mtime_ns
    second = made(POINT, tmp_path)
    assert kept(tmp_path).stat().st_mtime_ns == before  # nothing had to be compiled
    for kind in (first, second):
        assert repr(kind(1, (2,))) == "Point(x=1, y=(2,))"
        assert kind(1) == replace(kind(2), x=1) < kind(2)
        assert len({kind(1), kind(1), kind(2)}) == 2
        with pytest.raises(dataclasses.FrozenInstanceError):
            kind(1).x = 2
    assert first.__init__.__code__ == second.__init__.__code__


def test_an_edited_class_has_its_new_methods(tmp_path: Path) -> None:
    made(POINT, tmp_path)
    assert repr(made(POINT.replace("x:", "z:"), tmp_path)(1)) == "Point(z=1, y=())"
    assert repr(made(POINT, tmp_path)(1)) == "Point(x=1, y=())"


def test_python_is_left_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(NameError), kept_class_code("test", tmp_path):
        exec("nobody", {})  # noqa: S102
    assert not hasattr(dataclasses, "exec")


def test_only_this_user_may_write_what_is_run(tmp_path: Path) -> None:
    made(POINT, tmp_path)
    place = kept(tmp_path)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    replaced_by_a_trap(place)
    assert made(POINT, tmp_path)(1).x == 13  # the trap works ...
    place.chmod(0o620)
    assert made(POINT, tmp_path)(1).x == 1  # ... and is not run where somebody else may have set it
    assert stat.S_IMODE(kept(tmp_path).stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_code_of_another_user_is_not_run(tmp_path: Path) -> None:
    made(POINT, tmp_path)
    replaced_by_a_trap(kept(tmp_path))
    os.chown(kept(tmp_path), 65534, 65534)
    assert made(POINT, tmp_path)(1).x == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x" * 31,
        b"x" * 4000,
        hashlib.sha256(b"").digest(),
        hashlib.sha256(b"\xff").digest() + b"\xff",
        hashlib.sha256(marshal.dumps([1])).digest() + marshal.dumps([1]),
    ],
    ids=["empty", "short", "no seal", "sealed nothing", "sealed nonsense", "sealed list"],
)
def test_a_damaged_file_is_compiled_anew(tmp_path: Path, content: bytes) -> None:
    made(POINT, tmp_path)
    whole, place = kept(tmp_path).read_bytes(), kept(tmp_path)
    place.write_bytes(content)
    assert made(POINT, tmp_path)(1).x == 1
    assert len(place.read_bytes()) == len(whole)


def test_a_pipe_or_a_giant_in_its_place_neither_blocks_nor_fills_the_memory(tmp_path: Path) -> None:
    made(POINT, tmp_path)
    place = kept(tmp_path)
    place.unlink()
    os.mkfifo(place, 0o600)
    assert made(POINT, tmp_path)(1).x == 1
    place.write_bytes(b"")
    os.truncate(place, MAX_BYTES + 1)
    assert made(POINT, tmp_path)(1).x == 1
    assert place.stat().st_size < MAX_BYTES


def test_without_a_cache_classes_are_compiled(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert made(POINT, tmp_path / "file" / "cache")(1).x == 1
