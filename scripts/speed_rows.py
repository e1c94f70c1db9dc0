"""Published speed measurements as the estimator's own values: `Host`, `Workload`, context depth.

The table of models behind the measurements knows parameters, width, layers and experts, not tensors; the shape is
rebuilt from those, and bytes from the quantiser's mixtures (or the file size where the source printed one). So the
fit sees the same kind of value that a plan asks about. Used by ``fit_speed.py`` and by the tests.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stackplan.architecture import Architecture, Attention, Layer, WeightTable
from stackplan.estimate.speed_traffic import Workload, workload
from stackplan.hardware import Backend, Cpu, Device, Host, Pool, PoolKind

TRUTH: Final = Path(__file__).resolve().parents[1] / "tests" / "truth" / "throughput.json.gz"

# (body, output head or tied embedding, input embedding) in bits per weight: types that llama-quantize b11434 gives,
# measured on Llama 3.1 8B; unsloth's dynamic mixtures (XL) from the sizes of their files.
BITS: Final = {
    "F32": (32, 32, 32), "F16": (16, 16, 16), "Q8_0": (8.5, 8.5, 8.5), "Q8_K_XL": (10.0, 10.0, 8.5),
    "Q6_K": (6.5625, 6.5625, 6.5625), "Q6_K_XL": (7.3, 8.5, 6.5625), "Q5_K_M": (5.66, 6.5625, 5.5),
    "Q5_0": (5.5, 6.5625, 5.5), "Q4_K_M": (4.80, 6.5625, 4.5), "Q4_K_S": (4.54, 6.5625, 4.5),
    "Q4_K_XL": (5.0, 6.5625, 4.5), "Q4_0": (4.5, 6.5625, 4.5), "IQ4_NL": (4.55, 6.5625, 4.5),
    "IQ4_XS": (4.31, 6.5625, 4.25), "MXFP4": (4.25, 8.5, 8.5), "IQ3_M": (3.62, 6.5625, 3.44),
    "IQ3_XXS": (3.2, 5.5, 3.06), "Q2_K": (2.98, 6.5625, 2.625), "Q2_K_XL": (3.2, 6.5625, 2.625),
    "4BIT": (4.5, 4.5, 4.5), "5BIT": (5.5, 5.5, 5.5), "6BIT": (6.5, 6.5, 6.5), "8BIT": (8.5, 8.5, 8.5),
}  # fmt: skip
ALIASES: Final = {
    "BF16": "F16", "FP16": "F16", "Q4_K_P": "Q4_K_M", "Q2_K_P": "Q2_K", "Q4F16 (MLC INT4)": "4BIT", "W4A16": "4BIT",
    "INT8": "8BIT", "MLX-4BIT": "4BIT", "MLX-5BIT": "5BIT", "MLX-6BIT": "6BIT", "MLX-8BIT": "8BIT",
}  # fmt: skip
# What each id of the table is called in a GGUF header, longest prefix first.
GGUF_NAMES: Final = {
    "codestral": "llama", "deepseek-coder-v2": "deepseek2", "deepseek-r1-671b": "deepseek2",
    "deepseek-r1-llama": "llama", "deepseek-r1-qwen": "qwen2", "dots.llm1": "dots1", "ernie-4.5-21b": "ernie4_5-moe",
    "falcon3": "llama", "gemma-2": "gemma2", "gemma-3n": "gemma3n", "gemma-3": "gemma3", "gemma-4": "gemma4",
    "glm-4.5": "glm4moe", "glm-4.7-flash": "deepseek2", "gpt-oss": "gpt-oss", "granite-3": "granite",
    "granite-4.1": "granite", "hunyuan-a13b": "hunyuan-moe", "internlm": "internlm2", "lfm2-8b": "lfm2moe",
    "lfm2.5-8b": "lfm2moe", "lfm2": "lfm2", "llama-4": "llama4", "minimax": "minimax-m2", "ministral-3": "mistral3",
    "nemotron-3-nano": "nemotron_h_moe", "olmo-2": "olmo2", "phi-": "phi3", "qwen2": "qwen2",
    "qwen3-30b": "qwen3moe", "qwen3-235b": "qwen3moe", "qwen3-coder-30b": "qwen3moe", "qwen3-coder-next": "qwen3next",
    "qwen3.5-35b": "qwen35moe", "qwen3.5-122b": "qwen35moe", "qwen3.6-35b": "qwen35moe", "qwen3.": "qwen35",
    "qwen3": "qwen3", "trinity": "afmoe",
}  # fmt: skip
HUGGING_FACE_NAMES: Final = {
    "qwen3_5": "qwen35", "qwen3_5_moe": "qwen35moe", "qwen3_5_moe_text": "qwen35moe", "qwen3_vl": "qwen3vl",
    "lfm2_moe": "lfm2moe", "gemma4_unified": "gemma4", "granitemoehybrid": "granitehybrid", "cohere2_moe": "cohere2moe",
    "muse_glimmer": "muse-glimmer", "kimi_linear": "kimi-linear", "step3p7": "step35", "falcon_h1": "falcon-h1",
    "ernie4_5": "ernie4_5", "minicpmv4_6": "qwen35", "hunyuan_v1_dense": "hunyuan-dense",
}  # fmt: skip
# Layers with experts and matrices per expert where they are not "all" and 3 (model configs).
EXPERT_LAYERS: Final = {"nemotron_h_moe": (23, 2), "deepseek2": (-1, 3), "lfm2moe": (-2, 3), "afmoe": (-2, 3)}
# Experts of this architecture stay MXFP4 in every published file of about four bits.
NATIVE_MXFP4: Final = {"gpt-oss"}
# float32 values of recurrent state per layer: value heads x 128 x 128 (gated delta net), heads x 64 x 128 (Mamba-2).
DELTA_HEADS: Final = {5120: 48, 3072: 64, 2048: 32, 1024: 16}


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. ``backend`` is the estimator's, with ``mlx`` for that engine."""

    id: str
    backend: str
    device: str
    model: str
    host: Host
    work: Workload
    kv_depth_tokens: int
    tokens_per_second: float
    prompt_tokens_per_second: float | None
    quality: str
    source: str


def load_rows(path: Path = TRUTH) -> list[Row]:
    """Every usable measurement, in the order of the file."""
    data = json.loads(gzip.decompress(path.read_bytes()))
    devices = {device["id"]: device for device in data["devices"]}
    models = {model["id"]: model for model in data["models"]}
    return [_row(row, devices[row["device"]], models[row["model"]]) for row in data["rows"]]


def _row(row: dict[str, Any], device: dict[str, Any], model: dict[str, Any]) -> Row:
    backend = {"metal-mlx": "mlx"}.get(row["backend"], row["backend"])
    return Row(
        id=row["id"],
        backend=backend,
        device=row["device"],
        model=row["model"],
        host=host_of(device, "metal" if backend == "mlx" else backend),
        work=workload_of(model, row["quant"], row.get("file_gib")),
        kv_depth_tokens=row["kv_depth"],
        tokens_per_second=row["tg_tps"],
        prompt_tokens_per_second=row.get("pp_tps") if row.get("pp_test") in {"pp512", "pp1024", "pp2048"} else None,
        quality=row["quality"],
        source=row["source"],
    )


def host_of(device: dict[str, Any], backend: str) -> Host:
    """A host around one device of the facts table."""
    bandwidth, tflops = round(device["bandwidth_gbps"] * 1e9), device["fp16_dense_fp32acc_tflops"]
    on_cpu = backend == "cpu"
    unified = bool(device["unified"]) and not on_cpu
    processor = Device(
        "cpu", device["name"], Backend.CPU, "ram", catalog_id=device["id"] if on_cpu else None, architecture="cpu"
    )
    pools = [Pool("ram", PoolKind.UNIFIED if unified else PoolKind.RAM, 1 << 40)]
    devices = [processor]
    if not on_cpu:
        pool = "ram" if unified else "gpu0"
        devices.append(
            Device(
                "gpu0",
                device["name"],
                Backend(backend),
                pool,
                vendor=device["vendor"],
                catalog_id=device["id"],
                bandwidth_bytes_per_second=bandwidth,
                compute_flops_per_second=round(tflops * 1e12) if tflops else None,
                compute_capability=device["compute_capability"],
                architecture=device["arch"],
            )
        )
        if not unified:
            pools.append(Pool("gpu0", PoolKind.VRAM, 1 << 40))
    cores = 64 if bandwidth > 150e9 else 8
    cpu = Cpu(device["name"], cores, cores, bandwidth_bytes_per_second=bandwidth if on_cpu or unified else None)
    return Host("host", device["name"], "linux", "x86_64", cpu, tuple(devices), tuple(pools))


def architecture_name(model: dict[str, Any]) -> str:
    """The GGUF architecture of one record of the model table."""
    if known := model.get("arch"):
        return HUGGING_FACE_NAMES.get(known, known.replace("_", "-") if known == "gpt_oss" else known)
    prefixes = [prefix for prefix in GGUF_NAMES if model["id"].startswith(prefix)]
    return GGUF_NAMES[max(prefixes, key=len)] if prefixes else "llama"


def workload_of(model: dict[str, Any], quantisation: str, file_gib: float | None = None) -> Workload:
    """What one token touches, rebuilt from the few numbers of the model table."""
    name = architecture_name(model)
    quant = ALIASES.get(quantisation.upper(), quantisation.upper())
    if name in NATIVE_MXFP4 and quant not in {"F16", "Q8_0"}:
        quant = "MXFP4"
    embedding = model["hidden"] * model["vocab"]
    parameters = round(model["params_b"] * 1e9)
    if not model["moe"] and model["active_b_hint"]:  # per-layer embeddings are looked up, not read
        parameters = round(model["active_b_hint"] * 1e9)
    body = max(parameters - embedding * (1 if model["tied"] else 2), parameters // 10)
    expert_layers, expert = _experts(model, name, body)
    architecture = _architecture(model, name, expert_layers)
    weights = _weights(model, quant, (body - expert * expert_layers, expert, embedding), architecture, file_gib)
    return workload(architecture, weights, quantisation.upper())


def _experts(model: dict[str, Any], name: str, body: int) -> tuple[int, int]:
    """(layers with experts, expert parameters of one such layer); as many layers as the parameters allow."""
    if not model["moe"]:
        return 0, 0
    count, matrices = EXPERT_LAYERS.get(name, (0, 3))
    layers = count if count > 0 else model["layers"] + count
    expert = model["moe"][0] * matrices * model["hidden"] * model["moe"][2]
    while layers > 1 and expert * layers > 0.985 * body:
        layers -= 1
    return layers, min(expert, round(0.985 * body / layers))


def _architecture(model: dict[str, Any], name: str, expert_layers: int) -> Architecture:
    count, full, sliding = model["layers"], model["full_attn_layers"], model["swa_layers"]
    layers = []
    for index in range(count):
        # spread evenly: only the numbers of each kind matter here
        if (index + 1) * full // count > index * full // count:
            kind = Attention.FULL
        else:
            kind = Attention.SLIDING if sliding else Attention.RECURRENT
        if name == "nemotron_h_moe" and kind is Attention.RECURRENT and index % 2:
            kind = Attention.NONE
        latent = model["head_dim"] == 576
        cached = kind in {Attention.FULL, Attention.SLIDING}
        experts = model["moe"] if index >= count - expert_layers else None
        layers.append(
            Layer(
                Attention.LATENT if latent and cached else kind,
                kv_heads=model["kv_heads"] if cached else 0,
                head_length_k=model["head_dim"],
                head_length_v=0 if latent else model["head_dim"],
                state_elements=_state(model, name) if kind is Attention.RECURRENT else 0,
                experts=experts[0] if experts else 0,
                experts_used=experts[1] if experts else 0,
            )
        )
    return Architecture(
        name, count, model["hidden"], model["vocab"], tuple(layers), 131072, model["swa_window"], model["tied"]
    )


def _state(model: dict[str, Any], name: str) -> int:
    if name.startswith("lfm2"):
        return 2 * int(model["hidden"])
    if name in {"qwen35", "qwen35moe", "qwen3next", "kimi-linear"}:
        return DELTA_HEADS.get(model["hidden"], 32) * 128 * 128
    return int(model["hidden"]) * 2 * 128


def _weights(
    model: dict[str, Any],
    quant: str,
    parts: tuple[int, int, int],
    architecture: Architecture,
    file_gib: float | None,
) -> WeightTable:
    dense, expert, embedding = parts
    body_bits, head_bits, input_bits = BITS[quant]
    dense_bits = head_bits if quant == "MXFP4" else body_bits
    count = len(architecture.layers)
    layers = [dense * dense_bits / 8 / count] * count
    experts = [expert * body_bits / 8 if layer.experts else 0.0 for layer in architecture.layers]
    head = embedding * head_bits / 8
    inputs = 0.0 if model["tied"] else embedding * input_bits / 8
    total = sum(layers) + sum(experts) + head + inputs
    scale = file_gib * 2**30 / total if file_gib and 0.8 < file_gib * 2**30 / total < 1.25 else 1.0
    return WeightTable(
        file_bytes=round(total * scale),
        tensor_bytes=round(total * scale),
        layer_bytes=tuple(round(size * scale) for size in layers),
        expert_bytes=tuple(round(size * scale) for size in experts),
        input_bytes=round((head if model["tied"] else inputs) * scale),
        output_bytes=0 if model["tied"] else round(head * scale),
        tied_output_bytes=round(head * scale) if model["tied"] else 0,
    )
