"""GGUF files of some hundred KB that a real llama-server loads: a chat model, an embedder and a reranker."""

import struct
from pathlib import Path

F32 = 0
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
WIDTH, FEED_FORWARD, BLOCKS, HEADS, CONTEXT = 32, 64, 1, 2, 512

Tensors = dict[str, tuple[int, ...]]
Pairs = dict[str, object]


def chat_model(path: Path) -> None:
    """A llama of one block with a byte vocabulary and a chat template."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pairs = _shape("llama") | {
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": WIDTH // HEADS,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens),
        "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}",
    }
    tensors: Tensors = {
        "token_embd.weight": (WIDTH, len(tokens)),
        "output_norm.weight": (WIDTH,),
        "output.weight": (WIDTH, len(tokens)),
    }
    for block in range(BLOCKS):
        parts = {f"attn_{part}": (WIDTH, WIDTH) for part in ("q", "k", "v", "output")}
        parts |= {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)}
        parts |= {"ffn_gate": (WIDTH, FEED_FORWARD), "ffn_up": (WIDTH, FEED_FORWARD), "ffn_down": (FEED_FORWARD, WIDTH)}
        tensors |= {f"blk.{block}.{part}.weight": shape for part, shape in parts.items()}
    _write(path, pairs, tensors)


def encoder(path: Path, *, reranks: bool) -> None:
    """A BERT of one block; with a classification head it ranks."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"\u2581{letter}" for letter in "abcdefgh")]
    special = {"bos": 2, "eos": 3, "seperator": 3, "cls": 2, "padding": 0, "unknown": 1, "mask": 4}
    pairs = _shape("bert") | {
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
        "token_embd.weight": (WIDTH, len(tokens)),
        "position_embd.weight": (WIDTH, CONTEXT),
        "token_types.weight": (WIDTH,),
        "token_embd_norm.weight": (WIDTH,),
        "token_embd_norm.bias": (WIDTH,),
    }
    if reranks:
        tensors |= {
            "cls.weight": (WIDTH, WIDTH),
            "cls.bias": (WIDTH,),
            "cls.output.weight": (WIDTH, 1),
            "cls.output.bias": (1,),
        }
    for block in range(BLOCKS):
        weights = {f"attn_{part}": (WIDTH, WIDTH) for part in ("q", "k", "v", "output")}
        weights |= {"ffn_up": (WIDTH, FEED_FORWARD), "ffn_down": (FEED_FORWARD, WIDTH)}
        tensors |= {f"blk.{block}.{part}.weight": shape for part, shape in weights.items()}
        tensors |= {f"blk.{block}.{part}.bias": shape[1:] for part, shape in weights.items()}
        for part in ("attn_output_norm", "layer_output_norm"):
            tensors |= {f"blk.{block}.{part}.weight": (WIDTH,), f"blk.{block}.{part}.bias": (WIDTH,)}
    _write(path, pairs, tensors)


def _shape(name: str) -> Pairs:
    return {
        "general.architecture": name,
        "general.name": "tiny",
        f"{name}.block_count": BLOCKS,
        f"{name}.context_length": CONTEXT,
        f"{name}.embedding_length": WIDTH,
        f"{name}.feed_forward_length": FEED_FORWARD,
        f"{name}.attention.head_count": HEADS,
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
        body = struct.pack(f"<{count}f", *(((7 * number) % 13 - 6) / 50 for number in range(count)))
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
