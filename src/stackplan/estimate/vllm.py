"""vLLM: a fraction of each GPU is reserved at start, and what weights leave of it becomes KV blocks.

Source: vllm-project/vllm, v1 engine (``gpu_worker.py``, ``kv_cache_utils.py``, ``kv_cache_interface.py``,
``arg_utils.py``), read November 2026. The estimate is the least that serves the question; `utilisation` turns it into
``--gpu-memory-utilization``. Activations and CUDA graphs are profiled by vLLM at start: ours are ranges from logs.
"""

from collections import Counter

from msgspec import Struct

from stackplan.architecture import LATENT, SLIDING, Architecture, Layer, WeightTable
from stackplan.estimate import overhead
from stackplan.estimate.demands import with_overhead
from stackplan.estimate.question import Question, gpus_of, shape_unknown
from stackplan.hardware import Basis
from stackplan.serving import HOST, Demand, Estimate, OverheadLine, Placement, Serving, Unestimable
from stackplan.units import GIB, MIB

ENGINE = "vllm"
DEFAULT_UTILISATION = 0.92  # of the card's total, per engine; 0.9 in older versions (arg_utils.py, November 2026)
BLOCK_TOKENS = 16
# Tokens and sequences that vLLM profiles with: its API server's defaults on cards below 70 GiB.
BATCHED_TOKENS = 2048
SEQUENCES = 256
SLACK_FRACTION = 0.02
# 0.17 to 0.36 GiB for ordinary models in logs of v0.2x; large expert models take more.
CUDA_GRAPH_BYTES = 350 * MIB
# NCCL and torch beside the CUDA context: 0.16 to 0.33 GiB in all, of which the context is a line of its own.
NON_TORCH_BYTES = 100 * MIB
HOST_BYTES = 4 * GIB  # Python, torch and the engine's processes; assumed
ERROR_FRACTION = 0.1
_KV_ELEMENT_BYTES = {"f16": 2, "bf16": 2, "q8_0": 1}  # q8_0 stands for FP8, the one smaller cache that vLLM has


class KvBlocks(Struct, frozen=True):
    """The paged cache: bytes of one block over all layers that grow, and the blocks that one request needs."""

    block_bytes: int
    blocks: int
    fixed_bytes: int  # sliding windows and recurrent state, per request


def kv_blocks(architecture: Architecture, serving: Serving, parallel: int) -> KvBlocks:
    """Pages for one request of the slot's context; K and V heads are divided among ``parallel`` GPUs."""
    context = serving.context_tokens // serving.slots
    element = _KV_ELEMENT_BYTES[serving.kv_type_k]
    growing = fixed = 0
    window = min(architecture.sliding_window - 1 + BATCHED_TOKENS, context)
    for layer, count in _kinds(architecture):
        page = count * BLOCK_TOKENS * element * _row_elements(layer, parallel)
        if layer.attention is SLIDING:
            fixed += page * (-(-window // BLOCK_TOKENS) + 1)
        else:
            growing += page
        fixed += count * (4 * layer.state_elements // parallel)
    return KvBlocks(growing, -(-context // BLOCK_TOKENS), fixed)


# Layers that are alike and how many there are, by the identity of the shape, which each entry keeps alive.
_known: dict[int, tuple[Architecture, tuple[tuple[Layer, int], ...]]] = {}
_REMEMBERED = 4096


def _kinds(architecture: Architecture) -> tuple[tuple[Layer, int], ...]:
    found = _known.get(id(architecture))
    if found is None:
        if len(_known) >= _REMEMBERED:
            _known.clear()
        found = _known[id(architecture)] = (architecture, tuple(Counter(architecture.layers).items()))
    return found[1]


def _row_elements(layer: Layer, parallel: int) -> int:
    if not (layer.k_width or layer.v_width):
        return 0
    if layer.attention is LATENT:
        return layer.head_length_k  # every GPU keeps the whole latent row
    heads = -(-layer.kv_heads // parallel)
    return heads * (layer.head_length_k + layer.head_length_v)


def activation_bytes(architecture: Architecture, parallel: int) -> int:
    """Peak of the profiling run: logits of all sequences with their softmax, beside the widest layer of all tokens."""
    logits = 3 * 4 * architecture.vocabulary_rows * SEQUENCES
    widest = max(
        max(2 * layer.feed_forward_length, 2 * layer.experts_used * layer.expert_feed_forward_length)
        for layer, _ in _kinds(architecture)
    )
    return logits + 2 * BATCHED_TOKENS * (4 * architecture.embedding_length + 2 * widest // parallel)


def utilisation(needed_bytes: int, total_bytes: int) -> float | None:
    """The least ``--gpu-memory-utilization`` that holds ``needed_bytes`` of a card; None when nothing does."""
    percent = -(-needed_bytes * 100 // total_bytes)
    return percent / 100 if percent <= 100 else None


def weights_per_gpu(weights: WeightTable | None, file_bytes: int, parallel: int) -> int:
    """Matrices are divided among the GPUs; a tied head is stored once. Safetensors are their file, to a few KiB."""
    return -(-(weights.tensor_bytes if weights else file_bytes) // parallel)


def place_obstacle(placement: Placement) -> Unestimable | None:
    """Where vLLM is not planned; None where it may run."""
    if placement.is_cpu:
        return Unestimable("vllm-needs-gpu", "vLLM is planned for GPUs only")
    if placement.is_cut:
        return Unestimable("vllm-no-partial-offload", "vLLM is planned with all of a model on GPUs only")
    return None


def answer(question: Question) -> Estimate | Unestimable:
    """What vLLM needs at least on each GPU for ``slots`` requests of the asked context, tensor parallel."""
    if question.architecture is None or not (question.weights or question.file_bytes):
        return shape_unknown()
    gpus = gpus_of(question)
    serving = question.serving
    if obstacle := place_obstacle(question.placement if gpus else Placement()):
        return obstacle
    if serving.kv_type_k != serving.kv_type_v or serving.kv_type_k not in _KV_ELEMENT_BYTES:
        return Unestimable("vllm-kv-type", f"vLLM's cache is one of {', '.join(_KV_ELEMENT_BYTES)}")
    lines = [OverheadLine(HOST, "vLLM processes", HOST_BYTES, Basis.ASSUMED)]
    demands = [Demand(HOST, overhead_bytes=HOST_BYTES)]
    for gpu in gpus:
        size = weights_per_gpu(question.weights, question.file_bytes, len(gpus))
        demand = _on_gpu(question.architecture, size, serving, len(gpus), gpu.id)
        found = [line for line in overhead.device_lines(gpu) if "pools" not in line.name]
        found.append(OverheadLine(gpu.id, "torch and NCCL", NON_TORCH_BYTES, Basis.MEASURED))
        found.append(OverheadLine(gpu.id, "CUDA graphs", CUDA_GRAPH_BYTES, Basis.MEASURED))
        slack = int(SLACK_FRACTION * (demand.total_bytes + sum(line.bytes for line in found)))
        found.append(OverheadLine(gpu.id, "slack of the utilisation fraction", slack, Basis.ASSUMED))
        lines += found
        demands.append(with_overhead(demand, sum(line.bytes for line in found)))
    file_bytes = question.file_bytes or (question.weights.file_bytes if question.weights else 0)
    return Estimate(ENGINE, tuple(demands), file_bytes, Basis.DERIVED, tuple(lines), ERROR_FRACTION)


def _on_gpu(architecture: Architecture, size: int, serving: Serving, parallel: int, place: str) -> Demand:
    pages = kv_blocks(architecture, serving, parallel)
    state = sum(4 * count * layer.state_elements for layer, count in _kinds(architecture)) // parallel
    cache = serving.slots * (pages.blocks * pages.block_bytes + pages.fixed_bytes - state)
    return Demand(
        place,
        size,
        cache,
        serving.slots * state,
        activation_bytes(architecture, parallel),
    )
