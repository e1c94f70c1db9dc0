"""What llama-server's own process takes of host memory: the program, the tokenizer, and what full batches add.

Measured 2026-11-21 with llama-server b11434 (x86-64, glibc 2.36) on 40 loads: tokenizers of 259 to 262144 tokens,
1 to 100 blocks, 1 to 16 slots, contexts of 512 to 65536, 1 to 64 threads, files of 1 MiB to 1.3 GiB. What counts is
private memory, program and libraries after requests, less weights, cache and buffers. docs/estimate.md has the table.
"""

from collections.abc import Sequence

from stackplan.architecture import Architecture, Layer, WeightTable
from stackplan.estimate.compute import Graph
from stackplan.hardware import Basis
from stackplan.serving import HOST, OverheadLine, Serving
from stackplan.units import KIB, MIB

# The program and its libraries (17 MiB, which processes of one program share), heap and arenas of its threads: 21.3 MiB
# when a small model is loaded, 22.8 MiB after requests of every length at once.
PROGRAM_BYTES = 23 * MIB
# Graphs and the scheduler's tables: 64 and 100 blocks of nine tensors take 8.2 to 9.6 and 13.5 to 15.6 MiB.
BLOCK_BYTES = 150 * KIB
# A thread, a sampler and the tokens of a slot: 16 slots take 1.6 MiB when loaded, 4 MiB when all are at work.
SLOT_BYTES = 256 * KIB
# A cell's place, shift and sequences (48 bytes, llama_kv_cells), and its node in the set of used cells (48).
CELL_BYTES = 96
# Tokens, their texts and numbers, ranks of merges: 6.4 (262144 tokens, 514906 merges) to 9.4 (49152 tokens) bytes for
# each byte of a file's header over 14 SentencePiece, WordPiece and byte-pair vocabularies, 7.3 in the middle.
TOKENIZER_BYTES_PER_HEADER_BYTE = 7.5
# Headers had 20 to 61 bytes for each token. What a file has beyond that is no vocabulary, such as tensors that nobody
# listed where only its published size is known.
_LARGEST_HEADER_BYTES_PER_TOKEN = 80
_LARGEST_HEADER_BESIDE_TOKENS = 64 * KIB
# Unigram vocabularies (XLM-RoBERTa and its like) keep a tree of all prefixes: 131 MiB for 250048 tokens.
UNIGRAM_BYTES_PER_TOKEN = 550
_UNIGRAM_FAMILIES = ("bert", "t5")
_LARGEST_WORDPIECE = 150_000  # multilingual BERT has 119547 word pieces; XLM-RoBERTa's 250002 are of unigrams
_FLOAT_BYTES = 4
_HALF_BYTES = 2


def process_lines(
    architecture: Architecture, weights: WeightTable, graph: Graph, serving: Serving, *, on_cpu: bool
) -> tuple[OverheadLine, ...]:
    """The process by its parts. ``graph`` is the model's, ``on_cpu`` says that no device computes them."""
    lines = [
        OverheadLine(
            HOST, "server process", server_bytes(architecture, serving, cached=graph.has_cache), Basis.MEASURED
        ),
        tokenizer_line(architecture, weights),
    ]
    if serving.output_rows == "batch":
        lines.append(
            OverheadLine(HOST, "outputs of a full batch", batch_rows_bytes(architecture, serving), Basis.DERIVED)
        )
    if on_cpu:
        lines.append(
            OverheadLine(HOST, "matrix work area", work_bytes(architecture, graph.kinds, serving), Basis.DERIVED)
        )
    return tuple(lines)


def server_bytes(architecture: Architecture, serving: Serving, *, cached: bool) -> int:
    """The program, its graphs, slots and, where there is a cache, the table of its cells."""
    cells = serving.context_tokens if cached else 0
    return PROGRAM_BYTES + BLOCK_BYTES * architecture.block_count + SLOT_BYTES * serving.slots + CELL_BYTES * cells


def tokenizer_line(architecture: Architecture, weights: WeightTable, name: str = "tokenizer") -> OverheadLine:
    """The vocabulary of the model, or of a draft beside it."""
    return OverheadLine(HOST, name, tokenizer_bytes(architecture, weights), Basis.MEASURED)


def tokenizer_bytes(architecture: Architecture, weights: WeightTable) -> int:
    """The vocabulary in memory, by the bytes that it takes in the file, or by its tokens where prefixes are a tree."""
    rows = architecture.vocabulary_rows
    most = _LARGEST_HEADER_BYTES_PER_TOKEN * rows + _LARGEST_HEADER_BESIDE_TOKENS
    header = min(max(0, weights.file_bytes - weights.tensor_bytes), most)
    if _keeps_prefixes(architecture):
        return UNIGRAM_BYTES_PER_TOKEN * rows
    return int(TOKENIZER_BYTES_PER_HEADER_BYTE * header)


def vocabulary_bytes(architecture: Architecture, weights: WeightTable) -> int:
    """The part of `tokenizer_bytes` that differs between files of a model: what their headers decide."""
    return 0 if _keeps_prefixes(architecture) else tokenizer_bytes(architecture, weights)


def _keeps_prefixes(architecture: Architecture) -> bool:
    many = architecture.vocabulary_rows > _LARGEST_WORDPIECE
    return many and any(name in architecture.name for name in _UNIGRAM_FAMILIES)


def batch_rows_bytes(architecture: Architecture, serving: Serving) -> int:
    """What outputs grow by when a batch is full and every token has a row, as for embeddings and rankings.

    llama.cpp keeps a row of logits for each (llama_context::output_reserve, b11434), whether or not the model has any,
    and asks for them only when the batch comes. `output_bytes` of the estimate has one row per slot.
    """
    row = architecture.vocabulary_rows + architecture.embedding_length
    return _FLOAT_BYTES * row * max(0, min(serving.micro_batch_tokens, serving.context_tokens) - serving.slots)


def work_bytes(architecture: Architecture, kinds: Sequence[Layer], serving: Serving) -> int:
    """The widest input of a matrix for a whole micro-batch, in half floats at most (ggml-cpu's work data).

    Weights of 32 bits need none, since their inputs are not converted: counted all the same, few files are of them.
    """
    widest = max((*map(_widest, kinds), architecture.embedding_length))
    return _HALF_BYTES * serving.micro_batch_tokens * widest


def _widest(layer: Layer) -> int:
    experts = layer.expert_feed_forward_length * layer.experts_used
    return max(layer.feed_forward_length, experts, layer.heads * layer.head_length_v, layer.inner_length)
