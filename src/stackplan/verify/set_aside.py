"""Address space that llama.cpp sets aside for graphs and never touches: no memory, but it looks like an allocation.

ggml's scheduler asks for room for as many graph splits as a graph may have nodes, each with all its inputs
(ggml_backend_sched_new, llama.cpp b11434). On one device there is one split, so that nearly all of it stays untouched:
20 MiB for a small model, 60 to 400 MiB for large and for hybrid ones.
"""

from collections.abc import Sequence

from stackplan.verify.observation import LoadedFile

# Two tensors (336 bytes) for each of 30 inputs of a split: GGML_SCHED_MAX_SPLIT_INPUTS.
_SPLIT_BYTES = 2 * 30 * 336
_LEAST_NODES, _NODES_PER_TENSOR = 1024, 8
# llama_context::graph_max_nodes: nodes per token of a micro-batch and per tensor where graphs are wider.
_WIDE = dict.fromkeys(
    ("qwen3next", "qwen35", "qwen35moe", "qwen4exp", "kimi-linear", "bailingmoe3", "clef", "deepseek4", "nanbeige",
     "minimax-01", "minimax-m3", "hy_v4"), (40, 32),
) | {"kimi-k3": (160, 64), "glm5-next": (160, 64), "hrm_text": (80, 64)}  # fmt: skip
_PROJECTOR, _PROJECTOR_NODES = "clip", 8192
_UNKNOWN = LoadedFile("", 0)  # whatever it is, it has a scheduler


def set_aside_bytes(files: Sequence[LoadedFile], micro_batch_tokens: int) -> int:
    """What the schedulers of all loaded models ask for and do not use."""
    return sum(_scheduler_bytes(_nodes(file, micro_batch_tokens)) for file in files or (_UNKNOWN,))


def _nodes(file: LoadedFile, tokens: int) -> int:
    if file.architecture == _PROJECTOR:
        return _PROJECTOR_NODES
    if file.architecture in _WIDE:
        per_token, per_tensor = _WIDE[file.architecture]
        return max(per_token * tokens, per_tensor * file.tensors)
    return max(_LEAST_NODES, _NODES_PER_TENSOR * file.tensors)


def _scheduler_bytes(nodes: int) -> int:
    """Splits, and a graph with its hash table of twice as many places, which grows by doubling."""
    places = 1 << (2 * nodes - 1).bit_length()
    return nodes * (_SPLIT_BYTES + 16) + places * 97 // 8
