"""What a slow reader made, kept as JSON under a key of what it was made from: the content of files, and the code.

So an index cannot be stale: other content or other code asks for another name. It is only ever a saving of time. One
that is damaged, foreign or oddly shaped is made anew, a cache that cannot be written is done without. The hash finds
damage; it does not keep out who may write to the user's own cache folder.
"""

import gc
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from stackplan import __version__
from stackplan.bundled import cache_folder
from stackplan.errors import UserError

INDEX_FORMAT = 2
MAX_SOURCE_BYTES = 4 * 1024 * 1024  # strict_yaml's bound
MAX_INDEX_BYTES = 64 * 1024 * 1024  # the bundled catalog takes 1 MiB
_KEY_CHARACTERS = 24  # of the key, in the file's name; the whole key stands inside

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ContentIndex(Generic[Value]):
    """One kind of value and how it is kept, as ``<name>-<key>.json``.

    ``made_by`` are the modules (globs below ``package``) that decide what a value is; editing one makes its indexes
    stale. ``encode`` gives plain JSON data; ``decode`` turns that back and raises on whatever does not fit. ``kept`` is
    how many indexes may lie beside each other: checkouts, folders and versions that take turns.
    """

    name: str
    made_by: tuple[str, ...]
    encode: Callable[[Value], Any]
    decode: Callable[[Any], Value]
    kept: int
    package: Path = Path(__file__).resolve().parent

    def get(
        self, content: Callable[[], Iterable[bytes]], make: Callable[[], Value], cache: Path | None = None
    ) -> Value:
        """The value of ``content``, from the index in ``cache`` (the user's own by default), else from ``make``.

        Raises what these two raise. An index that cannot be read or written is no error.
        """
        key = self._key(content())
        place = (cache or cache_folder()) / f"{self.name}-{key[:_KEY_CHARACTERS]}.json"
        known = self._read(place, key)
        if known is not None:
            return known
        value = make()
        if self._key(content()) == key:  # else a file changed while ``make`` read it
            self._write(place, key, value)
        return value

    def _key(self, content: Iterable[bytes]) -> str:
        digest = hashlib.sha256(f"{self.name} {INDEX_FORMAT} {__version__}\n".encode())
        for source in self._sources():
            state = source.stat()
            digest.update(f"{source.name} {state.st_size} {state.st_mtime_ns}\n".encode())
        for part in content:
            digest.update(f"{len(part)}\n".encode())
            digest.update(part)
        return digest.hexdigest()

    def _sources(self) -> list[Path]:
        return sorted(path for name in (*self.made_by, "content_index.py") for path in self.package.glob(name))

    def _read(self, place: Path, key: str) -> Value | None:
        """The indexed value, or None when there is none that can be trusted."""
        collecting = gc.isenabled()
        gc.disable()  # tens of thousands of small objects, none of them garbage
        try:
            head, _, body = _content(place).partition(b"\n")
            return self.decode(json.loads(body)) if head == _head(key, body) else None
        except (OSError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError):
            return None
        finally:
            if collecting:
                gc.enable()

    def _write(self, place: Path, key: str, value: Value) -> None:
        """Store the index whole or not at all; a cache that cannot be written is done without."""
        text = json.dumps(self.encode(value), separators=(",", ":"), ensure_ascii=False)
        body = text.encode(errors="surrogatepass")  # a file's name need not be UTF-8
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            _replace(place, _head(key, body) + b"\n" + body)
            self._forget_old(place)
        except OSError:
            return

    def _forget_old(self, newest: Path) -> None:
        """Keep ``newest`` and the newest few of the others."""
        others = [path for path in newest.parent.glob(f"{self.name}-*.json") if path != newest]
        others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in others[self.kept - 1 :]:
            path.unlink(missing_ok=True)


def source_content(path: Path) -> bytes:
    """The bytes of a catalog file, of one too long only so many that its reader refuses it. Raises UserError."""
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_SOURCE_BYTES + 1)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise UserError(f"{path}: {reason}", hint="check its permissions", slug="bad-catalog") from None


def _head(key: str, body: bytes) -> bytes:
    """The first line of an index: what it was made from and what must follow."""
    return f"{key} {hashlib.sha256(body).hexdigest()}".encode()


def _content(place: Path) -> bytes:
    """The bytes at ``place``. Raises OSError also for what is no file (a pipe would wait for ever) or far too long."""
    state = place.stat()
    if not stat.S_ISREG(state.st_mode) or state.st_size > MAX_INDEX_BYTES:
        raise OSError(f"{place} is no index")
    return place.read_bytes()


def _replace(place: Path, content: bytes) -> None:
    """Put ``content`` at ``place`` at once, under a name of its own until then, so that many may write together."""
    beside = place.with_name(f"{place.stem}.{os.urandom(8).hex()}.tmp")
    try:
        with beside.open("xb") as stream:
            stream.write(content)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)  # a full disk is not filled further
