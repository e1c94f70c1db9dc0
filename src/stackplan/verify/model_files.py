"""Which model files a process has loaded, by the start of every file that it maps or that its command line names."""

import re
import struct
from collections.abc import Iterable
from pathlib import Path

from stackplan.verify.observation import LoadedFile

_SHARD = re.compile(r"-\d{5}-of-\d{5}")
_HEAD = struct.Struct("<4sIQQ")  # magic, version, tensors, keys
_TEXT = struct.Struct("<Q")
_STRING_TYPE = struct.pack("<I", 8)
_FIRST_KEY = b"general.architecture"  # writers put it first
_LONGEST_NAME = 64


def loaded_files(paths: Iterable[Path]) -> tuple[LoadedFile, ...]:
    """The model files among ``paths``; parts of one model add up, what cannot be read or is none is left out."""
    found: dict[str, LoadedFile] = {}
    for path in sorted(set(paths)):
        head = _head(path)
        if head is None:
            continue
        name = _SHARD.sub("", path.name)
        before = found.get(name)
        found[name] = LoadedFile(before.architecture, before.tensors + head.tensors) if before else head
    return tuple(found.values())


def _head(path: Path) -> LoadedFile | None:
    try:
        if not path.is_file():  # a pipe would keep the reader waiting
            return None
        with path.open("rb") as file:
            start = file.read(_HEAD.size + 2 * _TEXT.size + len(_FIRST_KEY) + len(_STRING_TYPE) + _LONGEST_NAME)
    except (OSError, ValueError):
        return None
    if len(start) < _HEAD.size:
        return None
    magic, _, tensors, _ = _HEAD.unpack_from(start)
    return LoadedFile(_architecture(start[_HEAD.size :]), tensors) if magic == b"GGUF" else None


def _architecture(pairs: bytes) -> str:
    key = _TEXT.pack(len(_FIRST_KEY)) + _FIRST_KEY + _STRING_TYPE
    if not pairs.startswith(key) or len(pairs) < len(key) + _TEXT.size:
        return ""
    (length,) = _TEXT.unpack_from(pairs, len(key))
    start = len(key) + _TEXT.size
    return pairs[start : start + length].decode(errors="replace") if length <= _LONGEST_NAME else ""
