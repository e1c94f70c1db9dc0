"""Weights of repositories in safetensors, beside the bytes that their indexes state."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from stackplan.errors import UserError
from stackplan.estimate.inventory import Unsupported
from stackplan.estimate.safetensors_weights import SCHEMES, safetensors_weights
from stackplan.estimate.weights import Prepared, prepare

TRUTH = Path(__file__).parents[1] / "truth"
SHAPES: dict[str, Any] = json.loads(gzip.decompress((TRUTH / "quant_sizes.json.gz").read_bytes()))["shapes"]


def prepared(model: str) -> Prepared:
    answer = prepare(SHAPES[model])
    assert not isinstance(answer, Unsupported)
    return answer


def test_sixteen_bits_are_two_bytes_for_every_parameter() -> None:
    # The vendor's index says total_size 16060522496 for this model: two bytes for each of 8030261248 parameters.
    table = safetensors_weights(prepared("llama-3.1-8b"), "bf16")
    assert table.tensor_bytes == 16_060_522_496


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@pytest.mark.parametrize("model", ["llama-3.1-8b", "qwen3-30b-a3b", "gemma-3-4b", "bge-m3"])
def test_the_parts_sum_to_the_whole_and_embeddings_stay_in_sixteen_bits(model: str, scheme: str) -> None:
    shape = prepared(model)
    table = safetensors_weights(shape, scheme)
    parts = table.total_layer_bytes + table.input_bytes + table.output_bytes + table.prediction_bytes
    assert parts == table.tensor_bytes < table.file_bytes
    if scheme != "f32":
        assert table.input_bytes == safetensors_weights(shape, "bf16").input_bytes
        assert table.tensor_bytes <= safetensors_weights(shape, "bf16").tensor_bytes


def test_four_bit_groups_of_128_weigh_4_16_bits() -> None:
    model = prepared("llama-3.1-8b")
    matrices = sum(t.elements for t in model.tensors if t.name.startswith("blk.") and t.type == "f16")
    others = 8_030_261_248 - matrices
    assert safetensors_weights(model, "awq").tensor_bytes == matrices * 133 // 256 + others * 2


def test_mxfp4_packs_experts_only() -> None:
    model = prepared("gpt-oss-20b")
    table = safetensors_weights(model, "mxfp4")
    packed = sum(t.elements for t in model.tensors if "_exps.weight" in t.name)
    assert table.tensor_bytes == packed * 17 // 32 + (20_914_757_184 - packed) * 2


def test_an_unknown_scheme_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="q9") as refusal:
        safetensors_weights(prepared("llama-3.1-8b"), "q9")
    assert "awq" in refusal.value.hint
