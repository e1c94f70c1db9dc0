"""The GGUF header: metadata and tensor table of version 2 and 3 files, read without trusting them.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Every malformed file ends in `UserError`.
"""

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stackplan.architecture import Tensor
from stackplan.errors import UserError
from stackplan.gguf.cursor import Cursor, SeekableReader, malformed
from stackplan.gguf.types import DEFAULT_ALIGNMENT, padded, tensor_bytes, type_name

MAX_PAIRS: Final = 65_536  # real files have some 60
MAX_TENSORS: Final = 131_072  # the largest real files have some 2 000, 50 000 with one tensor per expert
MAX_KEY_BYTES: Final = 1024
MAX_TENSOR_NAME_BYTES: Final = 512  # ggml allows 63, other users of the format 127
MAX_TEXT_BYTES: Final = 256 * 1024  # longer texts are counted and not kept; the longest chat templates take 40 KB
MAX_KEPT_TEXT_BYTES: Final = 16 * 1024**2  # over all texts of a header
MAX_ARRAY_ELEMENTS: Final = 4_096  # arrays per layer are kept, vocabularies are counted
MAX_KEPT_ELEMENTS: Final = 4 * 1024**2  # over all arrays of a header
MAX_STRINGS: Final = 4 * 1024**2  # passed over in all arrays of a header; the largest vocabularies have 1 000 000
MAX_NESTING: Final = 4
MAX_NESTED_ARRAYS: Final = 65_536
MAX_DIMENSIONS: Final = 4
MAX_ELEMENTS: Final = 2**60

_SCALARS: Final[Mapping[int, tuple[str, struct.Struct]]] = {
    0: ("u8", struct.Struct("<B")),
    1: ("i8", struct.Struct("<b")),
    2: ("u16", struct.Struct("<H")),
    3: ("i16", struct.Struct("<h")),
    4: ("u32", struct.Struct("<I")),
    5: ("i32", struct.Struct("<i")),
    6: ("f32", struct.Struct("<f")),
    7: ("bool", struct.Struct("<?")),
    10: ("u64", struct.Struct("<Q")),
    11: ("i64", struct.Struct("<q")),
    12: ("f64", struct.Struct("<d")),
}
_STRING: Final = 8
_ARRAY: Final = 9
_U32: Final = struct.Struct("<I")
_PREAMBLE: Final = struct.Struct("<IQQ")
_ARRAY_HEAD: Final = struct.Struct("<IQ")
_TENSOR_TAIL: Final = struct.Struct("<IQ")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A value that was passed over: an array's element type and count, or a long text's bytes."""

    type: str
    count: int


Scalar = str | int | float | bool
Value = Scalar | tuple[Scalar, ...] | Skipped


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says before its data.

    ``data_offset`` is where tensor data starts, ``tensor_offsets[i]`` where tensor i starts after that. For a
    sharded model, tensors of all parts follow each other, their offsets count inside their own part, and
    ``data_offset`` is the sum over the parts, so that file sizes stay sums.
    """

    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    alignment: int
    data_offset: int
    tensor_offsets: tuple[int, ...]
    parts: int = 1

    @property
    def parameters(self) -> int:
        """Number of values in all tensors."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def tensor_bytes(self) -> int | None:
        """Bytes of all tensors without padding; None when a type is unknown."""
        total = 0
        for tensor in self.tensors:
            size = tensor_bytes(tensor.shape, tensor.type)
            if size is None:
                return None
            total += size
        return total

    @property
    def expected_file_bytes(self) -> int | None:
        """Bytes the whole file must have, each tensor padded; None when a type is unknown."""
        total = self.data_offset
        for tensor in self.tensors:
            size = tensor_bytes(tensor.shape, tensor.type)
            if size is None:
                return None
            total += padded(size, self.alignment)
        return total


def read_header(stream: SeekableReader, keep: Collection[str] = ()) -> Header:
    """The header at the start of ``stream``.

    Arrays longer than `MAX_ARRAY_ELEMENTS` become `Skipped`, unless their key is in ``keep``.
    Raises UserError: gguf-foreign, gguf-version, gguf-big-endian, gguf-truncated, gguf-malformed.
    """
    cursor = Cursor(stream)
    version, tensor_count, pair_count = _preamble(cursor)
    values = _Values(cursor)
    metadata: dict[str, Value] = {}
    for _ in range(pair_count):
        key = _text(cursor, MAX_KEY_BYTES, "key")
        if key in metadata:
            raise malformed(f"the key {key[:64]!r} appears twice")
        metadata[key] = values.value(key in keep)
    table = [_tensor(cursor) for _ in range(tensor_count)]
    if len({tensor.name for tensor, _ in table}) != len(table):
        raise malformed("a tensor name appears twice")
    alignment = _alignment(metadata)
    for tensor, offset in table:
        if offset % alignment:
            raise malformed(f"tensor {tensor.name[:64]!r} is not aligned to {alignment} bytes")
    return Header(
        version=version,
        metadata=metadata,
        tensors=tuple(tensor for tensor, _ in table),
        alignment=alignment,
        data_offset=padded(cursor.position, alignment),
        tensor_offsets=tuple(offset for _, offset in table),
    )


def merge_headers(headers: Sequence[Header]) -> Header:
    """One header for all parts of a sharded model, in order.

    Raises UserError gguf-shards when a part is missing or belongs to another model.
    """
    first = headers[0]
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    expected = first.metadata.get("split.tensors.count", len(tensors))
    if len({tensor.name for tensor in tensors}) != len(tensors) or expected != len(tensors):
        raise UserError(
            f"the {len(headers)} parts hold {len(tensors)} tensors where {expected} different ones are expected",
            hint="Put all parts of one and the same model side by side.",
            slug="gguf-shards",
        )
    return Header(
        version=first.version,
        metadata=first.metadata,
        tensors=tensors,
        alignment=first.alignment,
        data_offset=sum(header.data_offset for header in headers),
        tensor_offsets=tuple(offset for header in headers for offset in header.tensor_offsets),
        parts=len(headers),
    )


def _preamble(cursor: Cursor) -> tuple[int, int, int]:
    if cursor.take(4) != b"GGUF":
        raise UserError(
            "this is not a GGUF file",
            hint="Give a .gguf file; safetensors and PyTorch files must be converted first.",
            slug="gguf-foreign",
        )
    version, tensor_count, pair_count = cursor.unpack(_PREAMBLE)
    if version & 0xFFFF == 0:
        raise UserError(
            "this GGUF file is big-endian",
            hint="Convert it with gguf-py's gguf_convert_endian.py, or download the little-endian file.",
            slug="gguf-big-endian",
        )
    if version not in (2, 3):
        raise UserError(
            f"GGUF version {version} is not supported, only 2 and 3",
            hint="Download a file written since 2023, or update stackplan when the format has moved on.",
            slug="gguf-version",
        )
    if tensor_count > MAX_TENSORS or pair_count > MAX_PAIRS:
        raise malformed(f"it claims {tensor_count} tensors and {pair_count} metadata pairs")
    return version, tensor_count, pair_count


def _text(cursor: Cursor, limit: int, what: str) -> str:
    length = cursor.length()
    if length > limit:
        raise malformed(f"a {what} of {length} bytes")
    return cursor.take(length).decode("utf-8", "backslashreplace")


class _Values:
    """Reads metadata values, and keeps no more of them than its two budgets allow."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._text_bytes = MAX_KEPT_TEXT_BYTES
        self._elements = MAX_KEPT_ELEMENTS
        self._strings = MAX_STRINGS
        self._nested = MAX_NESTED_ARRAYS

    def value(self, keep: bool) -> Value:
        (kind,) = self._cursor.unpack(_U32)
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array(keep)
        return self._cursor.unpack(_layout(kind))[0]

    def _string(self) -> str | Skipped:
        length = self._cursor.length()
        if length > min(MAX_TEXT_BYTES, self._text_bytes):
            self._cursor.skip(length)
            return Skipped("string", length)
        self._text_bytes -= length
        return self._cursor.take(length).decode("utf-8", "backslashreplace")

    def _array(self, keep: bool) -> tuple[Scalar, ...] | Skipped:
        kind, count = self._cursor.unpack(_ARRAY_HEAD)
        if kind == _ARRAY:
            self._skip_nested(count, depth=2)
            return Skipped("array", count)
        if count > self._elements or (count > MAX_ARRAY_ELEMENTS and not keep):
            self._skip_flat(kind, count)
            return Skipped("string" if kind == _STRING else _SCALARS[kind][0], count)
        self._elements -= count
        if kind == _STRING:
            texts = (self._string() for _ in range(count))
            return tuple(text if isinstance(text, str) else "" for text in texts)
        layout = struct.Struct(f"<{count}{_layout(kind).format[1:]}")
        return self._cursor.unpack(layout)

    def _skip_flat(self, kind: int, count: int) -> None:
        if kind == _STRING:
            self._strings -= count
            if self._strings < 0:
                raise malformed(f"more than {MAX_STRINGS} texts")
            self._cursor.skip_strings(count)
        else:
            self._cursor.skip(count * _layout(kind).size)

    def _skip_nested(self, count: int, depth: int) -> None:
        self._nested -= count
        if depth > MAX_NESTING or self._nested < 0:
            raise malformed(f"arrays in arrays, deeper than {MAX_NESTING} or more than {MAX_NESTED_ARRAYS}")
        for _ in range(count):
            kind, inner = self._cursor.unpack(_ARRAY_HEAD)
            if kind == _ARRAY:
                self._skip_nested(inner, depth + 1)
            else:
                self._skip_flat(kind, inner)


def _layout(kind: int) -> struct.Struct:
    if kind not in _SCALARS:
        raise malformed(f"value type {kind} does not exist")
    return _SCALARS[kind][1]


def _tensor(cursor: Cursor) -> tuple[Tensor, int]:
    name = _text(cursor, MAX_TENSOR_NAME_BYTES, "tensor name")
    (dimensions,) = cursor.unpack(_U32)
    if dimensions > MAX_DIMENSIONS:
        raise malformed(f"tensor {name[:64]!r} has {dimensions} dimensions")
    shape = tuple(cursor.length() for _ in range(dimensions))
    type_id, offset = cursor.unpack(_TENSOR_TAIL)
    tensor = Tensor(name, shape, type_name(type_id))
    if tensor.elements > MAX_ELEMENTS:
        raise malformed(f"tensor {name[:64]!r} has {tensor.elements} values")
    return tensor, offset


def _alignment(metadata: Mapping[str, Value]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
        raise malformed(f"general.alignment is {str(alignment)[:32]}, not a power of two")
    return alignment
