"""Tensor tables from hyperparameters, judged by parameter counts of another program."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackplan.errors import UserError
from stackplan.estimate.inventory import Unsupported, supported_architectures, tensors_of

TRUTH = Path(__file__).parents[1] / "truth"


def read(name: str) -> dict[str, Any]:
    return json.loads(gzip.decompress((TRUTH / name).read_bytes()))["rows"]


TOTALS = read("parameter_totals.json.gz")
LOADED = read("quant_architectures.json.gz")
KNOWN = {name: row for name, row in LOADED.items() if row["record"]["architecture"] in supported_architectures()}
# The files that llama.cpp's own test writes hold every tensor its loaders accept; these need not exist.
OPTIONAL = (
    *("attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_qkv.bias", "attn_output.bias", "output.bias"),
    *("ffn_up.bias", "ffn_down.bias", "ffn_gate.bias", "cls.output.weight", "cls.output.bias"),
    *("exp_probs_b_vl.bias", "ffn_gate_up_exps.weight"),
)
OPTIONAL_BY_ARCHITECTURE = {
    "mimo2": ("ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"),
    "stablelm": ("attn_q_norm.weight", "attn_k_norm.weight"),
    "phi3": ("attn_q.weight", "attn_k.weight", "attn_v.weight"),
    "qwen3next": ("ssm_in.weight",),
}
# One of two spellings of the same weights, where the test's file has the other.
OTHER_SPELLING = ("ffn_gate_exps.weight", "ffn_up_exps.weight", "attn_qkv.weight")
SMALL = {
    "architecture": "llama",
    "block_count": 2,
    "embedding_length": 64,
    "feed_forward_length": 128,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "vocab_size": 100,
    "context_length": 512,
}


@pytest.mark.parametrize("model", sorted(TOTALS))
def test_parameters_add_up_to_those_counted_by_instantiating_the_model(model: str) -> None:
    tensors = tensors_of(TOTALS[model]["record"])
    assert not isinstance(tensors, Unsupported)
    assert sum(tensor.elements for tensor in tensors) == TOTALS[model]["parameters"]
    assert len({tensor.name for tensor in tensors}) == len(tensors)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_the_loader_of_llama_cpp_asks_for_these_tensors_in_these_shapes(name: str) -> None:
    row = KNOWN[name]
    ours = tensors_of(row["record"])
    assert not isinstance(ours, Unsupported)
    table = {tensor.name: without_trailing_ones(tensor.shape) for tensor in ours}
    loaded = {tensor: without_trailing_ones(shape) for tensor, shape, _ in row["tensors"]}
    optional = OPTIONAL + OPTIONAL_BY_ARCHITECTURE.get(row["record"]["architecture"], ())
    assert [tensor for tensor in loaded if tensor not in table and not tensor.endswith(optional)] == []
    assert [tensor for tensor in table if tensor not in loaded and not tensor.endswith(OTHER_SPELLING)] == []
    assert {tensor: shape for tensor, shape in table.items() if loaded.get(tensor, shape) != shape} == {}


def without_trailing_ones(shape: Sequence[int]) -> tuple[int, ...]:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return tuple(shape)


def test_a_small_llama_has_the_tensors_its_loader_asks_for() -> None:
    tensors = tensors_of(SMALL | {"block_count": 1, "tied_embeddings": True})
    assert not isinstance(tensors, Unsupported)
    assert {tensor.name: (tensor.shape, tensor.type) for tensor in tensors} == {
        "token_embd.weight": ((64, 100), "f16"),
        "output_norm.weight": ((64,), "f32"),
        "blk.0.attn_norm.weight": ((64,), "f32"),
        "blk.0.ffn_norm.weight": ((64,), "f32"),
        "blk.0.attn_q.weight": ((64, 64), "f16"),
        "blk.0.attn_k.weight": ((64, 32), "f16"),
        "blk.0.attn_v.weight": ((64, 32), "f16"),
        "blk.0.attn_output.weight": ((64, 64), "f16"),
        "blk.0.ffn_gate.weight": ((64, 128), "f16"),
        "blk.0.ffn_up.weight": ((64, 128), "f16"),
        "blk.0.ffn_down.weight": ((128, 64), "f16"),
    }


def test_an_architecture_nobody_described_is_a_value_and_no_guess() -> None:
    answer = tensors_of(SMALL | {"architecture": "tomorrow9"})
    assert isinstance(answer, Unsupported)
    assert "tomorrow9" in answer.reason


@pytest.mark.parametrize("architecture", supported_architectures())
def test_every_family_names_the_number_it_misses(architecture: str) -> None:
    with pytest.raises(UserError) as refusal:
        tensors_of({"architecture": architecture, "block_count": 2})
    assert refusal.value.slug == "shape-incomplete"


@pytest.mark.parametrize("blocks", [0, -3, 100_000])
def test_an_absurd_number_of_blocks_is_refused_before_any_work(blocks: int) -> None:
    with pytest.raises(UserError, match="block_count"):
        tensors_of(SMALL | {"block_count": blocks})


@given(
    st.fixed_dictionaries(
        dict.fromkeys(
            [key for key in SMALL if key != "architecture"],
            st.one_of(st.integers(-10, 2**70), st.lists(st.integers(-2, 9), max_size=3), st.text(max_size=3)),
        )
    ),
    st.sampled_from(supported_architectures()),
)
def test_nonsense_gives_a_message_and_never_a_traceback(numbers: dict[str, object], architecture: str) -> None:
    try:
        tensors = tensors_of({**numbers, "architecture": architecture})
    except UserError:
        return
    assert isinstance(tensors, Unsupported) or all(min(tensor.shape) > 0 for tensor in tensors)


@given(st.integers(1, 40), st.integers(0, 3))
def test_each_block_adds_the_same_bytes_to_a_dense_model(blocks: int, more: int) -> None:
    def parameters(count: int) -> int:
        tensors = tensors_of(SMALL | {"block_count": count})
        assert not isinstance(tensors, Unsupported)
        return sum(tensor.elements for tensor in tensors)

    one = parameters(2) - parameters(1)
    assert parameters(blocks + more) == parameters(blocks) + more * one
