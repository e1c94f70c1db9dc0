"""Compute buffers: phases worked by hand and compared with real llama.cpp b11434 (MiB as its log prints them)."""

import pytest

from stackplan.architecture import Architecture, Attention, Layer
from stackplan.estimate.buffers import host_only, one_device, phases, pipelined
from stackplan.estimate.compute import graph_of, worst_batch
from stackplan.estimate.kv_cache import Flash, cache_shape
from stackplan.serving import Serving
from stackplan.units import MIB

LLAMA_8B = Architecture(
    "llama", 32, 4096, 128256, (Layer(Attention.FULL, 32, 8, 128, 128, feed_forward_length=14336),) * 32, 131072
)
LLAMA_70B = Architecture(
    "llama", 80, 8192, 128256, (Layer(Attention.FULL, 64, 8, 128, 128, feed_forward_length=28672),) * 80, 131072
)
QWEN3_30B = Architecture(
    "qwen3moe",
    48,
    2048,
    151936,
    (Layer(Attention.FULL, 32, 4, 128, 128, experts=128, experts_used=8, expert_feed_forward_length=768),) * 48,
    40960,
)
DEEPSEEK_V3 = Architecture(
    "deepseek2",
    61,
    7168,
    129280,
    (Layer(Attention.LATENT, 128, 1, 576, experts=256, experts_used=8, expert_feed_forward_length=2048),) * 61,
    163840,
    latent_rank=512,
    query_rank=1536,
    rope_head_length=64,
    value_head_length=128,
    key_head_length=192,
)


def phase(architecture, serving, flash=Flash.ON, *, on_gpu=True, older=False):
    graph = graph_of(architecture)
    batch = worst_batch(graph, serving, cache_shape(0, serving), flash=flash, on_gpu=on_gpu)
    return phases(graph, batch, older_graph=older)


def mib(size: int) -> float:
    return pytest.approx(size / MIB, abs=0.3)


@pytest.mark.parametrize(
    ("architecture", "context", "device", "host"),
    [
        (LLAMA_8B, 8192, 124.01, 40.0),
        (LLAMA_8B, 131072, 244.01, 160.0),
        (LLAMA_70B, 8192, 240.01, 72.0),
        (QWEN3_30B, 8192, 92.01, 24.0),
        (DEEPSEEK_V3, 8192, 400.01, 64.0),
    ],
)
def test_one_gpu_with_everything(architecture, context, device, host):
    found = one_device(phase(architecture, Serving(context)))
    assert (device, host) == (mib(found.devices[0]), mib(found.host))


def test_the_cpu_alone_keeps_one_more_embedding():
    assert mib(host_only(phase(LLAMA_8B, Serving(8192), on_gpu=False)).host) == 132.02


def test_scores_of_all_cells_stand_there_without_flash_attention():
    assert mib(one_device(phase(LLAMA_8B, Serving(8192), Flash.OFF)).devices[0]) == 572.01


def test_a_gpu_converts_one_layer_of_a_quantised_cache():
    serving = Serving(32768, kv_type_k="q8_0", kv_type_v="q8_0")
    assert mib(one_device(phase(LLAMA_8B, serving)).devices[0]) == 200.09
    assert mib(host_only(phase(LLAMA_8B, serving, on_gpu=False)).host) == 156.1


def test_a_pipeline_keeps_its_inputs_four_times():
    found = pipelined(phase(LLAMA_70B, Serving(8192)), 2)
    assert (mib(found.devices[0]), mib(found.devices[1]), mib(found.host)) == (456.06, 376.04, 192.07)


def test_logits_of_a_whole_micro_batch_can_be_the_widest():
    found = one_device(phase(LLAMA_8B, Serving(8192, output_rows="batch")))
    assert mib(found.devices[0]) == 290.52


def test_the_llama_cpp_inside_ollama_has_no_mixed_inputs():
    assert mib(one_device(phase(LLAMA_8B, Serving(8192), older=True)).devices[0]) == 116.01
