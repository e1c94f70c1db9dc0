"""``stackplan estimate`` as people and programs call it."""

import gzip
import io
import json
import re
import shutil
import struct
from pathlib import Path

import pytest

from stackplan.cli import run
from stackplan.gguf.types import TYPE_BY_NAME, padded, tensor_bytes
from stackplan.views.estimate import COMPONENTS, estimate_schema

TRUTH = Path(__file__).resolve().parents[1] / "truth"
QWEN3_CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
}


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def value_bytes(value: object) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    assert isinstance(value, list)
    kind = {str: 8, float: 6, int: 5}[type(value[0])]
    letter = {6: "f", 5: "i"}.get(kind, "")
    body = struct.pack(f"<{len(value)}{letter}", *value) if letter else b"".join(map(text, value))
    return struct.pack("<IIQ", 9, kind, len(value)) + body


def tokenizer(size: int) -> dict[str, object]:
    """A vocabulary that llama.cpp loads: three control tokens, all bytes, and made-up words."""
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words += [f"t{index}" for index in range(size - len(words))]
    kinds = [2, 3, 3] + [6] * 256 + [1] * (size - 259)
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": words,
        "tokenizer.ggml.scores": [0.0] * size,
        "tokenizer.ggml.token_type": kinds,
    }


@pytest.fixture(scope="module")
def gguf(tmp_path_factory) -> Path:
    """A hollow GGUF with the shape of a real model (qwen3-8b, F16): its header and no data."""
    return hollow_model(tmp_path_factory.mktemp("gguf"), {})


def hollow_model(folder: Path, more: dict[str, object]) -> Path:
    with gzip.open(TRUTH / "llama_cpp_shapes.json.gz", "rt") as file:
        shape = json.load(file)["models"]["qwen3-8b"]
    types = [name for name, count in shape["quants"]["F16"]["types"] for _ in range(count)]
    metadata = shape["metadata"] | more
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shape["tensors"]), len(metadata))
    head += b"".join(text(key) + value_bytes(value) for key, value in metadata.items())
    offset = 0
    for (name, *dimensions), kind in zip(shape["tensors"], types, strict=True):
        head += text(name) + struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
        head += struct.pack("<IQ", TYPE_BY_NAME[kind].id, offset)
        offset += padded(tensor_bytes(dimensions, kind) or 0)
    path = folder / "qwen3-8b-F16.gguf"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(padded(len(head)) + offset)
    return path


def answered(capsys, *arguments: str) -> dict:
    assert run(["estimate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments: str) -> str:
    assert run(["estimate", *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hint: " in captured.err
    return captured.err.partition("]")[0].removeprefix("error[")


def test_a_gguf_is_estimated_to_the_byte_of_the_engine(capsys, gguf):
    found = answered(capsys, str(gguf), "--context", "8192")
    pool = found["pools"]["cpu"]
    assert pool["weights_bytes"] == 16_382_087_168  # llama.cpp b11434: buffers of this file
    assert pool["kv_bytes"] == 36 * 8192 * 4096
    assert found["total_bytes"] == sum(sum(parts.values()) for parts in found["pools"].values())
    assert found["basis"] == "derived"


def test_an_f16_file_is_sized_as_the_quantiser_would_write_it(capsys, gguf):
    found = answered(capsys, str(gguf), "--quant", "Q4_K_M")
    assert found["pools"]["cpu"]["weights_bytes"] == 5_021_827_072
    assert found["quantisation"] == "Q4_K_M"


def test_a_config_json_gives_the_same_weights_as_the_file(capsys, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(QWEN3_CONFIG))
    assert answered(capsys, str(path), "--quant", "q4_k_m")["pools"]["cpu"]["weights_bytes"] == 5_021_827_072


def test_a_model_of_the_catalog_is_estimated_by_its_id(capsys):
    found = answered(capsys, "qwen3-8b", "--quant", "Q4_K_M", "--context", "32768", "--kv", "q8_0")
    assert found["pools"]["cpu"]["kv_bytes"] == 2448 * 2**20
    assert found["context_tokens"] == 32768


def test_devices_of_a_profile_are_pools_of_their_own(capsys):
    found = answered(capsys, "qwen3-8b", "--devices", "2x rtx-3090", "--parallel", "4")
    assert list(found["pools"]) == ["cpu", "gpu0", "gpu1"]
    assert {line["name"] for line in found["overheads"] if line["pool"] == "gpu0"} == {
        "CUDA context",
        "CUDA pools and graphs",
    }


def test_a_record_of_the_catalogs_schema_is_estimated_from_its_file(capsys, tmp_path):
    record = tmp_path / "mine.yaml"
    record.write_text(
        """\
id: mine
name: Mine
lineage: mine
released: 2026-01
repository: me/mine
licence: {id: MIT, name: MIT, commercial: true, gated: false}
context_tokens: 40960
tokenizer: {family: mine, vocabulary: 151936}
inputs: [text]
suits: [general]
parameters: 8190735360
active_parameters: 8190735360
architecture:
  name: qwen3
  block_count: 36
  context_length: 40960
  embedding_length: 4096
  feed_forward_length: 12288
  attention.head_count: 32
  attention.head_count_kv: 8
  attention.key_length: 128
  attention.value_length: 128
  vocab_size: 151936
sources: {identity: a test, parameters: a test}
date: 2026-11-21
"""
    )
    found = answered(capsys, str(record), "--quant", "Q4_K_M")
    assert found["pools"]["cpu"]["weights_bytes"] == 5_021_827_072


def test_people_get_a_table(capsys, gguf):
    assert run(["estimate", str(gguf)]) == 0
    out = capsys.readouterr().out
    assert all(name.removesuffix("_bytes") in out for name in COMPONENTS)
    assert re.search(r"cpu: server process \d+\.\d MiB \(measured\)", out)
    assert re.search(r"cpu: tokenizer \d+\.\d [KM]iB \(measured\)", out)


def test_lines_in_are_lines_out_and_a_bad_line_stops_no_other(capsys, monkeypatch, gguf):
    lines = [
        json.dumps({"source": str(gguf), "context": 4096, "gpu_layers": "all"}),
        "not json",
        json.dumps({"source": str(gguf), "colour": "red"}),
        json.dumps({"source": str(gguf), "context": "many"}),
        json.dumps({"source": str(gguf), "kv": "q8_0", "flash_attn": "off"}),
        json.dumps({"source": str(gguf), "context": 8192, "kv_unified": True, "parallel": 4}),
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    assert run(["estimate", "--batch", "-"]) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry.get("error") for entry in found] == [
        None,
        "bad-line",
        "bad-line",
        "bad-argument",
        "quantised-v-needs-flash-attention",
        None,
    ]
    assert found[-1]["pools"]["cpu"]["kv_bytes"] == 36 * 8192 * 4096


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        (("qwen3-9000b",), "unknown-model"),
        (("no/such.gguf",), "file-not-found"),
        ((), "no-source"),
        (("qwen3-8b", "--flash-attn", "maybe"), "bad-argument"),
        (("qwen3-8b", "--parallel", "0"), "bad-argument"),
        (("qwen3-8b", "--gpu-layers", "20"), "no-gpu"),
        (("qwen3-8b", "--kv", "q2_k"), "kv-type-unknown"),
        (("qwen3-8b", "--engine", "none"), "engine-unknown"),
        (("qwen3-8b", "--oracle", "--llama-bin", "/nowhere"), "oracle-missing"),
        (("--batch", "/nowhere/lines.jsonl"), "batch-unreadable"),
    ],
)
def test_mistakes_are_named_with_a_hint(capsys, arguments, slug):
    assert refused(capsys, *arguments) == slug


@pytest.mark.parametrize("content", ["[1, 2]", "{", '{"model_type": "never-heard-of"}', "[" * 100_000])
def test_a_hostile_config_is_an_error_and_no_traceback(capsys, tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(content)
    assert refused(capsys, str(path))


def test_the_schema_names_every_key_that_is_printed(capsys, gguf):
    schema, found = estimate_schema(), answered(capsys, str(gguf))
    assert sorted(found) == sorted(schema["required"])
    assert sorted(found["pools"]["cpu"]) == sorted(schema["$defs"]["pool"]["required"])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("llama-fit-params") is None, reason="llama.cpp is not on the PATH")
def test_the_engine_itself_says_the_same(capsys, tmp_path):
    model = hollow_model(tmp_path, tokenizer(QWEN3_CONFIG["vocab_size"]))
    found = answered(capsys, str(model), "--oracle", "--context", "8192")
    (row,) = found["oracle"]
    for part in ("weights_bytes", "cache_bytes", "compute_bytes"):
        assert abs(row[part] - row[f"engine_{part}"]) <= 0.02 * row["engine_weights_bytes"]
