"""Small GGUF files that a real llama-server loads: a chat model, an embedder and a reranker."""

import struct
from dataclasses import dataclass
from pathlib import Path

F32 = 0
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


@dataclass(frozen=True)
class Shape:
    """A model's size; the default is a file of some hundred KB."""

    width: int = 32
    feed_forward: int = 64
    blocks: int = 1
    heads: int = 2
    context: int = 512


TINY = Shape()
_VALUES = struct.pack("<13f", *(((7 * number) % 13 - 6) / 50 for number in range(13)))

Tensors = dict[str, tuple[int, ...]]
Pairs = dict[str, object]


def chat_model(path: Path, *, experts: int = 0, shape: Shape = TINY, words: int = 0) -> None:
    """A llama with a byte vocabulary, so many ``words`` and a chat template; with ``experts``, of which two answer."""
    width, wide = shape.width, shape.feed_forward
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *_words(words)]
    pairs = _shape("llama", shape) | {
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": width // shape.heads,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens),
        "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256 + [1] * words,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}",
    }
    if experts:
        pairs |= {"llama.expert_count": experts, "llama.expert_used_count": 2}
    tensors: Tensors = {
        "token_embd.weight": (width, len(tokens)),
        "output_norm.weight": (width,),
        "output.weight": (width, len(tokens)),
    }
    for block in range(shape.blocks):
        parts = {f"attn_{part}": (width, width) for part in ("q", "k", "v", "output")}
        parts |= {"attn_norm": (width,), "ffn_norm": (width,)}
        rows = {"ffn_gate": (width, wide), "ffn_up": (width, wide), "ffn_down": (wide, width)}
        parts |= {f"{name}_exps": (*size, experts) for name, size in rows.items()} if experts else rows
        parts |= {"ffn_gate_inp": (width, experts)} if experts else {}
        tensors |= {f"blk.{block}.{part}.weight": size for part, size in parts.items()}
    _write(path, pairs, tensors)


def encoder(path: Path, *, reranks: bool, shape: Shape = TINY, words: int = 0) -> None:
    """A BERT that knows eight letters and ``words``; with a classification head it ranks."""
    width, wide = shape.width, shape.feed_forward
    letters = [f"\u2581{letter}" for letter in "abcdefgh"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *_words(words)]
    special = {"bos": 2, "eos": 3, "seperator": 3, "cls": 2, "padding": 0, "unknown": 1, "mask": 4}
    pairs = _shape("bert", shape) | {
        "bert.attention.layer_norm_epsilon": 1e-5,
        "bert.attention.causal": False,
        "bert.pooling_type": 4 if reranks else 1,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens),
        "tokenizer.ggml.token_type": [3] * 5 + [1] * (len(tokens) - 5),
        "tokenizer.ggml.token_type_count": 1,
        **{f"tokenizer.ggml.{name}_token_id": number for name, number in special.items()},
    }
    tensors: Tensors = {
        "token_embd.weight": (width, len(tokens)),
        "position_embd.weight": (width, shape.context),
        "token_types.weight": (width,),
        "token_embd_norm.weight": (width,),
        "token_embd_norm.bias": (width,),
    }
    if reranks:
        tensors |= {
            "cls.weight": (width, width),
            "cls.bias": (width,),
            "cls.output.weight": (width, 1),
            "cls.output.bias": (1,),
        }
    for block in range(shape.blocks):
        weights = {f"attn_{part}": (width, width) for part in ("q", "k", "v", "output")}
        weights |= {"ffn_up": (width, wide), "ffn_down": (wide, width)}
        tensors |= {f"blk.{block}.{part}.weight": size for part, size in weights.items()}
        tensors |= {f"blk.{block}.{part}.bias": size[1:] for part, size in weights.items()}
        for part in ("attn_output_norm", "layer_output_norm"):
            tensors |= {f"blk.{block}.{part}.weight": (width,), f"blk.{block}.{part}.bias": (width,)}
    _write(path, pairs, tensors)


def _words(count: int) -> list[str]:
    """So many different words, about as long as those of real vocabularies."""
    return [f"\u2581w{number:x}" for number in range(count)]


def _shape(name: str, shape: Shape) -> Pairs:
    return {
        "general.architecture": name,
        "general.name": "tiny",
        f"{name}.block_count": shape.blocks,
        f"{name}.context_length": shape.context,
        f"{name}.embedding_length": shape.width,
        f"{name}.feed_forward_length": shape.feed_forward,
        f"{name}.attention.head_count": shape.heads,
    }


def _write(path: Path, pairs: Pairs, tensors: Tensors) -> None:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    for key, value in pairs.items():
        head += _text(key) + _typed(value)
    data = b""
    for name, shape in tensors.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, F32, len(data))
        count = 1
        for length in shape:
            count *= length
        body = (_VALUES * (count // 13 + 1))[: 4 * count]
        data += body + bytes(-len(body) % 32)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + bytes(-len(head) % 32) + data)


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _typed(value: object) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", BOOL, value)
    if isinstance(value, int):
        return struct.pack("<Ii", INT32, value) if value < 0 else struct.pack("<II", UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", FLOAT32, value)
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _text(value)
    assert isinstance(value, list)
    kind = {str: STRING, float: FLOAT32, int: INT32}[type(value[0])]
    body = b"".join(
        _text(item) if kind == STRING else struct.pack("<f" if kind == FLOAT32 else "<i", item) for item in value
    )
    return struct.pack("<IIQ", ARRAY, kind, len(value)) + body
