"""Configurations of real models, and broken ones."""

import contextlib
import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackplan.errors import UserError
from stackplan.estimate.config_json import hyperparameters_of
from stackplan.estimate.inventory import Unsupported, tensors_of

TRUTH = Path(__file__).parents[1] / "truth"
CONFIGS: dict[str, dict[str, Any]] = {
    name: row["config"]
    for name, row in json.loads(gzip.decompress((TRUTH / "model_configs.json.gz").read_bytes()))["rows"].items()
}
LLAMA = CONFIGS["meta-llama--Meta-Llama-3.1-8B"]
# Counted by instantiating the text model (transformers 5.23.0), plus what is no parameter there: router biases
# (one per expert and block), frequency factors, scales of blocks, tables of token to expert.
PARAMETERS = {
    "Qwen--Qwen3-0.6B": 596_049_920,
    "Qwen--Qwen3.5-27B": 26_895_998_464,
    "deepseek-ai--DeepSeek-V3": 671_026_404_352 + 58 * 256,
    "MiniMaxAI--MiniMax-M2.7": 228_689_748_992 + 62 * 256,
    "openai--gpt-oss-20b": 20_914_757_184,
    "meta-llama--Meta-Llama-3.1-8B": 8_030_261_248 + 64,
    "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": 31_577_937_344 + 23 * 128,
    "deepseek-ai--DeepSeek-V4-Flash": 284_332_230_231 + 40 * 256 + 3 * 6 * 129280,
}


def record_of(config: object) -> dict[str, Any]:
    record = hyperparameters_of(config)
    assert not isinstance(record, Unsupported)
    return record


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_configuration_holds_every_parameter_of_its_model(name: str) -> None:
    tensors = tensors_of(record_of(CONFIGS[name]))
    assert not isinstance(tensors, Unsupported)
    assert sum(tensor.elements for tensor in tensors) == PARAMETERS[name]


def test_head_length_wins_over_width_divided_by_heads() -> None:
    record = record_of(CONFIGS["Qwen--Qwen3-0.6B"])
    assert record["attention.key_length"] == 128
    assert record["embedding_length"] // record["attention.head_count"] == 64
    assert record["tied_embeddings"] is True


def test_a_multimodal_configuration_gives_its_text_model() -> None:
    record = record_of(CONFIGS["Qwen--Qwen3-VL-8B-Instruct"])
    assert record["architecture"] == "qwen3vl"
    assert record["block_count"] == 36


def test_latent_attention_caches_one_row_of_rank_and_rotary_part() -> None:
    record = record_of(CONFIGS["deepseek-ai--DeepSeek-V3"])
    assert (record["attention.head_count_kv"], record["attention.key_length"]) == (1, 576)
    assert (record["attention.key_length_mla"], record["attention.value_length_mla"]) == (192, 128)


def test_hybrid_layers_are_listed_one_by_one() -> None:
    record = record_of(CONFIGS["nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"])
    assert record["architecture"] == "nemotron_h_moe"
    assert sum(heads > 0 for heads in record["attention.head_count_kv"]) == 6
    assert sum(width > 0 for width in record["feed_forward_length"]) == 23


def test_sliding_layers_may_have_heads_of_their_own() -> None:
    record = record_of(CONFIGS["nvidia--Gemma-4-31B-IT-NVFP4"])
    assert record["attention.key_length"] == 512
    assert record["attention.key_length_swa"] == 256
    assert sum(record["attention.sliding_window_pattern"]) == 50
    assert record["attention.k_eq_v"] is True


def test_prediction_blocks_come_on_request() -> None:
    plain = record_of(CONFIGS["deepseek-ai--DeepSeek-V3"])
    drafting = hyperparameters_of(CONFIGS["deepseek-ai--DeepSeek-V3"], prediction=True)
    assert not isinstance(drafting, Unsupported)
    assert "nextn_predict_layers" not in plain
    assert (drafting["nextn_predict_layers"], drafting["block_count"]) == (1, 62)


def test_a_model_class_nobody_described_is_a_value() -> None:
    answer = hyperparameters_of(CONFIGS["XiaomiMiMo--MiMo-7B-Base"])
    assert isinstance(answer, Unsupported)
    assert "MiMoForCausalLM" in answer.reason


@pytest.mark.parametrize("field", ["num_hidden_layers", "hidden_size", "vocab_size"])
def test_a_missing_number_is_named(field: str) -> None:
    broken = {key: value for key, value in LLAMA.items() if key != field}
    with pytest.raises(UserError, match=field):
        hyperparameters_of(broken)


def test_a_missing_number_of_a_family_is_named() -> None:
    broken = {key: value for key, value in CONFIGS["deepseek-ai--DeepSeek-V3"].items() if key != "qk_rope_head_dim"}
    with pytest.raises(UserError, match="qk_rope_head_dim"):
        hyperparameters_of(broken)


@pytest.mark.parametrize("value", ["many", -1, True, 1e300, {"a": 1}, float("nan"), ["x"]])
def test_what_is_not_a_size_is_refused(value: object) -> None:
    with pytest.raises(UserError, match="hidden_size"):
        hyperparameters_of(LLAMA | {"hidden_size": value})


@pytest.mark.parametrize("field", ["num_hidden_layers", "num_nextn_predict_layers"])
def test_an_absurd_depth_is_refused_before_any_list_is_made(field: str) -> None:
    with pytest.raises(UserError, match="layers"):
        hyperparameters_of(CONFIGS["zai-org--GLM-5.2"] | {field: 2**39})


@pytest.mark.parametrize("config", [None, [], "text", 3])
def test_what_is_no_object_is_refused(config: object) -> None:
    with pytest.raises(UserError, match="JSON object"):
        hyperparameters_of(config)


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**80) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(CONFIGS)), st.data())
def test_a_configuration_with_one_field_replaced_by_junk_never_gives_a_traceback(
    name: str, data: st.DataObject
) -> None:
    config = copy.deepcopy(CONFIGS[name])
    target = (
        config["text_config"] if isinstance(config.get("text_config"), dict) and data.draw(st.booleans()) else config
    )
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(junk)
    with contextlib.suppress(UserError):
        record = hyperparameters_of(config)
        if not isinstance(record, Unsupported):
            tensors_of(record)
