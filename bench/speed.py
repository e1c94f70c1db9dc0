"""How exact and how fast the speed estimate is: errors on devices and models left out, and microseconds per call.

.venv/bin/python bench/speed.py
"""

import sys
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import fit_speed  # noqa: E402
from speed_rows import load_rows  # noqa: E402

from stackplan.estimate.speed import decode  # noqa: E402
from stackplan.estimate.speed_model import speed_model  # noqa: E402
from stackplan.estimate.speed_rates import host_rates  # noqa: E402
from stackplan.serving import Placement, Serving  # noqa: E402

CALLS = 20_000


def microseconds_per_call() -> float:
    model = speed_model(yaml.safe_load((ROOT / "catalog" / "speed.yaml").read_text(encoding="utf-8")))
    row = next(row for row in load_rows() if row.host.gpus)
    rates, serving, placement = host_rates(model, row.host), Serving(8192), Placement(("gpu0",))
    start = time.perf_counter()
    for depth in range(CALLS):
        decode(model, rates, row.work, serving, placement, depth)
    return (time.perf_counter() - start) / CALLS * 1e6


def main() -> None:
    rows = load_rows()
    values = fit_speed.fit_rows(rows)
    for name in ("model", "device"):
        fit_speed.report(name, fit_speed.cross_validate(rows, lambda row, name=name: getattr(row, name), values))
    print(f"decode: {microseconds_per_call():.1f} microseconds per call (budget 20)")


if __name__ == "__main__":
    main()
