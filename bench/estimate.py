"""How long one estimate takes once a model is prepared; the budget is 50 microseconds, the median of warm runs."""

import importlib.util
from pathlib import Path
from statistics import median
from time import perf_counter_ns

from stackplan.estimate.llama_cpp import Prepared, estimate
from stackplan.hardware import Backend, Device
from stackplan.serving import Placement, Serving

BUDGET_MICROSECONDS = 50
WARM_UP, ROUNDS, PER_ROUND = 2000, 200, 50
CARDS = tuple(Device(f"gpu{index}", "card", Backend.CUDA, f"gpu{index}", multiprocessors=82) for index in (0, 1))
QUESTIONS = {
    "CPU": (Serving(8192), Placement()),
    "one GPU, four slots, q8_0": (Serving(32768, 4, True, "q8_0", "q8_0"), Placement(("gpu0",))),
    "half of the layers": (Serving(16384), Placement(("gpu0",), 20)),
    "two GPUs": (Serving(32768), Placement(("gpu0", "gpu1"))),
}


def models() -> dict[str, Prepared]:
    """Prepared models of tests/truth: dense, experts with latent attention, sliding windows, a hybrid."""
    path = Path(__file__).resolve().parents[1] / "scripts" / "accuracy.py"
    spec = importlib.util.spec_from_file_location("accuracy", path)
    assert spec is not None
    assert spec.loader is not None
    accuracy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(accuracy)
    names = ("llama-3.1-8b", "deepseek-v3", "gemma-3-27b", "qwen3-next-80b-a3b")
    found = accuracy.prepared_models("llama_cpp_shapes.json.gz")
    return {name: found[name, "Q4_K_M"] for name in names}


def microseconds(model: Prepared, serving: Serving, placement: Placement) -> float:
    """Median over rounds of the mean within a round."""
    for _ in range(WARM_UP):
        estimate(model, serving, placement, CARDS)
    rounds = []
    for _ in range(ROUNDS):
        start = perf_counter_ns()
        for _ in range(PER_ROUND):
            estimate(model, serving, placement, CARDS)
        rounds.append((perf_counter_ns() - start) / PER_ROUND / 1000)
    return median(rounds)


def main() -> None:
    found = []
    for name, model in models().items():
        for title, (serving, placement) in QUESTIONS.items():
            found.append(microseconds(model, serving, placement))
            print(f"{name:<20} {title:<28} {found[-1]:6.1f} us")
    print(f"median {median(found):.1f} us, most {max(found):.1f} us, budget {BUDGET_MICROSECONDS} us")


if __name__ == "__main__":
    main()
