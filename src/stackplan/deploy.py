"""A folder is replaced whole or not at all: the new tree is written beside it, then the two change places.

On Linux the exchange is one system call, so that a kill at any moment leaves the old tree or the new one. Elsewhere
the old tree is moved aside first and a later run puts it back if it was interrupted in between.
"""

import ctypes
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from stackplan.errors import UserError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h
_MARK = ".stackplan-tree"
# The user's own secrets: stackplan writes .env.example only, and never reads or loses this one.
_USERS_OWN = ".env"


def write_tree(folder: Path, files: Mapping[str, str], *, executable: frozenset[str] = frozenset()) -> None:
    """Replace ``folder`` by exactly ``files`` (relative path -> text).

    The user's own ``.env`` stays. A folder that stackplan did not write is never replaced. Raises UserError when that
    would happen, when the disk is full or when the place cannot be written; what was there stays untouched.
    """
    folder = folder.absolute()
    _recover(folder)
    _refuse_foreign(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.new-", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        _fill(staging, {**files, _MARK: "Written by stackplan; replaced whole by `stackplan apply`.\n"}, executable)
        _carry_over(folder, staging)
        _exchange(staging, folder)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def is_tree(folder: Path) -> bool:
    """Whether `write_tree` wrote ``folder``, so that it may be read whole and replaced."""
    return (folder / _MARK).is_file()


def read_tree(folder: Path) -> dict[str, str]:
    """Text of every file of a tree that `write_tree` wrote, by relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in {_MARK, _USERS_OWN})
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def _refuse_foreign(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"{folder} is not a folder", hint="choose another place with --out", slug="deploy-not-a-folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise UserError(
            f"{folder} holds files that stackplan did not write",
            hint="choose another place with --out, or move that folder away",
            slug="deploy-foreign",
        )


def _fill(staging: Path, files: Mapping[str, str], executable: frozenset[str]) -> None:
    for name in sorted(files):
        _refuse_outside(name)
        path = staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(files[name])
            file.flush()
            os.fsync(file.fileno())
        path.chmod(0o755 if name in executable or name.endswith(".sh") else 0o644)
    staging.chmod(0o755)


def _carry_over(folder: Path, staging: Path) -> None:
    own = folder / _USERS_OWN
    if own.is_file():
        shutil.copy2(own, staging / _USERS_OWN)  # with its mode: it holds secrets


def _refuse_outside(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not name or "\0" in name or "\\" in name:
        raise UserError(
            f"a rendered file would be called {name!r}, outside its folder",
            hint="rename what carries that name in the profile or the catalog",
            slug="deploy-bad-name",
        )


def _exchange(staging: Path, folder: Path) -> None:
    if not folder.exists():
        staging.rename(folder)
    elif not _exchanged_at_once(staging, folder):
        aside = _aside(folder)
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        staging.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)


def _exchanged_at_once(staging: Path, folder: Path) -> bool:
    """Whether the kernel exchanged both names atomically (Linux 3.15 and most of its filesystems)."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    return bool(rename(_AT_FDCWD, bytes(staging), _AT_FDCWD, bytes(folder), _RENAME_EXCHANGE) == 0)


def _recover(folder: Path) -> None:
    aside = _aside(folder)
    if aside.is_dir() and not folder.exists():
        aside.rename(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _cannot_write(folder: Path, error: OSError) -> UserError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        hint = "free some space, or choose another disk with --out"
        return UserError(f"no space left to write {folder}", hint=hint, slug="deploy-disk-full")
    reason = error.strerror or str(error)
    return UserError(
        f"cannot write {folder}: {reason}", hint="choose a place you may write with --out", slug="deploy-denied"
    )


def write_file(path: Path, text: str, *, best_effort: bool = False) -> None:
    """Replace one file whole or not at all. ``best_effort`` ignores a place that cannot be written (a cache)."""
    fresh: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False, newline="") as file:
            fresh = Path(file.name)
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        if fresh is not None:
            fresh.unlink(missing_ok=True)  # a full disk is not filled further
        if not best_effort:
            raise _cannot_write(path, error) from error
