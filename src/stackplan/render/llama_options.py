"""llama.cpp's own words for one instance: every value explicit, so that nothing is fitted or shrunk at load.

Names are the long options of llama-server (b11434, tools/server/README.md, 2026-10); a preset file uses the same names
without dashes. Paths are relative to the folder that holds ``models/``, the same inside and outside a container.
"""

from stackplan.plan import Instance, Plan, PlannedArtifact
from stackplan.render.servers import COLD, COLD_IDLE_SECONDS, WARM, WARM_IDLE_SECONDS, tier_of
from stackplan.serving import Placement
from stackplan.units import MIB

MODELS_FOLDER = "models"
ALL_LAYERS = "all"
LOOKUP_KEY_TOKENS = 4  # so many tokens in common before something is proposed, see `afterwards`
_DEFAULT_BATCH_TOKENS = 2048

Options = dict[str, str | bool]


def llama_options(plan: Plan, instance: Instance) -> Options:
    """Options of llama-server for the instance, in a fixed order; True stands for a bare flag."""
    artifact = plan.artifact(instance.artifact)
    return {
        **_weights(artifact, vision=instance.vision),
        "alias": instance.id,
        "ctx-size": str(instance.total_context_tokens),
        "parallel": str(instance.slots),
        "no-kv-unified": True,
        "fit": "off",
        **_runtime(plan, instance),
        **_placement(plan, instance),
        "cache-type-k": instance.kv_type,
        "cache-type-v": instance.kv_type,
        "flash-attn": instance.flash_attention,
        "batch-size": str(max(_DEFAULT_BATCH_TOKENS, instance.micro_batch_tokens)),
        "ubatch-size": str(instance.micro_batch_tokens),
        "cache-ram": str(instance.cache_ram_bytes // MIB),
        "ctx-checkpoints": str(instance.context_checkpoints),
        **_mode(plan, instance),
        **_acceleration(plan, instance),
        **_experts(instance),
        **_idle(instance),
    }


def as_arguments(options: Options) -> list[str]:
    """Options as a command line."""
    words: list[str] = []
    for name, value in options.items():
        words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words


def artifact_path(artifact: PlannedArtifact, file: str) -> str:
    """Where a downloaded file lies, relative to the folder that holds ``models/``."""
    return f"{MODELS_FOLDER}/{artifact.repository}/{file}"


def _weights(artifact: PlannedArtifact, *, vision: bool) -> Options:
    if not artifact.files:  # the exact name is known after `lock`; until then llama.cpp finds it in the repository
        source: Options = {"hf-repo": f"{artifact.repository}:{artifact.quantisation}"}
        return source if vision else {**source, "no-mmproj": True}
    options: Options = {"model": artifact_path(artifact, artifact.files[0]), "offline": True}
    if vision and artifact.projector_file:
        options["mmproj"] = artifact_path(artifact, artifact.projector_file)
    return options


def _runtime(plan: Plan, instance: Instance) -> Options:
    """Threads, NUMA policy and how weights are read: the profile's own, else physical cores and every node."""
    runtime, cpu, placement = plan.runtime, plan.host.machine.cpu, instance.placement
    options: Options = {}
    if threads := runtime.threads or cpu.physical_cores:
        options["threads"] = str(threads)
    if runtime.batch_threads:
        options["threads-batch"] = str(runtime.batch_threads)
    computes = placement.is_cpu or placement.is_cut
    policy = runtime.numa or ("distribute" if cpu.numa_nodes > 1 else "off")
    if computes and policy != "off":
        options["numa"] = policy
    mode = {(True, True): "mmap+mlock", (True, False): "mlock", (False, False): "none"}
    if load := mode.get((runtime.lock_memory, runtime.map_files)):
        options["load-mode"] = load
    return options


def _placement(plan: Plan, instance: Instance) -> Options:
    placement = instance.placement
    if placement.is_cpu:
        return {"device": "none", "n-gpu-layers": "0"}
    options: Options = {"n-gpu-layers": ALL_LAYERS if placement.gpu_layers is None else str(placement.gpu_layers)}
    if len(placement.devices) > 1:
        options |= {"split-mode": "layer", "tensor-split": _split(plan, placement)}
    if placement.cpu_expert_layers:
        options["n-cpu-moe"] = str(placement.cpu_expert_layers)
    return options


def _split(plan: Plan, placement: Placement) -> str:
    """Shares in the host's order of devices: a container shows its cards in that order, whatever the plan's was."""
    shares = dict(zip(placement.devices, placement.split or (1.0,) * len(placement.devices), strict=True))
    order = [device.id for device in plan.host.machine.devices if device.id in shares]
    return ",".join(f"{shares[device]:g}" for device in order)


def _mode(plan: Plan, instance: Instance) -> Options:
    if instance.mode == "rerank":
        return {"reranking": True, "pooling": instance.pooling or "rank"}
    if instance.mode == "embedding":
        pooling: Options = {"pooling": instance.pooling} if instance.pooling else {}
        return {"embeddings": True, **pooling}
    roles = plan.roles_of(instance.id)
    silent: Options = {"reasoning-budget": "0"} if roles and all(role.thinking == "off" for role in roles) else {}
    return {"jinja": True, **silent}


def _acceleration(plan: Plan, instance: Instance) -> Options:
    length: Options = {"spec-draft-n-max": str(instance.draft_tokens)} if instance.draft_tokens else {}
    # The proposer's own cache is counted in half floats (estimate/speculation.py).
    length |= {"spec-draft-type-k": "f16", "spec-draft-type-v": "f16"}
    if instance.draft_artifact:
        draft = plan.artifact(instance.draft_artifact)
        source: Options = (
            {"spec-draft-model": artifact_path(draft, draft.files[0])}
            if draft.files
            else {"spec-draft-hf": f"{draft.repository}:{draft.quantisation}"}
        )
        layers = "0" if instance.placement.is_cpu else ALL_LAYERS
        return {"spec-type": "draft-simple", **source, "spec-draft-ngl": layers, **length}
    if instance.prediction_head:
        return {"spec-type": "draft-mtp", **length}
    if not instance.lookup_tokens:
        return {}
    # ngram-simple proposes nothing in b11434, whatever its sizes; ngram-map-k finds the same words and does.
    sizes = {"spec-ngram-map-k-size-n": LOOKUP_KEY_TOKENS, "spec-ngram-map-k-size-m": instance.lookup_tokens}
    return {"spec-type": "ngram-map-k", **{name: str(tokens) for name, tokens in sizes.items()}}


def _experts(instance: Instance) -> Options:
    """llama.cpp has no option for it: the header's own number is replaced."""
    if not instance.active_experts:
        return {}
    return {"override-kv": f"{instance.experts_key}=int:{instance.active_experts}"}


def _idle(instance: Instance) -> Options:
    seconds = {WARM: WARM_IDLE_SECONDS, COLD: COLD_IDLE_SECONDS}.get(tier_of(instance))
    return {"sleep-idle-seconds": str(seconds)} if seconds else {}
