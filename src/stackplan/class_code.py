"""The methods of dataclasses, compiled once and kept: a third of what imports cost before a plan (docs/adr/0013).

Python writes ``__init__`` and its like as text whenever a dataclass is made and compiles them on every start: 80 us
each, six to a class, 160 classes for a plan. The text is all that their code depends on, so the code is kept under it,
exactly as Python keeps that of modules, and a class that is edited has another text.

Kept code is run, so it is read only from a file that belongs to this user, that nobody else may write, and that is
whole. It is only ever a saving of time: whatever does not fit is compiled as if nothing had been kept.
"""

import builtins
import dataclasses
import hashlib
import marshal
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

from stackplan.bundled import cache_folder

MAX_BYTES = 16 * 1024 * 1024  # planning takes 1 MiB
MAX_TEXTS = 4000  # planning has 920; more are left over from classes as they once were
_PYTHON = hashlib.sha256(sys.version.encode()).hexdigest()[:16]  # code is good for the Python that compiled it


@contextmanager
def kept_class_code(name: str, cache: Path | None = None) -> Iterator[None]:
    """Make dataclasses from code kept as ``name``; afterwards keep what had to be compiled. Never an error."""
    kept = _Kept((cache or cache_folder()) / f"classes-{name}-{_PYTHON}.bin")
    module: Any = dataclasses
    module.exec = kept.execute  # found before the builtin of that name
    try:
        yield
    finally:
        del module.exec
        kept.keep()


class _Kept:
    """Code by the text that it was compiled from. The file is read when the first class is made, if one is."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.known: dict[str, CodeType] | None = None
        self.compiled: dict[str, CodeType] = {}

    def execute(self, text: str, *namespaces: Any) -> None:
        """What ``exec`` does."""
        if self.known is None:
            self.known = _read(self.place)
        code = self.known.get(text) or self.compiled.get(text)
        if code is None:
            code = self.compiled[text] = compile(text, "<string>", "exec", dont_inherit=True)
        builtins.exec(code, *namespaces)  # noqa: S102  (the text is dataclasses' own)

    def keep(self) -> None:
        """Write what was compiled beside what was known; a cache that cannot be written is done without."""
        if not self.compiled or not hasattr(os, "getuid"):
            return
        both = {**(self.known or {}), **self.compiled}
        body = marshal.dumps(both if len(both) <= MAX_TEXTS else self.compiled)
        beside = self.place.with_name(f"{self.place.stem}.{os.urandom(8).hex()}.tmp")
        try:
            self.place.parent.mkdir(parents=True, exist_ok=True)
            with open(beside, "xb", opener=_for_me_only) as stream:
                stream.write(hashlib.sha256(body).digest() + body)
            beside.replace(self.place)
        except OSError:
            return
        finally:
            _forget(beside)


def _read(place: Path) -> dict[str, CodeType]:
    """What the file at ``place`` keeps; nothing when it is not there, not mine alone, damaged or far too long."""
    try:
        with open(place, "rb", opener=_without_waiting) as stream:
            state = os.fstat(stream.fileno())
            if not _is_mine_alone(state) or state.st_size > MAX_BYTES:
                return {}
            content = stream.read()
    except OSError:
        return {}
    seal, body = content[:32], content[32:]
    if hashlib.sha256(body).digest() != seal:
        return {}
    try:
        found = marshal.loads(body)  # noqa: S302  (whole, and nobody else's)
    except (ValueError, EOFError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_mine_alone(state: os.stat_result) -> bool:
    others_write = stat.S_IWGRP | stat.S_IWOTH
    mine = hasattr(os, "getuid") and state.st_uid == os.getuid()
    return mine and stat.S_ISREG(state.st_mode) and not state.st_mode & others_write


def _for_me_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _without_waiting(path: str, flags: int) -> int:
    """A pipe would wait for ever for somebody to write."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _forget(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
