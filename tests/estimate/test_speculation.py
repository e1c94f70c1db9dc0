"""What drafts and prediction heads take, against what llama-server b11434 printed for hollow models of these shapes.

Measured 2026-11-21 with cards that follow ggml-cuda's rules and allocate nothing: weights, caches and states are exact,
buffers of the head's own context are an upper bound.
"""

from typing import Any

import pytest

from stackplan.architecture import Architecture, Layer
from stackplan.estimate.engines import answer
from stackplan.estimate.question import DraftWeights, Question
from stackplan.estimate.speculation import can_predict, forgets_cheaply, predicting, rollback_tokens
from stackplan.estimate.weights import Prepared, prepare
from stackplan.serving import HOST, Estimate, Placement, Serving
from stackplan.units import MIB
from stackplan.values import replace

CARD = Placement(("gpu0",))
QWEN35 = {
    "architecture": "qwen35", "block_count": 9, "nextn_predict_layers": 1, "context_length": 262144,
    "embedding_length": 2048, "feed_forward_length": 6144, "attention.head_count": 8, "attention.head_count_kv": 2,
    "attention.key_length": 256, "attention.value_length": 256, "vocab_size": 151936, "tied_embeddings": False,
    "full_attention_interval": 4, "ssm.conv_kernel": 4, "ssm.state_size": 128, "ssm.inner_size": 2048,
    "ssm.time_step_rank": 16, "ssm.group_count": 16, "rope.dimension_count": 64,
}  # fmt: skip
LLAMA_3B = {
    "architecture": "llama", "block_count": 28, "context_length": 131072, "embedding_length": 3072,
    "feed_forward_length": 8192, "attention.head_count": 24, "attention.head_count_kv": 8, "attention.key_length": 128,
    "attention.value_length": 128, "vocab_size": 128256, "tied_embeddings": True, "rope.dimension_count": 128,
    "rope_freqs": True,
}  # fmt: skip
LLAMA_1B = {
    **LLAMA_3B, "block_count": 16, "embedding_length": 2048, "attention.head_count": 32, "attention.key_length": 64,
    "attention.value_length": 64, "rope.dimension_count": 64,
}  # fmt: skip


def shape(record: dict[str, Any]) -> Prepared:
    prepared = prepare(record)
    assert isinstance(prepared, Prepared)
    return prepared


def asked(record: dict[str, Any], serving: Serving, place: Placement, draft: dict[str, Any] | None = None) -> Estimate:
    model = shape(record)
    beside = shape(draft) if draft else None
    small = DraftWeights(beside.architecture, beside.weights("F16")) if beside else None
    found = answer("llama.cpp", Question(model.architecture, model.weights("F16"), serving, place, draft=small))
    assert isinstance(found, Estimate)
    return found


def by_head(serving: Serving, tokens: int, record: dict[str, Any]) -> Serving:
    states = rollback_tokens(shape(record).architecture, tokens, by_head=True)
    return replace(serving, draft_tokens=tokens, prediction_head=True, rollback_tokens=states)


def mib(size: float) -> Any:
    return pytest.approx(size * MIB, abs=0.011 * MIB)  # logs print two digits of each part


def test_a_prediction_head_of_a_hybrid_takes_what_the_server_printed() -> None:
    plain = Serving(16384, 2)
    with_head = asked(QWEN35, by_head(plain, 2, QWEN35), CARD).demand("gpu0")
    without = asked(QWEN35, plain, CARD).demand("gpu0")
    assert (without.weights_bytes, with_head.weights_bytes) == (mib(1466.95), mib(1582.99))
    assert (without.kv_bytes, with_head.kv_bytes) == (mib(64), mib(64 + 32))
    assert (without.state_bytes, with_head.state_bytes) == (mib(12.84), mib(38.53))
    assert 0 <= with_head.compute_bytes - (60.02 + 52.02) * MIB <= 13 * MIB


def test_a_heads_cache_is_of_half_floats_whatever_the_models_is() -> None:
    thrifty = Serving(16384, 2, kv_type_k="q8_0", kv_type_v="q8_0")
    head = asked(QWEN35, by_head(thrifty, 2, QWEN35), CARD).demand("gpu0").kv_bytes
    assert head - asked(QWEN35, thrifty, CARD).demand("gpu0").kv_bytes == 32 * MIB


def test_a_heads_context_is_where_the_output_layer_is() -> None:
    pair = Placement(("gpu0", "gpu1"))
    grown = asked(QWEN35, by_head(Serving(16384, 2), 2, QWEN35), pair)
    plain = asked(QWEN35, Serving(16384, 2), pair)
    assert grown.demand("gpu0").kv_bytes == plain.demand("gpu0").kv_bytes
    assert grown.demand("gpu1").kv_bytes == plain.demand("gpu1").kv_bytes + 32 * MIB
    on_cpu = asked(QWEN35, by_head(Serving(16384, 2), 2, QWEN35), Placement())
    assert on_cpu.demand(HOST).kv_bytes == mib(96)


def test_a_draft_takes_its_own_context_beside_the_models() -> None:
    thrifty = Serving(16384, 2, kv_type_k="q8_0", kv_type_v="q8_0", draft_tokens=4)
    found = asked(LLAMA_3B, thrifty, CARD, LLAMA_1B)
    card = found.demand("gpu0")
    assert card.weights_bytes == mib(6128.17 + 2357.26)
    assert card.kv_bytes == mib(952 + 512)
    assert card.compute_bytes == pytest.approx((102.09 + 72.01) * MIB, rel=0.01)
    assert found.demand(HOST).compute_bytes == pytest.approx((32.10 + 24.02) * MIB, rel=0.01)
    assert found.file_bytes == sum(shape(record).weights("F16").file_bytes for record in (LLAMA_3B, LLAMA_1B))


def test_a_draft_is_split_over_the_cards_as_the_model_is() -> None:
    split = Placement(("gpu0", "gpu1"), split=(3, 1))
    found = asked(LLAMA_3B, Serving(16384, 2, draft_tokens=4), split, LLAMA_1B)
    assert found.demand("gpu0").weights_bytes == mib(4224.52 + 1508.20)
    assert found.demand("gpu1").weights_bytes == mib(1903.65 + 849.05)
    assert (found.demand("gpu0").kv_bytes, found.demand("gpu1").kv_bytes) == (mib(1408 + 416), mib(384 + 96))


def test_files_with_a_block_that_the_models_shape_does_not_name_get_one_like_its_own() -> None:
    plain = shape({**QWEN35, "block_count": 8, "nextn_predict_layers": 0}).architecture
    grown = predicting(plain)
    assert grown == shape(QWEN35).architecture
    assert predicting(plain) is grown
    assert predicting(grown) is grown


def named(name: str, *, recurrent: bool) -> Architecture:
    plain = shape(LLAMA_1B).architecture
    state: tuple[Layer, ...] = (replace(plain.layers[0], state_elements=4),) if recurrent else ()
    return replace(plain, name=name, layers=(*state, *plain.layers))


@pytest.mark.parametrize(
    ("name", "recurrent", "by_head", "cheap"),
    [
        ("llama", False, False, True),
        ("qwen35", True, True, True),
        ("qwen35", True, False, False),  # a draft model makes the server restore a copy every round
        ("qwen3next", True, True, False),  # it has no state per proposal
    ],
)
def test_refused_proposals_are_cheap_where_nothing_recurrent_has_to_be_restored(
    name: str, recurrent: bool, by_head: bool, cheap: bool
) -> None:
    assert forgets_cheaply(named(name, recurrent=recurrent), by_head=by_head) is cheap


def test_only_architectures_with_a_graph_for_it_predict() -> None:
    assert can_predict(named("qwen35moe", recurrent=True))
    assert not can_predict(named("llama", recurrent=False))
