"""Command lines of the engines that are not llama.cpp or Ollama: the same inside and outside a container.

``root`` is what stands before ``models/``: "/" in a container, "" where a process starts in the folder above it.
Flags as in vLLM 0.26 (`vllm serve --help`), Text Embeddings Inference 1.9 (docs, cli_arguments), Infinity 0.0.77 and 78
(its own parser, in the tests). Precision and batches are those that the estimators count.
"""

import json
import math

from stackplan.estimate.text_embeddings import TEI_BATCH_TOKENS, infinity_batch_size
from stackplan.plan import Instance, Plan, PlannedArtifact
from stackplan.render.llama_options import MODELS_FOLDER
from stackplan.render.servers import COLD, COLD_IDLE_SECONDS, HOT, WARM, WARM_IDLE_SECONDS, Server

# vLLM's 8-bit cache; it has no other type below 16 bit.
_VLLM_KV_TYPES = {"q8_0": "fp8"}
_TEI_POOLING = {"mean": "mean", "cls": "cls", "last": "last-token"}
_MOST_SHARE = 0.99
_TEI_LEAST_REQUESTS = 64
_VLLM_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}


def vllm_arguments(plan: Plan, instance: Instance, root: str) -> list[str]:
    """Flags of ``vllm serve`` without host and port."""
    artifact = plan.artifact(instance.artifact)
    words = [source(artifact, root), "--served-model-name", instance.id]  # --model is being removed from `serve`
    words += ["--max-model-len", str(instance.context_tokens), "--max-num-seqs", str(instance.slots)]
    # The quantisation is read from the repository's config.json: --quantization awq would force the slower kernels, and
    # where the file was made by another tool the start is refused.
    words += [*_vllm_memory(plan, instance), "--dtype", _VLLM_DTYPES.get(artifact.quantisation, "auto")]
    words += _revision(artifact)
    if len(instance.placement.devices) > 1:
        words += ["--tensor-parallel-size", str(len(instance.placement.devices))]
    return [*words, "--runner", "pooling"] if instance.mode in ("embedding", "rerank") else words


def tei_arguments(plan: Plan, instance: Instance, root: str) -> list[str]:
    """Flags of ``text-embeddings-router`` without host and port."""
    artifact = plan.artifact(instance.artifact)
    words = ["--model-id", source(artifact, root)]
    words += ["--max-batch-tokens", str(max(TEI_BATCH_TOKENS, instance.total_context_tokens))]
    words += ["--dtype", _dtype(instance)]
    words += ["--max-concurrent-requests", str(max(_TEI_LEAST_REQUESTS, instance.slots)), *_revision(artifact)]
    pooling = _TEI_POOLING.get(instance.pooling) if instance.mode == "embedding" else None
    return [*words, "--pooling", pooling] if pooling else words


def infinity_arguments(plan: Plan, instance: Instance, root: str) -> list[str]:
    """Flags of ``infinity_emb v2`` without host and port."""
    artifact = plan.artifact(instance.artifact)
    device = "cpu" if instance.placement.is_cpu else "cuda"
    words = ["--model-id", source(artifact, root), "--served-model-name", instance.id, "--device", device]
    # What the plan counted: half precision on a GPU, and batches that long texts do not overfill.
    words += ["--dtype", _dtype(instance), "--batch-size", str(infinity_batch_size(instance.total_context_tokens))]
    return [*words, *_revision(artifact)]


def _dtype(instance: Instance) -> str:
    return "float32" if instance.placement.is_cpu else "float16"


def offline(artifact: PlannedArtifact) -> dict[str, str]:
    """Environment that keeps a downloaded model from being looked up again."""
    return {"HF_HUB_OFFLINE": "1"} if artifact.files else {"HF_HUB_DISABLE_TELEMETRY": "1"}


def speaches_environment(plan: Plan, server: Server) -> dict[str, str]:
    """Settings of Speaches: how long a model stays, what is loaded at start, on which device."""
    seconds = {HOT: "-1", WARM: str(WARM_IDLE_SECONDS), COLD: str(COLD_IDLE_SECONDS)}[server.tier]
    environment = {"STT_MODEL_TTL": seconds, "WHISPER__INFERENCE_DEVICE": "cuda" if server.devices else "cpu"}
    if server.tier == HOT:
        repositories = [plan.artifact(member.artifact).repository for member in server.members]
        environment["PRELOAD_MODELS"] = json.dumps(repositories)
    downloaded = is_downloaded(plan.artifact(server.members[0].artifact))
    return environment | {"HF_HUB_OFFLINE" if downloaded else "HF_HUB_DISABLE_TELEMETRY": "1"}


def is_downloaded(artifact: PlannedArtifact) -> bool:
    """Whether files and commit are known, so that a cache of the hub can be made of them."""
    return bool(artifact.files and artifact.revision)


def reference_file(server: Server) -> str:
    """The rendered file that says which commit ``main`` is, as the hub's cache has one per repository."""
    return f"speaches/{server.id}/refs/main"


def source(artifact: PlannedArtifact, root: str) -> str:
    """The folder of a downloaded model, or its repository where no file is known yet."""
    return f"{root}{MODELS_FOLDER}/{artifact.repository}" if artifact.files else artifact.repository


def _vllm_memory(plan: Plan, instance: Instance) -> list[str]:
    """The planned share of the fullest device; vLLM takes a fraction of the card and fills it with KV cache."""
    capacities = {pool.id: pool.capacity_bytes for pool in plan.host.pools}
    gpu_pools = {plan.host.machine.device(device).pool for device in instance.placement.devices}
    shares = [demand.total_bytes / capacities[demand.pool] for demand in instance.demand if demand.pool in gpu_pools]
    words = ["--kv-cache-dtype", _VLLM_KV_TYPES[instance.kv_type]] if instance.kv_type in _VLLM_KV_TYPES else []
    if not shares:
        return words
    share = min(_MOST_SHARE, math.ceil(max(shares) * 10_000) / 10_000)
    return ["--gpu-memory-utilization", f"{share:.4f}", *words]


def _revision(artifact: PlannedArtifact) -> list[str]:
    return ["--revision", artifact.revision] if artifact.revision and not artifact.files else []
