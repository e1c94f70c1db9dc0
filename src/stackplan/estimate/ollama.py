"""Ollama: llama.cpp inside, with batches, slots and limits of its own.

Source: ollama/ollama at fb30760 (August 2026, embeds llama.cpp b10488): ``llm/``, ``server/sched.go``, ``envconfig/``.
It starts llama-server with ``-c num_ctx*N -np N`` (a cache per slot), ``-b`` equal to ``-ub``, and picks both by
num_ctx. One num_ctx serves all requests of a model: another one reloads it.
"""

from stackplan.estimate.demands import with_overhead
from stackplan.estimate.llama_cpp import Extras, estimate, prepared_once
from stackplan.estimate.question import Question, shape_unknown
from stackplan.hardware import Basis
from stackplan.serving import HOST, Estimate, OverheadLine, Placement, Serving, Unestimable
from stackplan.units import GIB, MIB
from stackplan.values import replace

ENGINE = "ollama"
KV_TYPES = ("f16", "q8_0", "q4_0")  # OLLAMA_KV_CACHE_TYPE, one for K and V
# Micro-batch by num_ctx: above 32768 tokens 2048, above 4096 1024, else 512.
_BATCHES = ((32768, 2048), (4096, 1024))
_SMALLEST_BATCH = 512
STEPS = tuple(above for above, _ in _BATCHES)
# num_ctx when nobody sets it, by total VRAM; capped by what the model was trained for.
_CONTEXTS = ((47 * GIB, 262144), (23 * GIB, 32768))
_SMALLEST_CONTEXT = 4096
DAEMON_BYTES = 100 * MIB  # the Go server beside llama-server; assumed, nobody has published it
ERROR_FRACTION = 0.03  # an older graph, checked against fewer logs


def batch_tokens(context_tokens: int) -> int:
    """The micro-batch that Ollama picks for ``num_ctx``."""
    return next((batch for above, batch in _BATCHES if context_tokens > above), _SMALLEST_BATCH)


def default_context_tokens(vram_bytes: int, trained_tokens: int) -> int:
    """``num_ctx`` when neither request, model nor environment set it; ``vram_bytes`` over all GPUs."""
    chosen = next((context for least, context in _CONTEXTS if vram_bytes >= least), _SMALLEST_CONTEXT)
    return min(chosen, trained_tokens) if trained_tokens else chosen


def ollama_serving(serving: Serving) -> Serving:
    """``serving`` as Ollama would run it: separate slots, its own batch."""
    batch = batch_tokens(serving.context_tokens // serving.slots)
    return replace(serving, kv_unified=False, micro_batch_tokens=batch, batch_tokens=batch)


def obstacle(serving: Serving, placement: Placement) -> Unestimable | None:
    """What Ollama cannot be told; None when everything can be."""
    if serving.kv_type_k != serving.kv_type_v or serving.kv_type_k not in KV_TYPES:
        detail = f"Ollama keeps K and V alike, as one of {', '.join(KV_TYPES)}"
        return Unestimable("ollama-kv-type", detail)
    return place_obstacle(placement)


def place_obstacle(placement: Placement) -> Unestimable | None:
    """Where Ollama puts no model; None where it may."""
    if placement.cpu_expert_layers:
        return Unestimable("ollama-no-expert-offload", "Ollama offloads whole layers only")
    return None


def answer(question: Question) -> Estimate | Unestimable:
    """What Ollama takes for one model: llama-server's bytes under Ollama's settings, and its daemon."""
    if question.architecture is None or question.weights is None:
        return shape_unknown()
    serving = ollama_serving(question.serving)
    if found := obstacle(serving, question.placement):
        return found
    extras = Extras(None, question.projector_bytes, question.cache_ram_bytes, question.checkpoints, older_graph=True)
    prepared = prepared_once(question.architecture, question.weights)
    inner = estimate(prepared, serving, question.placement, question.devices, extras=extras)
    return inner if isinstance(inner, Unestimable) else _with_daemon(inner)


def _with_daemon(inner: Estimate) -> Estimate:
    line = OverheadLine(HOST, "Ollama daemon", DAEMON_BYTES, Basis.ASSUMED)
    demands = tuple(
        with_overhead(demand, demand.overhead_bytes + DAEMON_BYTES) if demand.place == HOST else demand
        for demand in inner.demands
    )
    fraction = max(inner.error_fraction, ERROR_FRACTION)
    return Estimate(ENGINE, demands, inner.file_bytes, inner.basis, (*inner.overheads, line), fraction, inner.notes)
