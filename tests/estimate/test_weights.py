"""Bytes by place, judged by what llama.cpp allocates."""

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.calls import calls

from stackplan.architecture import Tensor
from stackplan.errors import UserError
from stackplan.estimate.config_json import hyperparameters_of
from stackplan.estimate.inventory import Unsupported
from stackplan.estimate.quant_rules import DEFAULT_TYPES
from stackplan.estimate.weights import Prepared, prepare, size_up, weight_table
from stackplan.gguf.types import padded, tensor_bytes

TRUTH = Path(__file__).parents[1] / "truth"
# Their loaders create the output head before the embedding, so that a host without mmap holds both.
TWO_COPIES_ON_HOST = {"gemma3n", "gemma4"}


def read(name: str) -> dict[str, Any]:
    return json.loads(gzip.decompress((TRUTH / name).read_bytes()))


SHAPES = read("quant_sizes.json.gz")["shapes"]
LOADED = {name: row for name, row in read("model_configs.json.gz")["rows"].items() if "loaded_bytes" in row}


def prepared(record: dict[str, Any]) -> Prepared:
    answer = prepare(record)
    assert not isinstance(answer, Unsupported)
    return answer


@pytest.mark.parametrize("name", sorted(LOADED))
def test_llama_cpp_allocates_the_weights_that_the_configuration_implies(name: str) -> None:
    record = hyperparameters_of(LOADED[name]["config"])
    assert not isinstance(record, Unsupported)
    assert record["architecture"] == LOADED[name]["architecture"]
    table = prepared(record).weights("F16")
    copies = table.tied_output_bytes if record["architecture"] in TWO_COPIES_ON_HOST else 0
    expected = table.tensor_bytes - table.prediction_bytes + copies
    # llama.cpp rounds every tensor up to 32 bytes: up to 28 for the few scalars of a block.
    assert 0 <= LOADED[name]["loaded_bytes"] - expected <= 64 * record["block_count"]


@pytest.mark.parametrize(
    ("model", "file_type", "importance_matrix", "published_bytes"),
    [
        ("llama-3.1-8b", "Q2_K", False, 3_179_136_416),
        ("llama-3.1-8b", "Q3_K_M", False, 4_018_922_912),
        ("llama-3.1-8b", "IQ4_XS", True, 4_447_667_616),
        ("llama-3.1-8b", "Q4_K_M", False, 4_920_739_232),
        ("llama-3.1-8b", "Q8_0", False, 8_540_775_840),
        ("qwen3-8b", "Q4_K_M", False, 5_027_783_488),
        ("qwen3-30b-a3b", "Q4_K_M", False, 18_556_686_752),
        ("qwen2.5-7b", "Q4_K_M", False, 4_683_074_240),
        ("qwen2.5-0.5b", "Q4_K_M", False, 397_807_936),
        ("gemma-2-9b", "Q4_K_M", False, 5_761_057_728),
    ],
)
def test_file_sizes_agree_with_published_ones_within_a_hundred_kilobytes(
    model: str, file_type: str, importance_matrix: bool, published_bytes: int
) -> None:
    table = prepared(SHAPES[model]).weights(file_type, importance_matrix=importance_matrix)
    assert abs(table.file_bytes - published_bytes) <= 100_000


@pytest.mark.parametrize("model", sorted(SHAPES))
def test_the_parts_sum_to_the_whole_for_every_file_type(model: str) -> None:
    shape = prepared(SHAPES[model])
    for file_type in sorted(DEFAULT_TYPES):
        try:
            table = shape.weights(file_type)
        except UserError:
            assert file_type == "Q1_0"
            continue
        parts = table.total_layer_bytes + table.input_bytes + table.output_bytes + table.prediction_bytes
        assert parts == table.tensor_bytes < table.file_bytes
        assert len(table.layer_bytes) == len(table.expert_bytes) == shape.architecture.block_count
        if file_type != "F32":
            assert table.tensor_bytes <= shape.weights("F16").tensor_bytes


def test_the_input_layer_stays_on_the_host_and_a_tied_head_is_copied() -> None:
    untied = prepared(SHAPES["llama-3.1-8b"]).weights("Q4_K_M")
    assert untied.input_bytes == 128256 * 4096 // 256 * 144
    assert untied.tied_output_bytes == 0
    assert untied.output_bytes == 128256 * 4096 // 256 * 210 + 4096 * 4
    tied = prepared(SHAPES["gemma-3-4b"]).weights("Q4_K_M")
    assert tied.tied_output_bytes == tied.input_bytes == 262144 * 2560 // 256 * 210
    assert tied.output_bytes == 2560 * 4


def test_experts_are_told_from_the_rest_of_a_block() -> None:
    table = prepared(SHAPES["qwen3-30b-a3b"]).weights("Q8_0")
    assert table.expert_bytes == (3 * 128 * 768 * 2048 // 32 * 34,) * 48
    assert table.largest_expert_tensor_bytes == 128 * 768 * 2048 // 32 * 34
    assert table.largest_layer_tensor_bytes == 4096 * 2048 // 32 * 34


def test_an_encoder_has_no_output_head_to_copy() -> None:
    table = prepared(SHAPES["bge-m3"]).weights("F16")
    assert table.tied_output_bytes == 0
    assert table.input_bytes == 1024 * (250002 * 2 + 8192 * 4 + 4)


def test_prediction_blocks_are_counted_apart() -> None:
    record = hyperparameters_of(read("model_configs.json.gz")["rows"]["zai-org--GLM-5.2"]["config"])
    assert not isinstance(record, Unsupported)
    with_blocks = prepared(record).weights("Q4_K_M")
    assert with_blocks.prediction_bytes > 0
    assert with_blocks.layer_bytes[-1] == with_blocks.expert_bytes[-1] == 0


def test_a_type_of_tomorrow_has_no_size_and_says_so() -> None:
    with pytest.raises(UserError, match="unknown-47"):
        weight_table(
            [Tensor("output.weight", (8, 8), "unknown-47")], header_bytes=0, block_count=1, tied_embeddings=False
        )


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["attn_q", "ffn_up_exps", "ffn_norm"])), unique=True))
def test_any_table_of_tensors_loses_no_byte(chosen: list[tuple[int, str]]) -> None:
    tensors = [Tensor(f"blk.{block}.{name}.weight", (64, 3), "f16") for block, name in chosen]
    table = weight_table(tensors, header_bytes=96, block_count=4, tied_embeddings=False, prediction_blocks=1)
    sizes = [tensor_bytes(tensor.shape, tensor.type) or 0 for tensor in tensors]
    assert table.tensor_bytes == sum(sizes) == table.total_layer_bytes + table.prediction_bytes
    assert table.file_bytes == 96 + sum(padded(size) for size in sizes)


def test_size_up_answers_shape_and_weights_at_once_or_says_why_not() -> None:
    answer = size_up(SHAPES["qwen3-8b"], "Q4_K_M")
    assert not isinstance(answer, Unsupported)
    architecture, table = answer
    assert architecture.name == "qwen3"
    assert architecture.exact
    assert table == prepared(SHAPES["qwen3-8b"]).weights("Q4_K_M")
    assert isinstance(size_up({"architecture": "tomorrow9"}, "Q4_K_M"), Unsupported)


def test_another_file_type_of_a_prepared_model_is_a_tenth_of_the_work() -> None:
    shape = prepared(SHAPES["qwen3-next-80b-a3b"])
    first = calls(lambda: prepared(SHAPES["qwen3-next-80b-a3b"]).weights("Q4_K_M"))
    for file_type in ("Q4_K_M", "Q2_K", "Q6_K", "IQ3_XXS"):
        assert calls(partial(shape.weights, file_type)) < first / 10
