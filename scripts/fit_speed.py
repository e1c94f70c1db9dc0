"""Fit the constants of the speed estimate to published measurements and write ``catalog/speed.yaml``.

    .venv/bin/python scripts/fit_speed.py            # fit, cross-validate, write
    .venv/bin/python scripts/fit_speed.py --check    # fit, cross-validate, print only

Reads tests/truth/throughput.json.gz. Deterministic; takes about a minute.
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any, Final

import yaml
from speed_fit import QUALITY_WEIGHT, Observation, Prior, fit, log_seconds
from speed_rows import Row, load_rows

from stackplan.estimate.speed import pass_seconds, place_shares
from stackplan.estimate.speed_model import SpeedModel, speed_model
from stackplan.estimate.speed_rates import device_class, host_rates
from stackplan.hardware import Device, PoolKind
from stackplan.serving import Placement

OUTPUT: Final = Path(__file__).resolve().parents[1] / "catalog" / "speed.yaml"
DATE: Final = "2026-11-21"
SUPPORT: Final = 3  # rows below which a family, quantisation or device gets no factor of its own
REFERENCE: Final = "quantisation:Q4_K_M"  # counts 1, so that types without rows are like the commonest one
FOLDS: Final = 10
# Quantiles that leave out a fifth of rows on the other half of devices or models, not of the rows they come from.
TAILS: Final = (0.09, 0.91)
MICRO_BATCH: Final = 512  # llama.cpp's default, which published prompt figures use

# Starting point: efficiency, then microseconds per layer, expert layer, recurrent layer and token; a first, simpler
# fit of the same data. Only a prior: the deviations below let the data move it.
START: Final[dict[str, tuple[float, ...]]] = {
    "cuda": (0.90, 105, 2, 5, 50),
    "rocm": (0.87, 58, 14, 165, 570),
    "vulkan": (0.87, 20, 130, 25, 480),
    "metal": (0.80, 78, 48, 5, 950),
    "mlx": (0.92, 49, 2, 98, 100),
    "cpu": (0.73, 20, 20, 20, 1050),
    "sycl": (0.60, 100, 100, 100, 500),
}
# Share of the nominal FP16 rate's time that a token waits for: only cards without fast FP16 (Pascal) decide it.
COMPUTE: Final = {"cuda": 0.08}
PARTS: Final = ("layer", "expert", "recurrent", "token")
DEVIATION: Final = {
    "efficiency": 0.15, "kv": 0.2, "layer": 0.5, "expert": 0.5, "recurrent": 0.5, "token": 0.5, "compute": 0.5,
    "class-efficiency": 0.2, "class-overhead": 0.4, "family": 0.12, "quantisation": 0.06, "device": 0.2,
}  # fmt: skip
# Who belongs together: memory technology and generation, not name. The bandwidth stands in when nobody knows a
# device's own: the lower quartile of the class in the hardware facts, GB/s.
CLASSES: Final[list[dict[str, Any]]] = [
    {"id": "nvidia-soc", "vendors": ["nvidia"], "unified": True, "assumed_bandwidth_gbps": 200},
    {"id": "nvidia-hbm", "compute_capabilities": ["7.0", "8.0", "9.0", "10.0", "10.3"],
     "architectures": ["Volta", "Hopper", "Blackwell Ultra"], "assumed_bandwidth_gbps": 1555},
    {"id": "pascal", "compute_capabilities": ["6.0", "6.1"], "architectures": ["Pascal", "Maxwell"],
     "assumed_bandwidth_gbps": 192},
    {"id": "turing", "compute_capabilities": ["7.5"], "architectures": ["Turing"], "assumed_bandwidth_gbps": 320},
    {"id": "ampere", "compute_capabilities": ["8.6"], "architectures": ["Ampere"], "assumed_bandwidth_gbps": 360},
    {"id": "ada", "compute_capabilities": ["8.9"], "architectures": ["Ada"], "assumed_bandwidth_gbps": 272},
    {"id": "blackwell", "compute_capabilities": ["12.0"], "architectures": ["Blackwell"],
     "assumed_bandwidth_gbps": 448},
    {"id": "nvidia", "vendors": ["nvidia"], "assumed_bandwidth_gbps": 272},
    {"id": "apple-m1-m2", "architectures": ["Apple M1", "Apple M2"], "assumed_bandwidth_gbps": 100},
    {"id": "apple", "vendors": ["apple"], "assumed_bandwidth_gbps": 120},
    {"id": "amd-apu", "vendors": ["amd"], "unified": True, "assumed_bandwidth_gbps": 90},
    {"id": "amd", "vendors": ["amd"], "assumed_bandwidth_gbps": 322},
    {"id": "cpu", "backends": ["cpu"], "assumed_bandwidth_gbps": 50},
    {"id": "other", "assumed_bandwidth_gbps": 100},
]  # fmt: skip
# Constants that no row of the table decides; each with where it comes from.
FIXED: Final[dict[str, Any]] = {
    "disk_bytes_per_second": {"nvme": 2_500_000_000, "ssd": 500_000_000, "hdd": 150_000_000},
    "disk_source": "assumed: sequential reads of common PCIe 3/4, SATA and spinning disks",
    "cpu_thread_bytes_per_second": 20_000_000_000,
    "cpu_thread_source": "Ryzen 7950X with 2 threads, 8B Q4_K_S to BF16: 22 to 32 GB/s each (ik_llama.cpp, 2024-12)",
    "cpu_thread_flops_per_second": 200_000_000_000,
    "cpu_thread_flops_source": "Ryzen 7840HS, 8 cores, 1B to 1.5B models: 0.45 to 0.5 TFLOPS (localmaxxing, 2026)",
    "host_share_factor": 0.75,
    "host_share_source": "RTX 5070 with dual-channel DDR5, 24B to 32B spilled: 32 to 43 GB/s (llmfit community, 2026)",
    "crossing_seconds": 0.00002,
    "crossing_source": "assumed: one synchronisation and a few kB over PCIe",
    "pcie_bytes_per_second": 12_000_000_000,
    "pcie_source": "assumed: PCIe 3.0 x16 or 4.0 x8 as reached",
}
SPREAD: Final = {"unknown": 1.5, "split": 1.25, "prompt": 1.75}
# Median bits per weight of whole files, llama-quantize b11434, 45 models.
BITS_PER_WEIGHT: Final = {
    "default": 4.98, "F32": 32.0, "F16": 16.0, "BF16": 16.0, "Q8_0": 8.5, "Q6_K": 6.57, "Q5_K_M": 5.75, "Q5_K_S": 5.6,
    "Q4_K_M": 4.98, "Q4_K_S": 4.7, "Q4_0": 4.63, "IQ4_XS": 4.46, "Q3_K_M": 4.11, "Q2_K": 3.24, "MXFP4": 4.5,
}  # fmt: skip

Residuals = list[tuple[Row, float]]


def class_of(row: Row, classes: SpeedModel) -> str:
    """The class that the estimator will put the row's device in."""
    device = row.host.gpus[0] if row.host.gpus else row.host.cpu_device
    unified = row.host.pool(device.pool).kind is PoolKind.UNIFIED
    return device_class(classes, device, unified=unified).id


def observation(row: Row, classes: SpeedModel, supported: frozenset[str]) -> Observation:
    """The row as terms of the estimator's formula; factors only where enough rows support them."""
    placement = Placement(("gpu0",)) if row.host.gpus else Placement()
    traffic = place_shares(row.work, placement, row.kv_depth_tokens, ("f16", "f16"))[0].traffic
    bandwidth, kind, backend = bandwidth_of(row), class_of(row, classes), row.backend
    amounts = (traffic.layers, traffic.expert_layers, traffic.recurrent_layers, 1)
    efficiency, overhead = (f"class-efficiency:{kind}", -1.0), (f"class-overhead:{kind}", 1.0)
    terms = [
        (traffic.weight_bytes / bandwidth, ((f"efficiency:{backend}", -1.0), efficiency)),
        (traffic.kv_bytes / bandwidth, ((f"kv:{backend}", -1.0), efficiency)),
        *((n * 1e-6, ((f"{part}:{backend}", 1.0), overhead)) for part, n in zip(PARTS, amounts, strict=True) if n),
    ]
    device = row.host.gpus[0] if row.host.gpus else None
    if backend in COMPUTE and device and device.compute_flops_per_second:
        bits = BITS_PER_WEIGHT.get(row.work.quantisation, BITS_PER_WEIGHT["default"])
        operations = 2 * traffic.weight_bytes * 8 / bits
        terms.append((operations / device.compute_flops_per_second, ((f"compute:{backend}", 1.0),)))
    return Observation(
        tuple(term for term in terms if term[0] > 0),
        tuple(name for name in factor_names(row) if name in supported),
        1 / row.tokens_per_second,
        QUALITY_WEIGHT[row.quality],
    )


def bandwidth_of(row: Row) -> int:
    """Bytes per second of the device that runs the row."""
    device: Device | None = row.host.gpus[0] if row.host.gpus else None
    known = device.bandwidth_bytes_per_second if device else row.host.cpu.bandwidth_bytes_per_second
    return known or 1


def factor_names(row: Row) -> tuple[str, str, str]:
    """The parameters that multiply the row's whole time."""
    return f"family:{row.work.family}", f"quantisation:{row.work.quantisation}", f"device:{row.device}"


def supported_factors(rows: Sequence[Row]) -> frozenset[str]:
    """Factors with at least `SUPPORT` rows."""
    counts = Counter(name for row in rows for name in factor_names(row))
    return frozenset(name for name, count in counts.items() if count >= SUPPORT)


def priors() -> dict[str, Prior]:
    """What is believed of backends and classes before any row is read."""
    believed: dict[str, Prior] = {}
    for backend, (efficiency, *microseconds) in START.items():
        believed[f"efficiency:{backend}"] = (log(efficiency), DEVIATION["efficiency"])
        believed[f"kv:{backend}"] = (log(0.6), DEVIATION["kv"])
        if backend in COMPUTE:
            believed[f"compute:{backend}"] = (log(COMPUTE[backend]), DEVIATION["compute"])
        for part, value in zip(PARTS, microseconds, strict=True):
            believed[f"{part}:{backend}"] = (log(value), DEVIATION[part])
    for kind in CLASSES:
        for name in ("class-efficiency", "class-overhead"):
            believed[f"{name}:{kind['id']}"] = (0.0, DEVIATION[name])
    return believed


def fit_rows(rows: Sequence[Row], start: dict[str, float] | None = None) -> dict[str, float]:
    """Log parameters for ``rows``."""
    supported, classes = supported_factors(rows), class_model()
    believed = priors() | {name: (0.0, DEVIATION[name.partition(":")[0]]) for name in sorted(supported)}
    if REFERENCE in believed:
        believed[REFERENCE] = (0.0, 0.005)
    return fit([observation(row, classes, supported) for row in rows], believed, start)


def class_model() -> SpeedModel:
    """A model with neutral factors, for its classes alone."""
    return speed_model(document(dict.fromkeys(priors(), 0.0), {}, {}))


def residuals(rows: Sequence[Row], values: dict[str, float]) -> Residuals:
    """Log of measured over predicted speed; factors that the fit does not have count 1."""
    classes, supported = class_model(), frozenset(values)
    result = []
    for row in rows:
        seen = observation(row, classes, supported)
        result.append((row, log_seconds(seen, values)[0] - log(seen.seconds)))
    return result


def cross_validate(
    rows: Sequence[Row], key: Callable[[Row], str], start: dict[str, float], folds: int = FOLDS
) -> Residuals:
    """Residuals of rows whose ``key`` the fit had not seen: whole devices or whole models are left out in turn."""
    counts = Counter(key(row) for row in rows)
    order = sorted(counts, key=lambda name: (-counts[name], name))
    fold = {name: position % folds for position, name in enumerate(order)}
    result: Residuals = []
    for number in range(folds):
        values = fit_rows([row for row in rows if fold[key(row)] != number], start)
        result += residuals([row for row in rows if fold[key(row)] == number], values)
    return result


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie, interpolated."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def ranges(results: Residuals) -> dict[str, tuple[float, float]]:
    """Per backend the factors that hold 80 % of rows, drawn to all backends' where rows are few."""
    pooled = [error for _, error in results]
    spread = {}
    for backend in START:
        own = [error for row, error in results if row.backend == backend]
        trust = len(own) / (len(own) + 20)
        low, high = (
            trust * (quantile(own, share) if own else 0.0) + (1 - trust) * quantile(pooled, share) for share in TAILS
        )
        spread[backend] = (round(exp(low), 3), round(exp(high), 3))
    return spread


def document(
    values: dict[str, float],
    known: dict[str, tuple[float, float]],
    unseen: dict[str, tuple[float, float]],
    prompt: dict[str, float] | None = None,
) -> dict[str, Any]:
    """The content of ``catalog/speed.yaml``."""
    prompt = prompt or {}
    return {
        "schema": 1,
        "date": DATE,
        "source": "scripts/fit_speed.py on the 548 rows of tests/truth/throughput.json.gz, each with its own source",
        "backends": {
            name: {
                "efficiency": _rounded(values[f"efficiency:{name}"]),
                "kv_efficiency": _rounded(values[f"kv:{name}"]),
                **{f"{part}_microseconds": _rounded(values[f"{part}:{name}"]) for part in ("layer", "token")},
                **{f"{part}_layer_microseconds": _rounded(values[f"{part}:{name}"]) for part in PARTS[1:3]},
                "compute_share": _rounded(values[f"compute:{name}"]) if name in COMPUTE else 0.0,
                "prompt_efficiency": prompt.get(name, 0.3),
                "known_range": list(known.get(name, (0.75, 1.33))),
                "unseen_range": list(unseen.get(name, (0.7, 1.4))),
            }
            for name in START
        },
        "classes": [
            kind
            | {
                "efficiency_factor": _rounded(values[f"class-efficiency:{kind['id']}"]),
                "overhead_factor": _rounded(values[f"class-overhead:{kind['id']}"]),
                "prompt_factor": prompt.get(f"class:{kind['id']}", 1.0),
            }
            for kind in CLASSES
        ],
        "families": _named(values, "family:"),
        "quantisations": _named(values, "quantisation:"),
        "devices": _named(values, "device:"),
        "bits_per_weight": dict(BITS_PER_WEIGHT),
        "fixed": FIXED | {"prompt_expert_factor": prompt.get("experts", 0.5)},
        "range": dict(SPREAD),
    }


def _rounded(value: float) -> float:
    return float(f"{exp(value):.4g}")


def _named(values: dict[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): _rounded(values[name]) for name in sorted(values) if name.startswith(prefix)}


def prompt_constants(rows: Sequence[Row], values: dict[str, float]) -> dict[str, float]:
    """Shares of the nominal FP16 rate that reading a prompt reaches: medians by backend, class and experts."""
    fitted = speed_model(document(values, {}, {}))
    shares: list[tuple[str, str, bool, float]] = []
    for row in rows:
        device = row.host.gpus[0] if row.host.gpus else None
        if device and device.compute_flops_per_second and row.prompt_tokens_per_second:
            place = place_shares(row.work, Placement(("gpu0",)), 0, ("f16", "f16"))[0]
            traffic, part = place.traffic, host_rates(fitted, row.host, row.backend).places["gpu0"]
            computing = 1 / row.prompt_tokens_per_second - pass_seconds(part, place) / MICRO_BATCH
            if computing < 0.3 / row.prompt_tokens_per_second:
                continue  # launches, not arithmetic, decide this row
            bits = BITS_PER_WEIGHT.get(row.work.quantisation, BITS_PER_WEIGHT["default"])
            operations = 2 * (traffic.weight_bytes - row.work.head_bytes) * 8 / bits
            share = operations / device.compute_flops_per_second / computing
            shares.append((row.backend, class_of(row, fitted), traffic.expert_bytes > 0, share))
    dense = [entry for entry in shares if not entry[2]]
    result: dict[str, float] = {}
    for backend in START:
        own = [share for name, _, _, share in dense if name == backend]
        result[backend] = _significant(median(own)) if len(own) >= SUPPORT else 0.3
    for kind in CLASSES:
        own = [share / result[name] for name, found, _, share in dense if found == kind["id"]]
        result[f"class:{kind['id']}"] = _significant(median(own)) if len(own) >= SUPPORT else 1.0
    experts = [share / result[name] / result[f"class:{kind}"] for name, kind, sparse, share in shares if sparse]
    result["experts"] = _significant(median(experts)) if experts else 0.5
    return result


def _significant(value: float) -> float:
    return float(f"{value:.3g}")


def report(name: str, results: Residuals) -> None:
    """Print how far predictions are off, all and by backend."""
    for label in ("all", *START):
        errors = [abs(exp(-error) - 1) * 100 for row, error in results if label in {"all", row.backend}]
        if errors:
            figures = " ".join(f"{share:4.0%} {quantile(errors, share):5.1f}" for share in (0.5, 0.75, 0.9))
            print(f"{name:8} {label:7} n {len(errors):3}  error %: {figures}")


def main() -> None:
    """Fit, cross-validate, print, write."""
    rows = load_rows()
    values = fit_rows(rows)
    by_model = cross_validate(rows, lambda row: row.model, values)
    by_device = cross_validate(rows, lambda row: row.device, values)
    by_row = cross_validate(rows, lambda row: row.id, values)
    named = {"fit": residuals(rows, values), "row": by_row, "model": by_model, "device": by_device}
    for name, results in named.items():
        report(name, results)
    measured = [(row, error) for row, error in by_model if f"device:{row.device}" in values]
    content = document(values, ranges(measured), ranges(by_device), prompt_constants(rows, values))
    speed_model(content)
    if "--check" not in sys.argv:
        head = "# Written by scripts/fit_speed.py; edit that, not this. docs/speed.md explains every constant.\n"
        OUTPUT.write_text(head + yaml.safe_dump(content, sort_keys=False, width=120), encoding="utf-8")


if __name__ == "__main__":
    main()
