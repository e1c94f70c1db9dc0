"""GGUF files large enough that weights and cache outweigh the process that serves them, written in a moment."""

import struct
from pathlib import Path

from tests.gguf.files import preamble, tensor
from tests.render.tiny_gguf import _text, _typed

F32_TYPE = 0
WIDTH, FEED_FORWARD, BLOCKS, HEADS = 256, 512, 2, 4
PATTERN = struct.pack("<13f", *(((7 * number) % 13 - 6) / 200 for number in range(13)))

Tensors = dict[str, tuple[int, ...]]


def chat_model(path: Path, context: int) -> None:
    """A llama with a byte vocabulary, trained (so it says) on ``context`` tokens; its cache takes 4 KiB a token."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pairs = _shape("llama", context) | {
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
    tensors: Tensors = {"token_embd": (WIDTH, len(tokens)), "output_norm": (WIDTH,), "output": (WIDTH, len(tokens))}
    for block in range(BLOCKS):
        parts = {f"attn_{part}": (WIDTH, WIDTH) for part in ("q", "k", "v", "output")}
        parts |= {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)}
        parts |= {"ffn_gate": (WIDTH, FEED_FORWARD), "ffn_up": (WIDTH, FEED_FORWARD), "ffn_down": (FEED_FORWARD, WIDTH)}
        tensors |= {f"blk.{block}.{part}": shape for part, shape in parts.items()}
    _write(path, pairs, {f"{name}.weight": shape for name, shape in tensors.items()})


def encoder(path: Path, context: int, *, reranks: bool) -> None:
    """A BERT whose table of ``context`` positions, 1 KiB each, is most of its weights."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"\u2581{letter}" for letter in "abcdefgh")]
    special = {"bos": 2, "eos": 3, "seperator": 3, "cls": 2, "padding": 0, "unknown": 1, "mask": 4}
    pairs = _shape("bert", context) | {
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
        "position_embd.weight": (WIDTH, context),
        "token_types.weight": (WIDTH,),
        "token_embd_norm.weight": (WIDTH,),
        "token_embd_norm.bias": (WIDTH,),
    }
    if reranks:
        tensors |= {"cls.weight": (WIDTH, WIDTH), "cls.bias": (WIDTH,)}
        tensors |= {"cls.output.weight": (WIDTH, 1), "cls.output.bias": (1,)}
    for block in range(BLOCKS):
        weights = {f"attn_{part}": (WIDTH, WIDTH) for part in ("q", "k", "v", "output")}
        weights |= {"ffn_up": (WIDTH, FEED_FORWARD), "ffn_down": (FEED_FORWARD, WIDTH)}
        tensors |= {f"blk.{block}.{part}.weight": shape for part, shape in weights.items()}
        tensors |= {f"blk.{block}.{part}.bias": shape[1:] for part, shape in weights.items()}
        for part in ("attn_output_norm", "layer_output_norm"):
            tensors |= {f"blk.{block}.{part}.weight": (WIDTH,), f"blk.{block}.{part}.bias": (WIDTH,)}
    _write(path, pairs, tensors)


def _shape(name: str, context: int) -> dict[str, object]:
    return {
        "general.architecture": name,
        "general.name": "made up",
        f"{name}.block_count": BLOCKS,
        f"{name}.context_length": context,
        f"{name}.embedding_length": WIDTH,
        f"{name}.feed_forward_length": FEED_FORWARD,
        f"{name}.attention.head_count": HEADS,
    }


def _write(path: Path, pairs: dict[str, object], tensors: Tensors) -> None:
    infos, sizes, offset = b"", [], 0
    for name, shape in tensors.items():
        infos += tensor(name, shape, F32_TYPE, offset)
        size = 4
        for length in shape:
            size *= length
        sizes.append(size)
        offset += -(-size // 32) * 32
    head = preamble(len(tensors), len(pairs)) + b"".join(_text(key) + _typed(value) for key, value in pairs.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(head + infos + bytes(-len(head + infos) % 32))
        for size in sizes:
            file.write((PATTERN * (size // len(PATTERN) + 1))[:size] + bytes(-size % 32))
