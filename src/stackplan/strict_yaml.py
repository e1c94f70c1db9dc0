"""YAML for people, read strictly: plain data with the line of every field, within bounds, and nothing else.

No anchors (a few bytes can stand for gigabytes), no tags (they name Python objects), no duplicate keys (one of
them would be lost in silence), no deep nesting. Dates stay text and ``yes`` stays text; 1_000 is a number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stackplan.errors import UserError

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_EVENTS = 400_000
MAX_DEPTH = 24
MAX_NUMBER_CHARACTERS = 40

FieldPath = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*)?\.?[0-9]+(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Document:
    """What one file says. ``lines`` maps the path of a field (keys and list positions) to its line, from 1."""

    path: Path
    data: Any
    lines: dict[FieldPath, int]

    def line(self, location: FieldPath) -> int:
        """The line of ``location``, or of the nearest thing that holds it."""
        for length in range(len(location), -1, -1):
            if (line := self.lines.get(location[:length])) is not None:
                return line
        return 1

    def error(self, location: FieldPath, message: str, *, hint: str = "") -> UserError:
        """A `UserError` that names file, line and field."""
        field_name = ".".join(str(part) for part in location)
        return self.error_at(self.line(location), f"{field_name}: {message}" if field_name else message, hint=hint)

    def error_at(self, line: int, message: str, *, hint: str = "") -> UserError:
        """A `UserError` that names file and line."""
        return UserError(f"{self.path}:{line}: {message}", hint=hint or "correct that line", slug="bad-yaml")


@dataclass(slots=True)
class _Frame:
    """A collection that is being read."""

    value: Any
    path: FieldPath
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Turns parser events into data without recursion, so that nesting cannot exhaust the stack."""

    document: Document
    stack: list[_Frame] = field(default_factory=list)
    root: Any = None

    def put(self, value: Any, line: int) -> FieldPath:
        """Store ``value`` where the parser stands and return its path."""
        if not self.stack:
            self.root = value
            self.document.lines[()] = line
            return ()
        frame = self.stack[-1]
        if isinstance(frame.value, list):
            path = (*frame.path, len(frame.value))
            frame.value.append(value)
        else:
            path = (*frame.path, str(frame.key))
            frame.value[frame.key] = value
            frame.key = None
        self.document.lines.setdefault(path, line)
        return path

    def awaits_key(self) -> bool:
        """Whether the next scalar is the key of a mapping."""
        return bool(self.stack) and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None

    def take_key(self, key: str, line: int) -> None:
        """Note the key that the next value belongs to."""
        frame = self.stack[-1]
        path = (*frame.path, key)
        if key in frame.value:
            name = ".".join(str(part) for part in path)
            first = self.document.lines[path]
            raise self.document.error_at(line, f"{name}: the key {key!r} appears twice, first in line {first}")
        frame.key = key
        self.document.lines[path] = line

    def open(self, value: Any, line: int) -> None:
        """Begin a mapping or a list."""
        if self.awaits_key():
            raise self.document.error_at(line, "a key must be text")
        if len(self.stack) >= MAX_DEPTH:
            raise self.document.error_at(line, f"nested deeper than {MAX_DEPTH} levels")
        self.stack.append(_Frame(value, self.put(value, line)))

    def scalar(self, text: str, plain: bool, line: int) -> None:
        """A key, or a value that is resolved when it is plain."""
        if self.awaits_key():
            self.take_key(text, line)
        elif plain:
            self.put(self.resolve(text), line)
        else:
            self.put(text, line)

    def resolve(self, text: str) -> Any:
        """The value that plain ``text`` stands for."""
        if text in _WORDS:
            return _WORDS[text]
        if len(text) <= MAX_NUMBER_CHARACTERS:
            if _INTEGER.fullmatch(text):
                return int(text.replace("_", ""))
            if _FLOAT.fullmatch(text):
                return float(text.replace("_", ""))
        return text


def read_yaml(path: Path) -> Document:
    """The data of the file at ``path``; a `UserError` with file and line when it is not plain, bounded YAML."""
    return parse_yaml(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The content of a file that people write; a `UserError` when it cannot be read or is too long."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as problem:
        message = f"{path}: {problem.strerror or problem}"
        raise UserError(message, hint="check the path and its permissions", slug="unreadable-file") from None
    if len(content) > MAX_FILE_BYTES:
        message = f"{path}: more than {MAX_FILE_BYTES} bytes in one file"
        raise UserError(message, hint="split it into several files", slug="bad-yaml")
    return content


def parse_yaml(content: bytes, path: Path) -> Document:
    """The data of ``content``, which errors call ``path``."""
    import yaml  # noqa: PLC0415  (10 ms that a start from indexes does not need)

    document = Document(path, None, {})
    builder = _Builder(document)
    try:
        for count, event in enumerate(_events(content)):
            if count > MAX_EVENTS:
                raise document.error((), f"more than {MAX_EVENTS} values in one file")
            _step(builder, event)
    except yaml.YAMLError as problem:
        raise _syntax_error(path, problem) from None
    except (UnicodeDecodeError, ValueError) as problem:
        raise document.error((), f"not readable as text: {problem}") from None
    return Document(path, builder.root, document.lines)


def _events(content: bytes) -> Iterator[Any]:
    """Parser events, from libyaml where it is built in."""
    import yaml  # noqa: PLC0415

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return iter(yaml.parse(content, Loader=loader))


def _step(builder: _Builder, event: Any) -> None:
    """Apply one parser event."""
    import yaml  # noqa: PLC0415

    line = event.start_mark.line + 1
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise builder.document.error_at(line, "anchors and aliases are not allowed; write the value out")
    if getattr(event, "tag", None) not in (None, "!"):
        raise builder.document.error_at(line, f"the tag {event.tag} is not allowed")
    if isinstance(event, yaml.ScalarEvent):
        builder.scalar(event.value, event.implicit[0], line)
    elif isinstance(event, yaml.MappingStartEvent):
        builder.open({}, line)
    elif isinstance(event, yaml.SequenceStartEvent):
        builder.open([], line)
    elif isinstance(event, yaml.CollectionEndEvent):
        builder.stack.pop()
    elif isinstance(event, yaml.DocumentStartEvent) and () in builder.document.lines:
        raise builder.document.error_at(line, "one document per file")


def _syntax_error(path: Path, problem: Exception) -> UserError:
    """What the parser could not read, with its line."""
    mark = getattr(problem, "problem_mark", None)
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    reason = getattr(problem, "problem", None) or str(problem).splitlines()[0]
    hint = "check indentation, quotes and brackets there"
    return UserError(f"{where}: not valid YAML: {reason}", hint=hint, slug="bad-yaml")
