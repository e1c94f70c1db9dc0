"""Measurements as a bench would make them."""

from stackplan.measurement import Figure, Measurement
from stackplan.values import replace

SAMPLE = Measurement(
    machine="0123456789abcdef",
    devices=("cuda:rtx-3090",),
    engine="llama.cpp",
    engine_version="b11434",
    artifact="some-8b:Q4_K_M",
    mode="chat",
    context_tokens=32768,
    slots=1,
    kv_type="f16",
    measured_at="2026-11-21T08:00:00Z",
    repeats=5,
    depth_tokens=1024,
    decode=Figure(100.0, 98.0, 101.5),
    prompt=Figure(3000.0, 2900.0, 3100.0),
    load_seconds=4.5,
    host_peak_bytes=1_000_000_000,
    device_peak_bytes=6_000_000_000,
)


def numbered(number: int) -> Measurement:
    """Measurements that differ."""
    return replace(SAMPLE, artifact=f"model-{number}:Q4_K_M")
