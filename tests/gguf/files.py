"""A small writer of GGUF files, apart from the reader that it tests."""

import struct
from collections.abc import Mapping, Sequence

U8, U32, I32, F32, BOOL, STRING, ARRAY, U64 = 0, 4, 5, 6, 7, 8, 9, 10
F16_TYPE = 1


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def typed(value: object) -> bytes:
    """Type id and value, as in a metadata pair."""
    if isinstance(value, bool):
        return struct.pack("<I?", BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", U32, value) if value >= 0 else struct.pack("<Ii", I32, value)
    if isinstance(value, float):
        return struct.pack("<If", F32, value)
    if isinstance(value, (str, bytes)):
        return struct.pack("<I", STRING) + text(value)
    assert isinstance(value, (list, tuple))
    items = [typed(item) for item in value]
    kind = items[0][:4] if items else struct.pack("<I", U32)
    return struct.pack("<I", ARRAY) + kind + struct.pack("<Q", len(items)) + b"".join(item[4:] for item in items)


def tensor(name: str, shape: Sequence[int], type_id: int = F16_TYPE, offset: int = 0) -> bytes:
    dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + dimensions + struct.pack("<IQ", type_id, offset)


def preamble(tensors: int, pairs: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs)


def gguf(
    metadata: Mapping[str, object],
    tensors: Sequence[tuple[str, Sequence[int]]] = (),
    version: int = 3,
    *,
    data: bool = True,
) -> bytes:
    """A file with f16 tensors of zeros; the header alone without ``data``."""
    pairs = b"".join(text(key) + typed(value) for key, value in metadata.items())
    infos, offset = b"", 0
    for name, shape in tensors:
        infos += tensor(name, shape, offset=offset)
        size = 2
        for length in shape:
            size *= length
        offset += -(-size // 32) * 32
    header = preamble(len(tensors), len(metadata), version) + pairs + infos
    return header + bytes(-len(header) % 32 + offset if data else 0)


def tiny_model(name: str = "llama", blocks: int = 2, **keys: object) -> bytes:
    """A model of one attention head per block, with a vocabulary of 8; ``keys`` replace or add metadata."""
    values: dict[str, object] = {
        "block_count": blocks,
        "context_length": 4096,
        "embedding_length": 64,
        "feed_forward_length": 128,
        "attention.head_count": 2,
        "attention.head_count_kv": 1,
    }
    values |= {key.replace("__", "."): value for key, value in keys.items()}
    metadata = {"general.architecture": name, "general.name": "tiny", "general.file_type": 1}
    metadata |= {f"{name}.{key}": value for key, value in values.items()}  # type: ignore[dict-item]
    tensors: list[tuple[str, tuple[int, ...]]] = [("token_embd.weight", (64, 8)), ("output_norm.weight", (64,))]
    for index in range(blocks):
        tensors += [
            (f"blk.{index}.{part}.weight", shape)
            for part, shape in (
                ("attn_norm", (64,)),
                ("attn_q", (64, 64)),
                ("attn_k", (64, 32)),
                ("attn_v", (64, 32)),
                ("attn_output", (64, 64)),
                ("ffn_norm", (64,)),
                ("ffn_gate", (64, 128)),
                ("ffn_up", (64, 128)),
                ("ffn_down", (128, 64)),
            )
        ]
    return gguf(metadata, tensors)
