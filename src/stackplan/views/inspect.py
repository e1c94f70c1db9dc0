"""A GGUF header as text for people and as JSON for programs.

Whatever a file says about itself is data of a stranger: control and formatting characters are made visible, and
long texts are cut, so that a name cannot write to the terminal or hide behind another one.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from stackplan.architecture import Architecture, Attention, Layer
from stackplan.errors import UserError
from stackplan.gguf.header import Header, Skipped, Value
from stackplan.gguf.sources import OpenedModel
from stackplan.gguf.types import FILE_TYPES, tensor_bytes
from stackplan.units import format_bytes

F16_BYTES = 2
FLOAT_BYTES = 4
_TEXT_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Inspection:
    """A header, and the shape that follows from it or the reason why none does."""

    opened: OpenedModel
    shape: Architecture | UserError


@dataclass(frozen=True, slots=True)
class TypeUse:
    """How much of a file one ggml type takes; ``bytes`` is None for a type without a known size."""

    type: str
    tensors: int
    elements: int
    bytes: int | None


def inert(text: str, limit: int = _TEXT_LIMIT) -> str:
    """``text`` with everything invisible written as an escape, cut to ``limit`` characters."""
    shown = "".join(letter if letter.isprintable() else _escaped(letter) for letter in text[:limit])
    return shown + ("..." if len(text) > limit else "")


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def types_used(header: Header) -> list[TypeUse]:
    """Types by the bytes they take, largest first; unknown ones first of all."""
    tensors: Counter[str] = Counter()
    elements: Counter[str] = Counter()
    sizes: dict[str, int | None] = {}
    for tensor in header.tensors:
        tensors[tensor.type] += 1
        elements[tensor.type] += tensor.elements
        size, before = tensor_bytes(tensor.shape, tensor.type), sizes.get(tensor.type, 0)
        sizes[tensor.type] = None if size is None or before is None else before + size
    used = [TypeUse(name, tensors[name], elements[name], sizes[name]) for name in tensors]
    return sorted(used, key=lambda use: (use.bytes is not None, -(use.bytes or 0), use.type))


def missing_bytes(opened: OpenedModel) -> int:
    """Bytes that the file should have behind its end: above 0 for a broken download, 0 when it cannot be told."""
    expected, header = opened.header.expected_file_bytes, opened.header
    if expected is None or opened.file_bytes is None:
        return 0
    # Some writers leave out the padding behind the last tensor.
    missing = expected - opened.file_bytes
    return missing if missing > header.alignment * header.parts else 0


def inspection_json(inspection: Inspection, *, metadata: bool = False, tensors: bool = False) -> dict[str, object]:
    """The inspection as plain values; integers are bytes, tokens or elements."""
    opened, header = inspection.opened, inspection.opened.header
    answer: dict[str, object] = {
        "source": opened.source,
        "files": list(opened.files),
        "file_bytes": opened.file_bytes,
        "expected_file_bytes": header.expected_file_bytes,
        "missing_bytes": missing_bytes(opened),
        "gguf_version": header.version,
        "header_bytes": header.data_offset,
        "alignment": header.alignment,
        "parts": header.parts,
        "name": _text_of(header, "general.name"),
        "file_type": _file_type(header),
        "tensor_count": len(header.tensors),
        "tensor_bytes": header.tensor_bytes,
        "parameters": header.parameters,
        "types": [
            {"type": use.type, "tensors": use.tensors, "elements": use.elements, "bytes": use.bytes}
            for use in types_used(header)
        ],
    }
    answer |= _shape_json(inspection.shape)
    if metadata:
        answer["metadata"] = {key: _plain(value) for key, value in header.metadata.items()}
    if tensors:
        answer["tensors"] = [
            {"name": tensor.name, "shape": list(tensor.shape), "type": tensor.type} for tensor in header.tensors
        ]
    return answer


def _shape_json(shape: Architecture | UserError) -> dict[str, object]:
    if isinstance(shape, UserError):
        return {"architecture": None, "architecture_unknown": shape.message}
    memory = _memory(shape)
    return {
        "architecture": {
            "name": shape.name,
            "exact": shape.exact,
            "block_count": shape.block_count,
            "embedding_length": shape.embedding_length,
            "vocabulary_rows": shape.vocabulary_rows,
            "context_tokens": shape.context_tokens,
            "sliding_window": shape.sliding_window,
            "tied_embeddings": shape.tied_embeddings,
            "causal": shape.causal,
            "experts": shape.experts,
            "layers": _layer_counts(shape),
        },
        "f16_kv_bytes_per_token": memory.per_token,
        "f16_kv_bytes_per_window_token": memory.per_window_token,
        "state_bytes_per_slot": memory.state,
    }


@dataclass(frozen=True, slots=True)
class _Memory:
    per_token: int
    per_window_token: int
    state: int


def _memory(shape: Architecture) -> _Memory:
    layers = [layer for layer in shape.layers if not layer.prediction]

    def row(layer: Layer) -> int:
        return F16_BYTES * (layer.k_width + layer.v_width)

    compressed = sum(
        F16_BYTES * layer.compressed_length // layer.compression_ratio for layer in layers if layer.compression_ratio
    )
    return _Memory(
        per_token=sum(row(layer) for layer in layers if layer.attention is not Attention.SLIDING) + compressed,
        per_window_token=sum(row(layer) for layer in layers if layer.attention is Attention.SLIDING),
        state=FLOAT_BYTES * sum(layer.state_elements for layer in layers),
    )


def _layer_counts(shape: Architecture) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for layer in shape.layers:
        shared = " (shared cache)" if layer.shares_kv else ""
        counts["prediction" if layer.prediction else f"{layer.attention}{shared}"] += 1
    return dict(sorted(counts.items()))


def inspection_text(inspection: Inspection, *, metadata: bool = False, tensors: bool = False) -> str:
    """The inspection for a terminal, one fact a line."""
    lines = list(_file_lines(inspection.opened))
    if isinstance(inspection.shape, UserError):
        lines.append(_line("shape", f"none: {inert(inspection.shape.message)}"))
    else:
        lines += _shape_lines(inspection.shape)
    lines += _type_lines(inspection.opened.header)
    if metadata:
        lines += _metadata_lines(inspection.opened.header)
    if tensors:
        lines += _tensor_lines(inspection.opened.header)
    return "\n".join(lines)


def _line(label: str, text: str) -> str:
    return f"  {label:<11} {text}"


def _file_lines(opened: OpenedModel) -> Iterator[str]:
    header = opened.header
    yield inert(_text_of(header, "general.name") or opened.files[0])
    yield _line("source", inert(opened.source))
    size = "unknown size" if opened.file_bytes is None else format_bytes(opened.file_bytes)
    parts = "" if header.parts == 1 else f" in {header.parts} parts"
    yield _line("file", f"{size}{parts}, GGUF {header.version}, header {format_bytes(header.data_offset)}")
    if missing := missing_bytes(opened):
        yield _line("incomplete", f"{format_bytes(missing)} are missing at the end; download it again")
    yield _line("parameters", f"{_billions(header.parameters)} in {len(header.tensors)} tensors")
    yield _line("file type", _file_type(header) or "not said")


def _shape_lines(shape: Architecture) -> Iterator[str]:
    known = "" if shape.exact else ", not known to stackplan: its shape is partly guessed"
    yield _line("shape", f"{inert(shape.name, 60)}{known}")
    yield _line("context", f"{shape.context_tokens} tokens in training")
    kinds = ", ".join(f"{count} {kind}" for kind, count in _layer_counts(shape).items())
    yield _line("blocks", f"{shape.block_count}: {kinds}; width {shape.embedding_length}")
    widest = max(shape.layers, key=lambda layer: (layer.k_width, layer.heads))
    if widest.heads:
        lengths = f"{widest.head_length_k}/{widest.head_length_v}"
        yield _line("attention", f"{widest.heads} heads, {widest.kv_heads} KV heads of {lengths}")
    if shape.experts:
        used = max(layer.experts_used for layer in shape.layers)
        yield _line("experts", f"{shape.experts}, {used} used per token")
    tied = ", shared with the output" if shape.tied_embeddings else ""
    yield _line("vocabulary", f"{shape.vocabulary_rows} rows{tied}")
    yield from _memory_lines(shape)


def _memory_lines(shape: Architecture) -> Iterator[str]:
    memory = _memory(shape)
    window = f"{format_bytes(memory.per_window_token)} per token of a window of {shape.sliding_window}"
    parts = [f"{format_bytes(memory.per_token)} per token of context"] if memory.per_token else []
    parts += [window] if memory.per_window_token else []
    yield _line("KV cache", (" + ".join(parts) + " (f16)") if parts else "none")
    if memory.state:
        yield _line("state", f"{format_bytes(memory.state)} per slot")


def _type_lines(header: Header) -> Iterator[str]:
    for index, use in enumerate(types_used(header)):
        size = "size not known" if use.bytes is None else format_bytes(use.bytes)
        yield _line("types" if index == 0 else "", f"{use.type:<9} {use.tensors:>5} tensors {size:>12}")


def _metadata_lines(header: Header) -> Iterator[str]:
    yield "metadata"
    for key, value in header.metadata.items():
        yield f"  {inert(key, 80)} = {inert(str(_plain(value)))}"


def _tensor_lines(header: Header) -> Iterator[str]:
    yield "tensors"
    for tensor in header.tensors:
        shape = " x ".join(str(length) for length in tensor.shape)
        yield f"  {inert(tensor.name, 80)}  {shape}  {tensor.type}"


def _text_of(header: Header, key: str) -> str | None:
    value = header.metadata.get(key)
    return value if isinstance(value, str) else None


def _file_type(header: Header) -> str | None:
    value = header.metadata.get("general.file_type")
    return FILE_TYPES.get(value, f"unknown-{value}") if isinstance(value, int) else None


def _plain(value: Value) -> object:
    if isinstance(value, Skipped):
        return {"type": value.type, "count": value.count}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _billions(parameters: int) -> str:
    return f"{parameters / 10**9:.2f} B" if parameters >= 10**8 else f"{parameters / 10**6:.1f} M"
