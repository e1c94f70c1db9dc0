"""Engines other than llama.cpp, each by figures that its makers or users published."""

import pytest

from stackplan.architecture import Architecture, Attention, Layer, WeightTable
from stackplan.estimate.engines import ENGINES, answer
from stackplan.estimate.ollama import batch_tokens, default_context_tokens, ollama_serving
from stackplan.estimate.question import Question
from stackplan.estimate.text_embeddings import activation_bytes, infinity_batch_size
from stackplan.estimate.vllm import kv_blocks, utilisation
from stackplan.estimate.whisper import whisper_bytes
from stackplan.hardware import Backend, Basis, Device
from stackplan.serving import HOST, Estimate, Placement, Serving, Unestimable
from stackplan.units import GIB, MIB
from stackplan.values import replace

LLAMA_8B = Architecture(
    "llama", 32, 4096, 128256, (Layer(Attention.FULL, 32, 8, 128, 128, feed_forward_length=14336),) * 32, 131072
)
WEIGHTS = WeightTable(4_920_739_232, 4_912_898_304, (128 * MIB,) * 32, (0,) * 32, 281 * MIB, 410 * MIB)
BGE_M3 = Architecture(
    "bert",
    24,
    1024,
    250002,
    (Layer(Attention.NONE, 16, 16, 64, 64, feed_forward_length=4096),) * 24,
    8192,
    causal=False,
)
CARD = Device("gpu0", "RTX 3090", Backend.CUDA, "gpu0", multiprocessors=82)
ON_GPU = Question(LLAMA_8B, WEIGHTS, Serving(8192), Placement(("gpu0",)), (CARD,))


def estimated(engine: str, question: Question) -> Estimate:
    found = answer(engine, question)
    assert isinstance(found, Estimate)
    return found


def test_the_registry_has_the_engines_of_the_catalog():
    assert sorted(ENGINES) == ["infinity", "llama.cpp", "ollama", "speaches", "tei", "vllm"]


def test_an_engine_nobody_knows_is_refused():
    assert isinstance(answer("none", ON_GPU), Unestimable)


@pytest.mark.parametrize("engine", ["llama.cpp", "ollama", "vllm", "tei"])
def test_a_model_without_a_shape_is_refused(engine):
    assert isinstance(answer(engine, replace(ON_GPU, architecture=None, weights=None)), Unestimable)


@pytest.mark.parametrize(("context", "batch"), [(4096, 512), (4097, 1024), (32768, 1024), (32769, 2048)])
def test_ollama_picks_its_batch_by_context(context, batch):
    assert batch_tokens(context) == batch


def test_ollama_gives_each_slot_its_own_cache_of_num_ctx():
    serving = ollama_serving(Serving(16384, 4, True))
    assert (serving.kv_unified, serving.micro_batch_tokens, serving.batch_tokens) == (False, 512, 512)


@pytest.mark.parametrize(("vram", "context"), [(24, 32768), (48, 131072), (12, 4096)])
def test_ollama_defaults_to_a_context_by_memory_and_model(vram, context):
    assert default_context_tokens(vram * GIB, 131072) == context


@pytest.mark.parametrize(
    "serving", [Serving(8192, kv_type_k="q8_0"), Serving(8192, kv_type_k="q5_1", kv_type_v="q5_1")]
)
def test_ollama_keeps_k_and_v_alike(serving):
    found = answer("ollama", replace(ON_GPU, serving=serving))
    assert isinstance(found, Unestimable)
    assert found.reason == "ollama-kv-type"


def test_ollama_is_llama_cpp_with_a_daemon():
    inner, found = estimated("llama.cpp", ON_GPU), estimated("ollama", ON_GPU)
    assert found.demand("gpu0").weights_bytes == inner.demand("gpu0").weights_bytes
    assert found.demand("gpu0").kv_bytes == inner.demand("gpu0").kv_bytes == GIB
    assert "Ollama daemon" in [line.name for line in found.overheads]
    for demand in found.demands:
        assert demand.overhead_bytes == sum(line.bytes for line in found.overheads if line.place == demand.place)


def test_a_kv_block_of_vllm_is_16_tokens_of_every_layer():
    found = kv_blocks(LLAMA_8B, Serving(8192), 1)
    assert (found.block_bytes, found.blocks) == (16 * 128 * 1024, 512)
    assert kv_blocks(LLAMA_8B, Serving(8192, kv_type_k="q8_0", kv_type_v="q8_0"), 2).block_bytes == 16 * 32 * 1024


def test_vllm_reserves_a_share_of_the_card_in_whole_percent():
    assert utilisation(11 * GIB, 24 * GIB) == 0.46
    assert utilisation(25 * GIB, 24 * GIB) is None


def test_vllm_needs_weights_cache_activations_and_graphs_on_each_card():
    found = estimated("vllm", replace(ON_GPU, weights=replace(WEIGHTS, tensor_bytes=16_060_522_496)))
    demand = found.demand("gpu0")
    assert demand.kv_bytes == GIB
    assert 0.4 * GIB < demand.compute_bytes < 1.2 * GIB  # the range of logs for an 8B model at 2048 tokens
    assert demand.overhead_bytes == sum(line.bytes for line in found.overheads if line.place == "gpu0")


def test_safetensors_whose_tensors_nobody_listed_are_sized_by_their_files():
    found = estimated("vllm", replace(ON_GPU, weights=None, file_bytes=16_060_556_376))
    assert found.demand("gpu0").weights_bytes == found.file_bytes == 16_060_556_376


def test_vllm_without_a_gpu_is_refused():
    assert isinstance(answer("vllm", replace(ON_GPU, placement=Placement())), Unestimable)


@pytest.mark.parametrize("cut", [Placement(("gpu0",), gpu_layers=16), Placement(("gpu0",), cpu_expert_layers=8)])
def test_vllm_is_planned_with_nothing_of_the_model_in_host_memory(cut: Placement):
    found = answer("vllm", replace(ON_GPU, placement=cut))
    assert isinstance(found, Unestimable)
    assert found.reason == "vllm-no-partial-offload"


def test_a_batch_of_text_embeddings_is_bounded_by_tokens():
    assert activation_bytes(BGE_M3, 16384, 8192, on_gpu=True) == 320 * MIB
    assert [infinity_batch_size(tokens) for tokens in (512, 1024, 8192)] == [32, 16, 2]


def test_text_embeddings_inference_doubles_the_weights_on_the_cpu():
    weights = WeightTable(1_140_000_000, 1_133_400_000, (30 * MIB,) * 24, (0,) * 24, 500 * MIB, 0)
    question = Question(BGE_M3, weights, Serving(8192), Placement(("gpu0",)), (CARD,), parameters=566_700_000)
    on_gpu, on_cpu = estimated("tei", question), estimated("tei", replace(question, placement=Placement()))
    assert on_gpu.demand("gpu0").weights_bytes * 2 == on_cpu.demand(HOST).weights_bytes == 4 * 566_700_000
    assert on_gpu.basis is Basis.ASSUMED


@pytest.mark.parametrize(
    ("parameters", "layers", "compute_type", "batch", "published_mb"),
    [
        (1_550_000_000, 32, "float16", 1, 4525),
        (1_550_000_000, 32, "int8", 1, 2926),
        (809_000_000, 4, "float16", 1, 2537),
        (809_000_000, 4, "int8", 1, 1545),
        (756_000_000, 2, "int8", 1, 1481),
        (1_550_000_000, 32, "float16", 8, 6090),
    ],
)
def test_whisper_is_never_below_and_at_most_a_fifth_above_what_was_measured(
    parameters, layers, compute_type, batch, published_mb
):
    total = sum(whisper_bytes(parameters, layers, compute_type, batch)) / 1_000_000
    assert published_mb * 0.99 <= total <= published_mb * 1.2


def test_whisper_needs_a_compute_type_that_ctranslate2_has():
    question = Question(None, None, Serving(448), Placement(), parameters=244_000_000, compute_type="q4_k_m")
    assert isinstance(answer("speaches", question), Unestimable)
