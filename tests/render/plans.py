# ruff: noqa: E501  (one instance per line reads as a table)
"""Plans made by hand, one per kind of host: what the targets are tested on, and whose golden trees are kept.

Model names, sizes and speeds are plausible and made up: no figure here is a claim.
"""

from stackplan.hardware import Backend, Basis, Cpu, Device, Host, Pool, PoolKind, Reservation
from stackplan.plan import (
    CatalogStamp,
    Instance,
    ObjectiveLevel,
    Plan,
    PlannedArtifact,
    PlannedDemand,
    PlannedEngine,
    PlannedHost,
    PoolBudget,
    Proof,
    ServedRole,
    Utility,
    UtilityTerm,
)
from stackplan.remote import Fallback
from stackplan.runtime import Runtime
from stackplan.serving import Placement, SpeedEstimate
from stackplan.units import GIB
from stackplan.values import replace

LLAMA_CPP = PlannedEngine(
    "llama.cpp",
    "llama.cpp",
    "b11434",
    8080,
    {
        "cpu": "ghcr.io/ggml-org/llama.cpp:server-b11434",
        "cuda": "ghcr.io/ggml-org/llama.cpp:server-cuda-b11434",
        "rocm": "ghcr.io/ggml-org/llama.cpp:server-rocm-b11434",
        "vulkan": "ghcr.io/ggml-org/llama.cpp:server-vulkan-b11434",
    },
)
OLLAMA = PlannedEngine(
    "ollama",
    "Ollama",
    "0.32.13",
    11434,
    {"cpu": "ollama/ollama:0.32.13", "cuda": "ollama/ollama:0.32.13", "rocm": "ollama/ollama:0.32.13-rocm"},
)
VLLM = PlannedEngine("vllm", "vLLM", "0.26.0", 8000, {"cuda": "vllm/vllm-openai:v0.26.0"})
TEI = PlannedEngine(
    "tei",
    "Text Embeddings Inference",
    "1.9.3",
    80,
    {
        "cpu": "ghcr.io/huggingface/text-embeddings-inference:cpu-1.9",
        "cuda-89": "ghcr.io/huggingface/text-embeddings-inference:89-1.9",
        "cuda": "ghcr.io/huggingface/text-embeddings-inference:cuda-1.9",
    },
)
INFINITY = PlannedEngine("infinity", "Infinity", "0.0.77", 7997, {"cpu": "michaelf34/infinity:0.0.77-cpu"})
SPEACHES = PlannedEngine(
    "speaches",
    "Speaches",
    "0.8.3",
    8000,
    {"cpu": "ghcr.io/speaches-ai/speaches:0.8.3-cpu", "cuda": "ghcr.io/speaches-ai/speaches:0.8.3-cuda"},
)
AFFORDABLE = Fallback(
    "", "affordable", "vendor/small-model", "https://api.affordable.test/v1/", "AFFORDABLE_API_KEY", 2, 0.1, 0.4
)
PREMIUM = Fallback("worker", "premium", "large-model", "https://api.premium.test/v1/", "PREMIUM_API_KEY", 3, 3.0, 15.0)


def cpu(threads: int = 16, numa_nodes: int = 1) -> Cpu:
    return Cpu("Example CPU", threads // 2, threads, ("avx2",), numa_nodes, 50_000_000_000)


def card(number: int, backend: Backend = Backend.CUDA, capability: str | None = "8.6", uuid: str = "") -> Device:
    return Device(
        f"gpu{number}", f"Example card {number}", backend, f"gpu{number}", uuid=uuid, compute_capability=capability
    )


def host(
    name: str, *cards: Device, gib: int = 24, system: str = "linux", unified: bool = False, **of_cpu: int
) -> PlannedHost:
    ram = Pool(
        "ram", PoolKind.UNIFIED if unified else PoolKind.RAM, 64 * GIB, (Reservation("system", 4 * GIB, Basis.ASSUMED),)
    )
    vram = (
        ()
        if unified
        else tuple(
            Pool(device.pool, PoolKind.VRAM, gib * GIB, (Reservation("driver", GIB // 2, Basis.MEASURED),))
            for device in cards
        )
    )
    processor = Device("cpu", "Example CPU", Backend.CPU, "ram")
    machine = Host(
        name, name, system, "aarch64" if unified else "x86_64", cpu(**of_cpu), (processor, *cards), (ram, *vram)
    )
    pools = tuple(
        PoolBudget(pool.id, pool.kind.value, pool.capacity_bytes, pool.reserved, pool.budget_bytes, 0)
        for pool in machine.pools
    )
    return PlannedHost(name, name, "0" * 16, machine, pools)


def unified(device: Device) -> Device:
    return Device(device.id, device.name, device.backend, "ram", compute_capability=device.compute_capability)


def gguf(model: str, quantisation: str = "Q4_K_M", gib: float = 4.0, **more: object) -> PlannedArtifact:
    fields: dict[str, object] = {
        "id": f"{model}:{quantisation}",
        "model": model,
        "format": "gguf",
        "quantisation": quantisation,
        "repository": f"example-org/{model}-GGUF",
        "files": (f"{model}-{quantisation}.gguf",),
        "file_bytes": int(gib * GIB),
        "size_basis": Basis.PUBLISHED,
        "licence": "apache-2.0",
        "gated": False,
        "commercial": True,
    }
    return PlannedArtifact(**(fields | more))  # type: ignore[arg-type]


def tag(model: str, name: str, gib: float) -> PlannedArtifact:
    return gguf(model, gib=gib, format="ollama", ollama_tag=name, files=(), repository="")


def instance(artifact: PlannedArtifact, engine: str, port: int, **more: object) -> Instance:
    place = more.pop("place", ("gpu0",))
    pool = more.pop("pool", "gpu0" if place else "ram")
    size = artifact.file_bytes
    context, slots = more.get("context_tokens", 16384), more.get("slots", 1)
    fields: dict[str, object] = {
        "id": artifact.model,
        "model": artifact.model,
        "artifact": artifact.id,
        "engine": engine,
        "context_tokens": context,
        "total_context_tokens": int(str(context)) * int(str(slots)),
        "kv_type": "q8_0",
        "slots": slots,
        "tier": "hot",
        "swap_group": "",
        "placement": Placement(tuple(place)),  # type: ignore[arg-type]
        "port": port,
        "mode": "chat",
        "demand": (PlannedDemand(str(pool), size, GIB, 0, GIB // 4, 0, GIB // 4, size + GIB + GIB // 2),),
        "disk_bytes": size,
        "speed": SpeedEstimate(40.0, 35.0, 45.0, 900.0, 700.0, 1100.0, 30.0, Basis.DERIVED),
        "basis": Basis.DERIVED,
    }
    return Instance(**(fields | more))  # type: ignore[arg-type]


def role(name: str, of: Instance, **more: object) -> ServedRole:
    fields: dict[str, object] = {
        "role": name,
        "instance": of.id,
        "required": True,
        "priority": 1.0,
        "context_tokens": of.context_tokens,
        "slots": of.slots,
        "mode": of.mode,
        "thinking": "any",
        "inputs": ("text", "image") if of.vision else ("text",),
        "utility": Utility(80.0, (UtilityTerm("quality", 80.0, Basis.PUBLISHED),)),
    }
    return ServedRole(**(fields | more))  # type: ignore[arg-type]


def plan(
    name: str,
    on: PlannedHost,
    artifacts: tuple[PlannedArtifact, ...],
    served: tuple[tuple[Instance, tuple[str, ...]], ...],
    engines: tuple[PlannedEngine, ...],
    fallbacks: tuple[Fallback, ...] = (),
) -> Plan:
    return Plan(
        schema=1,
        profile=name,
        stack="everyday",
        policy="balanced",
        estimator="1",
        catalog=CatalogStamp("2026-11-21", "0" * 16),
        host=on,
        engines=engines,
        artifacts=artifacts,
        instances=tuple(one for one, _ in served),
        roles=tuple(role(title, one) for one, titles in served for title in titles),
        unserved=(),
        objective=(ObjectiveLevel("required roles", 1.0),),
        proof=Proof("optimal", 1.0, 0.0, 10, 2, "HiGHS"),
        fallbacks=fallbacks,
    )


def single_24gb() -> Plan:
    """One 24 GB card: a shared HOT worker in llama.cpp with a draft, HOT and WARM Ollama, a WARM router, a COLD giant."""
    worker, draft = gguf("worker-32b", gib=14.0), gguf("draft-0.5b", "Q8_0", 0.5)
    guard, code = tag("guard-1b", "guard3:1b", 1.0), tag("coder-7b", "coder:7b-instruct", 4.4)
    eye = gguf("eye-4b", gib=3.0, projector_file="mmproj-eye-4b-f16.gguf", projector_bytes=GIB)
    maths, giant = (
        gguf("maths-7b", gib=4.2),
        gguf("giant-120b", "Q3_K_M", 50.0, files=("giant-00001-of-00002.gguf", "giant-00002-of-00002.gguf")),
    )
    nomic, judge = gguf("embedder", "F16", 0.3), gguf("reranker", "Q8_0", 0.6)
    artifacts = (worker, draft, guard, code, eye, maths, giant, nomic, judge)
    served = (
        (instance(worker, "llama.cpp", 8101, draft_artifact=draft.id, draft_tokens=8, slots=2), ("worker", "front-door")),
        (instance(guard, "ollama", 8102, slots=4, context_tokens=4096), ("watchdog",)),
        (instance(code, "ollama", 8103, tier="warm", swap_group="warm-gpu0"), ("code",)),
        (instance(eye, "llama.cpp", 8104, tier="warm", swap_group="warm-gpu0", vision=True), ("vision",)),
        (instance(maths, "llama.cpp", 8105, tier="warm", swap_group="warm-gpu0"), ("math",)),
        (instance(giant, "llama.cpp", 8106, tier="cold", placement=Placement(("gpu0",), cpu_expert_layers=30)), ("architect",)),
        (instance(nomic, "llama.cpp", 8107, place=(), mode="embedding", kv_type="f16", pooling="mean", context_tokens=2048, micro_batch_tokens=2048), ("embedding",)),
        (instance(judge, "llama.cpp", 8108, place=(), mode="rerank", kv_type="f16", context_tokens=2048, micro_batch_tokens=2048), ("reranker",)),
    )  # fmt: skip
    on = host("rtx-example-24gb", card(0, uuid="GPU-11111111-2222-3333-4444-555555555555"))
    return plan("single-24gb", on, artifacts, served, (LLAMA_CPP, OLLAMA), (AFFORDABLE, PREMIUM))


def dual_24gb() -> Plan:
    """Two cards as two pools: one model over both, one on the second, a pair of HOT models in one Ollama server."""
    big, small = gguf("big-70b", gib=38.0), tag("small-3b", "small:3b", 2.0)
    embed, late = tag("embed-tag", "embed-text:v1.5", 0.3), gguf("unlocked-8b", files=())
    artifacts = (big, small, embed, late)
    served = (
        (instance(big, "llama.cpp", 8201, place=("gpu0", "gpu1"), placement=Placement(("gpu0", "gpu1"), split=(0.45, 0.55))), ("worker",)),
        (instance(small, "ollama", 8202, place=("gpu1",), kv_type="f16"), ("watchdog",)),
        (instance(embed, "ollama", 8203, place=("gpu1",), kv_type="f16", mode="embedding", context_tokens=2048), ("embedding",)),
        (instance(late, "llama.cpp", 8204, place=("gpu1",), tier="warm", prediction_head=True, draft_tokens=3), ("code",)),
    )  # fmt: skip
    made = plan("dual-24gb", host("dual-24gb", card(0), card(1)), artifacts, served, (LLAMA_CPP, OLLAMA))
    made = replace(made, roles=tuple(replace(one, thinking="off") for one in made.roles))
    runtime = Runtime(threads=12, batch_threads=16, numa="isolate", lock_memory=True, map_files=False)
    return replace(made, runtime=runtime)


def cpu_only() -> Plan:
    """Two NUMA nodes and no GPU: an ordinary machine."""
    chat, embed = gguf("chat-4b", gib=2.5), gguf("embedder", "F16", 0.3)
    on = host("cpu-only", threads=32, numa_nodes=2)
    served = (
        (instance(chat, "llama.cpp", 8301, place=(), lookup_tokens=12), ("worker", "watchdog")),
        (
            instance(embed, "llama.cpp", 8302, place=(), mode="embedding", pooling="cls", context_tokens=512),
            ("embedding",),
        ),
    )
    return plan("cpu-only", on, (chat, embed), served, (LLAMA_CPP,))


def apple_unified() -> Plan:
    """One unified pool under Metal: native servers, because Docker has no GPU there."""
    chat, giant = gguf("chat-30b-a3b", gib=17.0), gguf("giant-70b", gib=40.0)
    tiny = tag("tiny-1b", "tiny:1b", 1.0)
    on = host("m-example-64gb", unified(card(0, Backend.METAL, None)), system="darwin", unified=True)
    served = (
        (instance(chat, "llama.cpp", 8401, pool="ram"), ("worker",)),
        (instance(tiny, "ollama", 8402, pool="ram"), ("watchdog",)),
        (instance(giant, "llama.cpp", 8403, pool="ram", tier="cold"), ("architect",)),
    )
    return plan("apple-unified", on, (chat, giant, tiny), served, (LLAMA_CPP, OLLAMA))


def services_stack() -> Plan:
    """Retrieval services beside a vLLM generator: embeddings and rerank by TEI and Infinity, speech by Speaches."""
    generator = gguf(
        "generator-14b",
        "AWQ",
        9.3,
        format="safetensors",
        repository="example-org/generator-14b-awq",
        files=(),
        revision="a" * 40,
    )
    embed = gguf(
        "bge-m", "F16", 1.1, format="safetensors", repository="example-org/bge-m", files=("model.safetensors",)
    )
    judge = gguf("bge-rerank", "F16", 1.1, format="safetensors", repository="example-org/bge-rerank", files=())
    local = gguf(
        "mini-rerank",
        "F32",
        0.1,
        format="safetensors",
        repository="example-org/mini-rerank",
        files=("model.safetensors",),
    )
    speech = gguf(
        "whisper-turbo", "float16", 1.6, format="ctranslate2", repository="example-org/faster-whisper-turbo", files=()
    )
    served = (
        (instance(generator, "vllm", 8501, slots=8, kv_type="f16"), ("worker",)),
        (
            instance(embed, "tei", 8502, mode="embedding", kv_type="f16", pooling="cls", context_tokens=8192),
            ("embedding",),
        ),
        (instance(judge, "tei", 8503, mode="rerank", kv_type="f16", context_tokens=512), ("reranker",)),
        (
            instance(local, "infinity", 8504, place=(), mode="rerank", kv_type="f16", context_tokens=512),
            ("reranker-light",),
        ),
        (instance(speech, "speaches", 8505, mode="audio_transcription", kv_type="f16", tier="warm"), ("speech",)),
    )
    on = host("ada-example-24gb", card(0, capability="8.9"))
    artifacts = (generator, embed, judge, local, speech)
    return plan("services", on, artifacts, served, (VLLM, TEI, INFINITY, SPEACHES), (AFFORDABLE,))


def mixed_devices() -> Plan:
    """An AMD card beside an NVIDIA one: two overlays, each with its own image."""
    red, green = gguf("red-8b", gib=5.0), gguf("green-8b", gib=5.0)
    tiny = tag("tiny-1b", "tiny:1b", 1.0)
    on = host("mixed", card(0, Backend.ROCM, None), card(1), threads=8)
    served = (
        (instance(red, "llama.cpp", 8601, active_experts=4, experts_key="qwen3moe.expert_used_count"), ("worker",)),
        (instance(green, "llama.cpp", 8602, place=("gpu1",), pool="gpu1"), ("code",)),
        (instance(tiny, "ollama", 8603), ("watchdog",)),
    )
    return plan("mixed-devices", on, (red, green, tiny), served, (LLAMA_CPP, OLLAMA))


def jetson() -> Plan:
    """A Tegra module: CUDA with the pool of the CPU and its own container runtime."""
    chat = tag("chat-8b", "chat:8b", 5.0)
    on = host("orin-example", unified(card(0, capability="8.7")), unified=True, threads=8)
    return plan("jetson", on, (chat,), ((instance(chat, "ollama", 8701, pool="ram"), ("worker",)),), (OLLAMA,))


PLANS = {
    made().profile: made()
    for made in (single_24gb, dual_24gb, cpu_only, apple_unified, services_stack, mixed_devices, jetson)
}
