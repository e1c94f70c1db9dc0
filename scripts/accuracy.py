"""How far the estimates are from what real llama.cpp allocates: the table that ``make accuracy`` prints.

Rows of tests/truth/llama_cpp_*.json.gz were measured with build b11434. Errors are shares of a row's total; the bar is
a median of 0.5 % and a worst of 2 %, with 64 MiB of slack for totals below 4 GiB.
"""

import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from statistics import median
from typing import Any

from stackplan.architecture import Tensor
from stackplan.estimate.llama_cpp import Prepared, estimate, prepare
from stackplan.estimate.weights import weight_table
from stackplan.gguf.architecture import architecture_of
from stackplan.serving import HOST, Estimate, Placement, Serving, Unestimable
from stackplan.units import GIB, MIB

TRUTH = Path(__file__).resolve().parents[1] / "tests" / "truth"
COMPONENTS = ("weights", "cache", "compute", "output")
ALL_LAYERS = 99
# What was measured: rows, and the shapes of their models. Formulas were worked out on the first two sets.
SETS = {
    "CPU": ("llama_cpp_cpu.json.gz", "llama_cpp_shapes.json.gz"),
    "one and two GPUs": ("llama_cpp_gpu.json.gz", "llama_cpp_shapes.json.gz"),
    "other architectures of the catalog, F16, CPU and GPUs": (
        "llama_cpp_catalog.json.gz",
        "llama_cpp_catalog_shapes.json.gz",
    ),
}
WORST_FRACTION, MEDIAN_FRACTION, SLACK_BYTES, SLACK_BELOW_BYTES = 0.02, 0.005, 64 * MIB, 4 * GIB

Row = dict[str, Any]
Parts = dict[str, tuple[int, int]]  # component -> estimated and measured bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """One row beside its estimate, by place and component."""

    architecture: str
    row: Row
    places: dict[str, Parts]

    def of(self, component: str) -> tuple[int, int]:
        """Estimated and measured bytes of one component over all places."""
        pairs = [parts[component] for parts in self.places.values()]
        return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)

    @property
    def totals(self) -> tuple[int, int]:
        """Estimated and measured bytes of everything."""
        pairs = [self.of(component) for component in COMPONENTS]
        return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)

    @property
    def error(self) -> float:
        """The error of the total as a share of it."""
        estimated, measured = self.totals
        return abs(estimated - measured) / measured

    @property
    def within_bar(self) -> bool:
        """Whether the total is as close as promised."""
        return within_bar(*self.totals)


def within_bar(estimated: int, measured: int) -> bool:
    """2 % of what was measured, or 64 MiB where that is less than 4 GiB."""
    slack = SLACK_BYTES if measured < SLACK_BELOW_BYTES else 0
    return abs(estimated - measured) <= max(WORST_FRACTION * measured, slack)


def read(name: str) -> dict[str, Any]:
    """One file of tests/truth."""
    with gzip.open(TRUTH / name, "rt", encoding="utf-8") as file:
        data: dict[str, Any] = json.load(file)
    return data


def prepared_models(name: str) -> dict[tuple[str, str], Prepared]:
    """Every model of a file of shapes, by name and quantisation."""
    found = {}
    for model, shape in read(name)["models"].items():
        for quantisation, stored in shape["quants"].items():
            types = chain.from_iterable(repeat(kind, count) for kind, count in stored["types"])
            tensors = [
                Tensor(entry[0], tuple(entry[1:]), kind) for entry, kind in zip(shape["tensors"], types, strict=True)
            ]
            found[model, quantisation] = _prepared(shape["metadata"], tensors, stored["header_bytes"])
    return found


def _prepared(metadata: dict[str, Any], tensors: list[Tensor], header_bytes: int) -> Prepared:
    architecture = architecture_of(metadata, tensors)
    weights = weight_table(
        tensors,
        header_bytes=header_bytes,
        block_count=architecture.block_count,
        tied_embeddings=architecture.tied_embeddings,
        prediction_blocks=sum(layer.prediction for layer in architecture.layers),
    )
    return prepare(architecture, weights)


def serving_of(row: Row) -> Serving:
    """The question that a row answers: llama-server's parameters."""
    batch = row["ubatch"] if row["embedding"] else max(2048, row["ubatch"])
    return Serving(
        context_tokens=row["ctx"],
        slots=row["parallel"],
        kv_unified=row["kv_unified"],
        kv_type_k=row["kv_type"],
        kv_type_v=row["kv_type"],
        micro_batch_tokens=row["ubatch"],
        batch_tokens=batch,
        flash_attention=row["fa"],
        output_rows="batch" if row["n_outputs"] == "batch" else "slots",
    )


def placement_of(row: Row) -> Placement:
    """The cards and layers of a row; none for a row of the CPU."""
    devices = tuple(f"gpu{index}" for index in range(row.get("cards", 0)))
    layers = row.get("n_gpu_layers", ALL_LAYERS)
    return Placement(devices, None if layers == ALL_LAYERS else layers, (), row.get("n_cpu_moe", 0))


def answer(model: Prepared, row: Row) -> Estimate | Unestimable:
    """Our estimate for a row."""
    return estimate(model, serving_of(row), placement_of(row))


def measured(model: Prepared, row: Row) -> Measured:
    """A row beside its estimate. Raises ValueError when we refuse what the engine served."""
    found = answer(model, row)
    if isinstance(found, Unestimable):
        raise ValueError(f"{row['model']}: {found.detail}")
    places: dict[str, Parts] = {}
    for demand in found.demands:
        weights, cache, compute = _buffers(row, demand.place)
        places[demand.place] = {
            "weights": (demand.weights_bytes, weights),
            "cache": (demand.kv_bytes + demand.state_bytes, cache),
            "compute": (demand.compute_bytes, compute),
            "output": (demand.output_bytes, row["output_bytes"] if demand.place == HOST else 0),
        }
    return Measured(model.architecture.name, row, places)


def _buffers(row: Row, place: str) -> tuple[int, int, int]:
    """Weights, cache and compute bytes that the engine put at ``place``: a card's buffer, or all others."""
    card = f"FAKE{place.removeprefix('gpu')}"
    cards = {f"FAKE{index}" for index in range(row.get("cards", 0))}
    names = [card] if place != HOST else [name for name in row["buffers"] if name not in cards]
    parts = [row["buffers"].get(name, (0, 0, 0)) for name in names]
    return sum(part[0] for part in parts), sum(part[1] for part in parts), sum(part[2] for part in parts)


def all_measured(rows: str, shapes: str) -> list[Measured]:
    """Every row of one file that the engine served."""
    models = prepared_models(shapes)
    served = (row for row in read(rows)["rows"] if not row.get("refused"))
    return [measured(models[row["model"], row["quant"]], row) for row in served]


def table(entries: Iterable[Measured]) -> Iterator[str]:
    """One line per architecture: rows, error of the total, and the worst error of each component, in percent."""
    groups: dict[str, list[Measured]] = defaultdict(list)
    for entry in entries:
        groups[entry.architecture].append(entry)
    heads = "".join(f"{component:>10}" for component in COMPONENTS)
    yield f"{'architecture':<18}{'rows':>6}{'median':>10}{'worst':>10}{heads}   outside"
    for name in sorted(groups):
        yield _line(name, groups[name])
    yield _line("all", [entry for group in groups.values() for entry in group])


def _line(name: str, entries: list[Measured]) -> str:
    errors = [entry.error for entry in entries]
    worst = "".join(f"{100 * max(_share(entry, part) for entry in entries):>10.3f}" for part in COMPONENTS)
    outside = sum(not entry.within_bar for entry in entries)
    return f"{name:<18}{len(entries):>6}{100 * median(errors):>10.4f}{100 * max(errors):>10.3f}{worst}{outside:>10}"


def _share(entry: Measured, component: str) -> float:
    estimated, found = entry.of(component)
    return abs(estimated - found) / entry.totals[1]


def _unseen(entries: list[Measured]) -> Iterator[str]:
    """Three lines on the tiny models of every graph, whose shares of a few MiB would mean little."""
    errors = [abs(entry.totals[0] - entry.totals[1]) for entry in entries]
    exact = sum(entry.of("cache")[0] == entry.of("cache")[1] for entry in entries)
    graphs = len({entry.row["model"] for entry in entries})
    yield f"\nOne tiny model of each of {graphs} graphs, {len(entries)} rows on the CPU:"
    yield f"cache and state exact in {exact} rows, total off by {median(errors) / MIB:.2f} MiB at the median,"
    yield f"by more than 64 MiB in {sum(error > SLACK_BYTES for error in errors)} rows"


def main() -> int:
    """Print the tables; 1 when a row of a real model misses the bar."""
    missed = 0
    for title, (rows, shapes) in SETS.items():
        entries = all_measured(rows, shapes)
        missed += sum(not entry.within_bar for entry in entries)
        print(f"\nllama.cpp b11434, {title}: errors in percent of the total, components at their worst")
        print("\n".join(table(entries)))
    print("\n".join(_unseen(all_measured("llama_cpp_archs.json.gz", "llama_cpp_arch_shapes.json.gz"))))
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
