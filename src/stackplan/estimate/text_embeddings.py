"""Text Embeddings Inference and Infinity: weights and the activations of one full batch; nothing is cached.

Sources: huggingface/text-embeddings-inference ``router/src/main.rs`` (batch of 16384 tokens), michaelfeil/infinity
``env.py`` (32 sequences), read November 2026. The activation formula is ours and unmeasured: basis assumed.
"""

from dataclasses import dataclass

from stackplan.architecture import Architecture
from stackplan.estimate import overhead
from stackplan.estimate.question import Question, gpus_of, shape_unknown
from stackplan.hardware import Basis
from stackplan.serving import HOST, Demand, Estimate, OverheadLine, Unestimable
from stackplan.units import GIB, MIB

TEI_BATCH_TOKENS = 16384  # --max-batch-tokens; one text longer than that raises it
INFINITY_SEQUENCES = 32  # --batch-size, of texts as long as the longest
INFINITY_BATCH_TOKENS = 16384  # what we let a batch hold: the batch size is lowered for long contexts
HALF_BYTES, FLOAT_BYTES = 2, 4
ERROR_FRACTION = 0.25


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two servers: its name, its process, and whether it pads texts of a batch to one length."""

    engine: str
    host_bytes: int
    pads: bool


TEI = Server("tei", 500 * MIB, pads=False)
INFINITY = Server("infinity", 2 * GIB, pads=True)  # Python and torch; assumed


def infinity_batch_size(context_tokens: int) -> int:
    """Sequences per batch that keep a batch of longest texts within `INFINITY_BATCH_TOKENS`."""
    return max(1, min(INFINITY_SEQUENCES, INFINITY_BATCH_TOKENS // max(1, context_tokens)))


def activation_bytes(architecture: Architecture, tokens: int, sequence_tokens: int, *, on_gpu: bool) -> int:
    """Activations of one batch: six embeddings and the widest feed-forward per token.

    Without variable-length attention (the CPU, and padding servers) the scores of the longest text stand beside.
    """
    widest = max((layer.feed_forward_length for layer in architecture.layers), default=0)
    element = HALF_BYTES if on_gpu else FLOAT_BYTES
    size = tokens * (6 * architecture.embedding_length + widest) * element
    if on_gpu:
        return size
    heads = max((layer.heads for layer in architecture.layers), default=0)
    return size + heads * sequence_tokens * sequence_tokens * FLOAT_BYTES


def answer_tei(question: Question) -> Estimate | Unestimable:
    """What Text Embeddings Inference takes: half precision on a GPU, float32 on the CPU."""
    return _answer(question, TEI, max(TEI_BATCH_TOKENS, question.serving.context_tokens))


def answer_infinity(question: Question) -> Estimate | Unestimable:
    """What Infinity takes with a batch size by `infinity_batch_size`."""
    context = question.serving.context_tokens
    return _answer(question, INFINITY, context * infinity_batch_size(context))


def _answer(question: Question, server: Server, tokens: int) -> Estimate | Unestimable:
    architecture = question.architecture
    file_bytes = question.file_bytes or (question.weights.file_bytes if question.weights else 0)
    if architecture is None or not (question.parameters or file_bytes):
        return shape_unknown()
    gpus = gpus_of(question)[:1]  # both run one copy on one device
    parameters = question.parameters or file_bytes // HALF_BYTES
    size = parameters * (HALF_BYTES if gpus else FLOAT_BYTES)
    context = question.serving.context_tokens
    activations = activation_bytes(architecture, tokens, context, on_gpu=bool(gpus))
    lines = [OverheadLine(HOST, f"{server.engine} process", server.host_bytes, Basis.ASSUMED)]
    demands: tuple[Demand, ...]
    if not gpus:
        demands = (Demand(HOST, size, compute_bytes=activations, overhead_bytes=server.host_bytes),)
    else:
        lines += overhead.device_lines(gpus[0])
        on_gpu = sum(line.bytes for line in lines[1:])
        demands = (
            Demand(HOST, overhead_bytes=server.host_bytes),
            Demand(gpus[0].id, size, compute_bytes=activations, overhead_bytes=on_gpu),
        )
    return Estimate(server.engine, demands, file_bytes, Basis.ASSUMED, tuple(lines), ERROR_FRACTION)
