"""The shape derived from a header, judged by what llama.cpp itself allocates for the same header."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from stackplan.architecture import Architecture, Attention, Tensor
from stackplan.errors import UserError
from stackplan.gguf.architecture import architecture_of
from stackplan.gguf.header import read_header
from tests.gguf import files

DATA = Path(__file__).parent / "data"


def rows(name: str) -> list[dict[str, Any]]:
    document = json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))
    return list(document["rows"])


def shape_of(row: dict[str, Any]) -> Architecture:
    return architecture_of(row["metadata"], [Tensor(name, tuple(shape), "f16") for name, shape in row["tensors"]])


def padded(tokens: int) -> int:
    return -(-tokens // 256) * 256


def memory_bytes(shape: Architecture, tokens: int, sequences: int, unified: int, micro_batch: int) -> int:
    """Cache (f16) and state (f32): the closed form of llama.cpp's allocation, written apart from `estimate`."""
    unified_now = unified and not shape.never_unified
    streams = 1 if unified_now else sequences
    cells = padded(padded(tokens) if unified else padded(tokens) // sequences)
    sliding = padded(min(cells, shape.sliding_window * (sequences if unified_now else 1) + micro_batch))
    total = 0
    for layer in shape.layers:
        if layer.prediction:
            continue
        own = sliding if layer.attention is Attention.SLIDING else cells
        total += 2 * streams * own * (layer.k_width + layer.v_width) + 4 * sequences * layer.state_elements
        if layer.compression_ratio:
            total += 2 * streams * padded(-(-cells // layer.compression_ratio)) * layer.compressed_length
    return total


def disagreements(row: dict[str, Any]) -> list[tuple[list[int], int]]:
    shape = shape_of(row)
    computed = [(case, memory_bytes(shape, *case[:4])) for case in row["cases"]]
    return [(case, size) for case, size in computed if size != case[4]]


@pytest.mark.parametrize("row", rows("architectures"), ids=lambda row: row["name"])
def test_every_architecture_of_llama_cpp_takes_the_memory_it_reports(row: dict[str, Any]) -> None:
    assert disagreements(row) == []


@pytest.mark.parametrize("row", rows("models"), ids=lambda row: row["name"])
def test_real_models_take_the_memory_that_llama_cpp_reports(row: dict[str, Any]) -> None:
    assert disagreements(row) == []


def test_every_architecture_that_llama_cpp_writes_is_known() -> None:
    assert [row["name"] for row in rows("architectures") + rows("models") if not shape_of(row).exact] == []


def tiny(name: str = "llama", blocks: int = 6, **keys: object) -> Architecture:
    header = read_header(io.BytesIO(files.tiny_model(name, blocks, **keys)))
    return architecture_of(header.metadata, header.tensors)


def kinds(shape: Architecture) -> str:
    """One letter per layer."""
    return "".join(layer.attention[0] for layer in shape.layers)


def test_a_plain_model_has_full_attention_everywhere() -> None:
    shape = tiny()
    assert kinds(shape) == "ffffff"
    layer = shape.layers[0]
    assert (layer.heads, layer.kv_heads, layer.head_length_k, layer.head_length_v) == (2, 1, 32, 32)
    assert (layer.feed_forward_length, layer.gated, layer.parallel) == (128, True, False)
    assert (shape.vocabulary_rows, shape.tied_embeddings, shape.exact) == (8, True, True)


def test_heads_may_differ_from_block_to_block() -> None:
    shape = tiny(blocks=3, attention__head_count_kv=[1, 2, 0])
    assert [layer.k_width for layer in shape.layers] == [32, 64, 0]


@pytest.mark.parametrize(
    ("name", "keys", "expected"),
    [
        ("gemma3", {"attention__sliding_window": 512}, "sssssf"),
        ("gemma2", {}, "sfsfsf"),
        ("gpt-oss", {"attention__sliding_window": 128}, "sfsfsf"),
        ("cohere2moe", {"attention__sliding_window": 512}, "fsssfs"),
        ("lfm2", {"attention__sliding_window": 512}, "ssssss"),
        ("gemma3", {"attention__sliding_window": 512, "attention__sliding_window_pattern": 3}, "ssfssf"),
        (
            "gemma4",
            {"attention__sliding_window": 512, "attention__sliding_window_pattern": [True, False] * 3},
            "sfsfsf",
        ),
        ("phi3", {"attention__sliding_window": 2048}, "ffffff"),
        ("llama", {"attention__sliding_window": 4096}, "ffffff"),
        ("exaone4", {"attention__sliding_window": 4096}, "ffffff"),
    ],
)
def test_windows_slide_as_the_engine_slides_them(name: str, keys: dict[str, object], expected: str) -> None:
    assert kinds(tiny(name, **keys)) == expected


def test_a_chunked_window_is_as_wide_as_the_engine_makes_it() -> None:
    assert tiny("llama4").sliding_window == 8192
    assert kinds(tiny("llama4", attention__sliding_window=0)) == "ffffff"


def test_later_blocks_may_read_the_cache_of_earlier_ones() -> None:
    shape = tiny("gemma4", attention__shared_kv_layers=4, attention__sliding_window=512)
    assert [layer.shares_kv for layer in shape.layers] == [False] * 2 + [True] * 4
    assert [layer.k_width > 0 for layer in shape.layers] == [True] * 2 + [False] * 4


def test_a_missing_window_pattern_is_taken_as_full_attention_and_admitted() -> None:
    shape = tiny("gemma4", attention__sliding_window=512)
    assert (kinds(shape), shape.exact) == ("ffffff", False)


def test_encoders_cache_nothing() -> None:
    shape = tiny("bert", attention__causal=False)
    assert (kinds(shape), shape.has_cache, shape.causal) == ("nnnnnn", False, False)


def test_prediction_blocks_are_marked_and_left_out_of_the_trunk() -> None:
    metadata = {
        "general.architecture": "glm4moe", "glm4moe.block_count": 2, "glm4moe.embedding_length": 64,
        "glm4moe.attention.head_count": 2, "glm4moe.nextn_predict_layers": 1,
    }  # fmt: skip
    keys = [Tensor(f"blk.{index}.attn_k.weight", (64, 64), "f16") for index in range(2)]
    announced = [Tensor("blk.1.nextn.eh_proj.weight", (128, 64), "f16")]
    assert [layer.prediction for layer in architecture_of(metadata, keys + announced).layers] == [False, True]
    assert [layer.prediction for layer in architecture_of(metadata, keys).layers] == [False, False]


def test_a_looped_model_caches_every_pass() -> None:
    shape = tiny("nanbeige", num_loops=2)
    assert (shape.block_count, kinds(shape)) == (12, "f" * 12)


def test_an_architecture_of_tomorrow_is_derived_from_its_tensors_and_admitted() -> None:
    metadata = {
        "general.architecture": "tomorrow", "tomorrow.block_count": 3, "tomorrow.embedding_length": 64,
        "tomorrow.attention.head_count": 2, "tomorrow.ssm.conv_kernel": 4, "tomorrow.ssm.inner_size": 128,
        "tomorrow.ssm.state_size": 16, "tomorrow.ssm.group_count": 1,
    }  # fmt: skip
    tensors = [
        Tensor("blk.0.attn_k.weight", (64, 64), "f16"),
        Tensor("blk.1.ssm_conv1d.weight", (4, 160), "f16"),
        Tensor("blk.2.ffn_down.weight", (128, 64), "f16"),
    ]
    shape = architecture_of(metadata, tensors)
    assert (kinds(shape), shape.exact) == ("frn", False)
    assert shape.layers[1].convolution_elements == 3 * (128 + 2 * 16)
    assert shape.layers[1].state_elements == 3 * (128 + 2 * 16) + 128 * 16


def test_experts_are_read_from_their_tensors() -> None:
    row = next(row for row in rows("models") if row["name"] == "gpt-oss-20b")
    layer = shape_of(row).layers[0]
    assert (layer.experts, layer.experts_used, layer.expert_feed_forward_length) == (32, 4, 2880)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"general.architecture": 7},
        {"general.architecture": "evil\x1b[2J"},
        {"general.architecture": "clip"},
        {"general.architecture": "llama", "llama.block_count": 2**31, "llama.embedding_length": 64},
        {"general.architecture": "llama", "llama.block_count": 0, "llama.embedding_length": 64},
        {"general.architecture": "llama", "llama.block_count": "two", "llama.embedding_length": 64},
        {"general.architecture": "llama", "llama.block_count": 2, "llama.embedding_length": 0.5},
    ],
)
def test_what_is_no_model_is_refused(metadata: dict[str, object]) -> None:
    with pytest.raises(UserError) as caught:
        architecture_of(metadata, [])
    assert caught.value.slug == "gguf-metadata"
    assert caught.value.message.isprintable()
