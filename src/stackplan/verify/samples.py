"""What roles are asked with: short texts, and a picture and a sound made here from nothing."""

import io
import math
import struct
import wave
import zlib

QUESTION = "Which city is the capital of France? Answer with one word."
FITTING = "Paris is the capital of France."
UNRELATED = "Bread is baked from flour, water, yeast and salt, and left to cool on a rack before it is cut."
PICTURE_QUESTION = "Which colour is this picture? Answer with one word."
# Large enough that no image encoder refuses it: they cut pictures into patches of 14 to 32 pixels.
_PICTURE_PIXELS = 64
_RED = b"\xff\x00\x00"
_SAMPLES_PER_SECOND = 16_000
_TONE_HERTZ = 440


def png() -> bytes:
    """A red square as PNG (8 bits per channel, RGB)."""
    line = b"\0" + _RED * _PICTURE_PIXELS  # 0: the line is not filtered
    header = struct.pack(">IIBBBBB", _PICTURE_PIXELS, _PICTURE_PIXELS, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(line * _PICTURE_PIXELS)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def wav() -> bytes:
    """One second of a quiet tone as WAV (16 bit, mono, 16 kHz, what speech models take)."""
    tone = (
        round(2000 * math.sin(2 * math.pi * _TONE_HERTZ * number / _SAMPLES_PER_SECOND))
        for number in range(_SAMPLES_PER_SECOND)
    )
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_SAMPLES_PER_SECOND)
        sound.writeframes(b"".join(struct.pack("<h", sample) for sample in tone))
    return file.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
