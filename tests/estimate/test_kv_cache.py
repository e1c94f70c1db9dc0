"""KV cache and recurrent state: rounding, streams, windows, types; figures of real llama.cpp b11434."""

import pytest

from stackplan.architecture import Architecture, Attention, Layer
from stackplan.estimate.kv_cache import (
    Flash,
    cache_obstacle,
    cache_shape,
    flash_attention,
    layer_cache_bytes,
    row_bytes,
    state_bytes,
)
from stackplan.serving import Serving
from stackplan.units import MIB

GQA = Layer(Attention.FULL, heads=32, kv_heads=8, head_length_k=128, head_length_v=128)
SLIDING = Layer(Attention.SLIDING, heads=32, kv_heads=16, head_length_k=128, head_length_v=128)
LATENT = Layer(Attention.LATENT, heads=128, kv_heads=1, head_length_k=576)


def shape(*layers: Layer, name: str = "llama", **more: int) -> Architecture:
    return Architecture(name, len(layers), 4096, 32000, layers, 8192, **more)


@pytest.mark.parametrize(
    ("tokens", "slots", "streams", "cells"), [(1000, 1, 1, 1024), (10000, 4, 4, 2560), (4097, 3, 3, 1536)]
)
def test_a_context_is_divided_and_then_padded(tokens, slots, streams, cells):
    found = cache_shape(0, Serving(tokens, slots))
    assert (found.streams, found.cells) == (streams, cells)


def test_a_unified_cache_is_one_stream_for_all_slots():
    found = cache_shape(0, Serving(8192, 4, True))
    assert (found.streams, found.cells, found.context_tokens) == (1, 8192, 8192)


@pytest.mark.parametrize(
    ("serving", "mib"),
    [
        (Serving(32768), 624),
        (Serving(4 * 32768, 4), 2496),
        (Serving(32768, 4, True), 1872),
        (Serving(32768, micro_batch_tokens=2048), 1248),
        (Serving(32768, swa_full=True), 13312),
    ],
)
def test_a_window_of_1024_holds_itself_and_the_micro_batch_for_every_sequence(serving, mib):
    found = cache_shape(1024, serving)
    assert 52 * layer_cache_bytes(SLIDING, found, serving) == mib * MIB


def test_latent_attention_caches_one_row_and_no_v():
    assert 61 * layer_cache_bytes(LATENT, cache_shape(0, Serving(32768)), Serving(32768)) == 2196 * MIB


@pytest.mark.parametrize(
    ("kv_type", "size"), [("f16", 2048), ("q8_0", 1088), ("q4_0", 576), ("q5_1", 768), ("f32", 4096)]
)
def test_rows_of_1024_values_by_type(kv_type, size):
    assert row_bytes(kv_type, 1024) == size


def test_state_is_float32_per_slot_and_knows_no_context():
    layer = Layer(Attention.RECURRENT, state_elements=1000)
    assert state_bytes(layer, Serving(8192, 4)) == state_bytes(layer, Serving(131072, 4)) == 16000
    assert state_bytes(layer, Serving(8192, 1, rollback_tokens=3)) == 16000


def test_compressed_attention_caches_a_row_per_ratio_beside_its_window():
    layer = Layer(Attention.SLIDING, 8, 1, 64, compression_ratio=4, compressed_length=192)
    found = cache_shape(128, Serving(8192))
    assert layer_cache_bytes(layer, found, Serving(8192)) == 768 * 128 + 2048 * 384


def test_a_quantised_v_needs_flash_attention():
    found = cache_obstacle(shape(GQA), (GQA,), Serving(8192, kv_type_v="q8_0", flash_attention="off"))
    assert found is not None
    assert found.reason == "quantised-v-needs-flash-attention"
    assert cache_obstacle(shape(GQA), (GQA,), Serving(8192, kv_type_k="q8_0", flash_attention="off")) is None


def test_a_head_must_be_whole_blocks():
    layer = Layer(Attention.FULL, 8, 8, 80, 80)
    found = cache_obstacle(shape(layer), (layer,), Serving(8192, kv_type_k="q8_0", kv_type_v="q8_0"))
    assert found is not None
    assert found.reason == "kv-type-does-not-divide"


def test_a_type_that_no_cache_has_is_named():
    found = cache_obstacle(shape(GQA), (GQA,), Serving(8192, kv_type_k="q2_k"))
    assert found is not None
    assert "q2_k" in found.detail


@pytest.mark.parametrize(
    ("layer", "gpu", "serving", "expected"),
    [
        (GQA, 0, Serving(8192), Flash.ON),
        (Layer(Attention.FULL, 16, 16, 192, 128), 0, Serving(8192), Flash.REFUSED),
        (Layer(Attention.FULL, 16, 16, 192, 128), None, Serving(8192), Flash.ON),
        (Layer(Attention.FULL, 16, 16, 192, 128), 0, Serving(8192, kv_type_v="q8_0"), Flash.ON_HOST),
        (GQA, 0, Serving(8192, flash_attention="off"), Flash.OFF),
        (GQA, 0, Serving(8192, kv_type_k="iq4_nl"), Flash.REFUSED),
    ],
)
def test_auto_follows_the_kernels_that_a_gpu_has(layer, gpu, serving, expected):
    assert flash_attention(shape(layer), (layer,), serving, gpu_start=gpu) is expected
