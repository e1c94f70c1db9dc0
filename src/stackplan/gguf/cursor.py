"""A bounded walk over the first bytes of a file that may be hostile.

Nothing is allocated because a file says so: bytes are read in windows, counts only decide how often a loop runs,
and the loop ends with the file or with `MAX_HEADER_BYTES`, whichever comes first.
"""

import struct
from typing import Final, Protocol

from stackplan.errors import UserError

# The largest headers in the wild (a vocabulary of 262 144 tokens with merges) take 16 MB.
MAX_HEADER_BYTES: Final = 64 * 1024**2
WINDOW_BYTES: Final = 256 * 1024

_LENGTH = struct.Struct("<Q")


class SeekableReader(Protocol):
    """What a header is read from: an open file, a `BytesIO` or a remote file by ranges."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes from the current position, empty at the end."""
        ...

    def seek(self, offset: int, /) -> int:
        """Move to ``offset`` bytes from the start."""
        ...


def malformed(what: str) -> UserError:
    """The error for a file that is GGUF by its first bytes and then makes no sense."""
    return UserError(
        f"the GGUF header is malformed: {what}",
        hint="Download the file again; if it stays so, it was not written by a GGUF converter.",
        slug="gguf-malformed",
    )


class Cursor:
    """Reads little-endian values one after the other, never more than `MAX_HEADER_BYTES` into the file."""

    def __init__(self, stream: SeekableReader) -> None:
        self._stream = stream
        self._window = b""
        self._start = 0  # file offset of the window
        self._at = 0  # position inside the window

    @property
    def position(self) -> int:
        """Bytes from the start of the file."""
        return self._start + self._at

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes; UserError when the file ends before."""
        self._require(size)
        chunk = self._window[self._at : self._at + size]
        self._at += size
        return chunk

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """The next values in ``layout``."""
        self._require(layout.size)
        values = layout.unpack_from(self._window, self._at)
        self._at += layout.size
        return values

    def length(self) -> int:
        """The next unsigned 64-bit count or length."""
        return self.unpack(_LENGTH)[0]

    def skip(self, size: int) -> None:
        """Move ``size`` bytes on without reading them."""
        self._jump(self._at + size)

    def skip_strings(self, count: int) -> None:
        """Pass ``count`` length-prefixed strings; a vocabulary of 300 000 takes some 30 ms."""
        read_length = _LENGTH.unpack_from
        while count:
            self._require(8)
            window, at, last = self._window, self._at, len(self._window) - 8
            while count and at <= last:
                at += 8 + read_length(window, at)[0]
                count -= 1
            self._jump(at)

    def _jump(self, at: int) -> None:
        self._check_bound(at)
        if at <= len(self._window):
            self._at = at
            return
        self._start, self._window, self._at = self._start + at, b"", 0
        self._stream.seek(self._start)

    def _check_bound(self, at: int) -> None:
        if self._start + at > MAX_HEADER_BYTES:
            raise malformed(f"it claims more than {MAX_HEADER_BYTES >> 20} MiB before the tensors")

    def _require(self, size: int) -> None:
        """Have ``size`` bytes from the current position in the window."""
        if self._at + size <= len(self._window):
            return
        self._check_bound(self._at + size)
        parts = [self._window[self._at :]]
        have = len(parts[0])
        while have < size:
            chunk = self._stream.read(max(WINDOW_BYTES, min(size - have, 4 * WINDOW_BYTES)))
            if not chunk:
                raise UserError(
                    f"the file ends after {self.position + have} bytes, inside its GGUF header",
                    hint="The download is incomplete; fetch the file again.",
                    slug="gguf-truncated",
                )
            parts.append(chunk)
            have += len(chunk)
        self._start, self._window, self._at = self.position, b"".join(parts), 0
