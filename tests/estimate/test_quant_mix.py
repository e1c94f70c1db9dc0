"""The quantiser's mixture, judged by llama-quantize itself."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackplan.architecture import Tensor
from stackplan.errors import UserError
from stackplan.estimate.inventory import Unsupported, tensors_of
from stackplan.estimate.quant_mix import (
    MixtureFacts,
    candidates,
    mixture_facts,
    needs_importance_matrix,
    quantised,
)
from stackplan.estimate.quant_rules import DEFAULT_TYPES
from stackplan.gguf.types import tensor_bytes

TRUTH = Path(__file__).parents[1] / "truth"
# The file types whose every tensor has at least 16 bits, and the one that turns dense models into 8 bits.
SIXTEEN_BITS = {"F32", "F16", "BF16"}


def read(name: str) -> dict[str, Any]:
    return json.loads(gzip.decompress((TRUTH / name).read_bytes()))


MEASURED = read("quant_sizes.json.gz")
ARCHITECTURES = read("quant_architectures.json.gz")["rows"]


def measured_tensors(model: str) -> tuple[Tensor, ...]:
    """The F16 table of a measured file, which keeps position embeddings in 16 bits where the converter does not."""
    tensors = tensors_of(MEASURED["shapes"][model])
    assert not isinstance(tensors, Unsupported)
    return tuple(
        Tensor(tensor.name, tensor.shape, "f16") if tensor.name == "position_embd.weight" else tensor
        for tensor in tensors
    )


def total_bytes(tensors: tuple[Tensor, ...]) -> int:
    sizes = [tensor_bytes(tensor.shape, tensor.type) for tensor in tensors]
    assert None not in sizes
    return sum(size for size in sizes if size is not None)


@pytest.mark.parametrize("model", sorted(MEASURED["shapes"]))
def test_every_file_type_of_a_measured_model_has_exactly_the_measured_tensors(model: str) -> None:
    tensors = measured_tensors(model)
    facts = mixture_facts(MEASURED["shapes"][model])
    rows = [row for row in MEASURED["rows"] if row["model"] == model]
    assert len(rows) == 30
    for row in rows:
        written = quantised(tensors, row["quant"], facts=facts) if row["quant"] != "F16" else tensors
        assert sum(tensor.elements for tensor in tensors) == row["params"]
        assert Counter(tensor.type for tensor in written) == {name.lower(): n for name, n in row["types"].items()}
        assert total_bytes(written) == row["tensor_bytes"], row["quant"]
        if row["quant"] != "F16":
            found = candidates(tensors, facts.architecture)
            assert needs_importance_matrix(found, row["quant"], facts=facts) == row["needs_imatrix"], row["quant"]


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_architecture_of_llama_cpp_is_quantised_as_llama_quantize_does_it(name: str) -> None:
    row = ARCHITECTURES[name]
    tensors = tuple(Tensor(tensor, tuple(shape), kind) for tensor, shape, kind in row["tensors"])
    facts = mixture_facts(row["record"])
    for asked, expected in row["tensor_bytes"].items():
        written = quantised(tensors, asked.rstrip("+"), facts=facts, importance_matrix=asked.endswith("+"))
        assert total_bytes(written) + row["extra_f32_bytes"] == expected, asked


def test_no_measured_row_is_missing() -> None:
    assert len(MEASURED["rows"]) == 630
    assert len(ARCHITECTURES) == 128


def test_a_row_that_is_no_whole_number_of_blocks_falls_back() -> None:
    facts = MixtureFacts("llama", 1, heads=8, kv_heads=8)
    matrix = Tensor("blk.0.attn_gate.weight", (96, 64), "f16")
    odd = Tensor("blk.0.attn_gate.weight", (100, 64), "f16")
    assert quantised([matrix], "Q4_K_M", facts=facts)[0].type == "q5_0"
    assert quantised([matrix], "IQ2_XXS", facts=facts)[0].type == "iq4_nl"
    assert quantised([odd], "Q4_K_M", facts=facts)[0].type == "f16"


def test_a_file_type_without_recipe_is_refused_with_the_ones_that_have_one() -> None:
    with pytest.raises(UserError, match="UD-Q4_K_XL") as refusal:
        quantised([], "UD-Q4_K_XL", facts=MixtureFacts("llama", 1))
    assert "Q4_K_M" in refusal.value.hint


def test_a_type_that_can_hold_no_row_of_the_model_is_refused() -> None:
    odd = Tensor("blk.0.attn_gate.weight", (96, 64), "f16")
    with pytest.raises(UserError, match="q1_0"):
        quantised([odd], "Q1_0", facts=MixtureFacts("llama", 1))


names = st.sampled_from(
    ["attn_q", "attn_k", "attn_v", "attn_qkv", "attn_output", "ffn_up", "ffn_down", "ffn_gate", "ssm_in", "attn_k_b"]
)
rows = st.sampled_from([32, 64, 96, 256, 320, 512, 768, 1000, 2880])
matrices = st.builds(
    lambda name, block, row, experts: Tensor(f"blk.{block}.{name}.weight", (row, 64, experts), "f16"),
    names,
    st.integers(0, 15),
    rows,
    st.integers(1, 4),
)


@given(st.lists(matrices, max_size=12, unique_by=lambda tensor: tensor.name), st.sampled_from(sorted(DEFAULT_TYPES)))
def test_quantising_never_grows_weights_and_changes_no_shape(tensors: list[Tensor], file_type: str) -> None:
    facts = MixtureFacts("qwen3moe", 16, experts=4, heads=16, kv_heads=2)
    try:
        written = quantised(tensors, file_type, facts=facts)
    except UserError:
        assert file_type == "Q1_0"
        return
    assert [(tensor.name, tensor.shape) for tensor in written] == [(tensor.name, tensor.shape) for tensor in tensors]
    if file_type != "F32":
        assert total_bytes(written) <= total_bytes(tuple(tensors))


@given(st.permutations([Tensor(f"blk.{i}.ffn_down.weight", (256, 64), "f16") for i in range(12)]))
def test_the_order_in_which_a_file_lists_its_tensors_changes_nothing(tensors: list[Tensor]) -> None:
    facts = MixtureFacts("llama", 12, heads=8, kv_heads=8)
    written = {tensor.name: tensor.type for tensor in quantised(tensors, "Q4_K_M", facts=facts)}
    assert [written[f"blk.{i}.ffn_down.weight"] for i in (0, 1, 2, 3, 10, 11)] == [
        "q6_k",
        "q4_k",
        "q4_k",
        "q6_k",
        "q6_k",
        "q6_k",
    ]
