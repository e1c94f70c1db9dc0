"""The estimator of llama.cpp against what real llama.cpp b11434 allocated, row by row."""

import importlib.util
import sys
from pathlib import Path
from statistics import median
from types import ModuleType

import pytest

from stackplan.architecture import Architecture, Attention, Layer, WeightTable
from stackplan.estimate.llama_cpp import Extras, Prepared, estimate, prepare
from stackplan.estimate.overhead import residency
from stackplan.hardware import Backend, Basis, Device
from stackplan.serving import Estimate, Placement, Serving, Unestimable
from stackplan.units import MIB


def load_accuracy() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "scripts" / "accuracy.py"
    spec = importlib.util.spec_from_file_location("accuracy_of_llama_cpp", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


accuracy = load_accuracy()


@pytest.fixture(scope="module")
def models() -> dict[tuple[str, str], Prepared]:
    found: dict[tuple[str, str], Prepared] = accuracy.prepared_models("llama_cpp_shapes.json.gz")
    return found


@pytest.fixture(scope="module", params=sorted(accuracy.SETS))
def rows(request):
    return accuracy.all_measured(*accuracy.SETS[request.param])


CPU, NOTHING = Placement(), Extras()


def one(models, name, serving, placement=CPU, devices=(), extras=NOTHING) -> Estimate:
    found = estimate(models[name, "Q4_K_M"], serving, placement, devices, extras=extras)
    assert isinstance(found, Estimate)
    return found


def test_every_total_is_within_two_percent_or_64_mib_below_4_gib(rows):
    assert [entry.row for entry in rows if not entry.within_bar] == []


def test_the_median_error_is_a_tenth_of_what_is_promised(rows):
    assert median(entry.error for entry in rows) <= accuracy.MEDIAN_FRACTION / 10


def test_each_pool_is_within_the_bar_and_not_only_their_sum(rows):
    missed = [
        (place, entry.row)
        for entry in rows
        for place, parts in entry.places.items()
        if not accuracy.within_bar(sum(part[0] for part in parts.values()), sum(part[1] for part in parts.values()))
    ]
    assert missed == []


def test_cache_and_state_are_exact_on_the_cpu(models):
    entries = [
        accuracy.measured(models[row["model"], row["quant"]], row)
        for row in accuracy.read("llama_cpp_cpu.json.gz")["rows"]
    ]
    assert [entry.row for entry in entries if entry.of("cache")[0] != entry.of("cache")[1]] == []


def test_weights_are_exact_on_the_cpu_up_to_alignment(models):
    entries = [
        accuracy.measured(models[row["model"], row["quant"]], row)
        for row in accuracy.read("llama_cpp_cpu.json.gz")["rows"]
    ]
    assert max(abs(entry.of("weights")[0] - entry.of("weights")[1]) for entry in entries) < 0.05 * MIB


def test_cache_and_state_are_exact_for_one_model_of_every_graph_llama_cpp_has():
    entries = accuracy.all_measured("llama_cpp_archs.json.gz", "llama_cpp_arch_shapes.json.gz")
    assert len({entry.row["model"] for entry in entries}) > 120
    assert [entry.row for entry in entries if entry.of("cache")[0] != entry.of("cache")[1]] == []


def test_what_the_engine_refused_is_refused():
    models = accuracy.prepared_models("llama_cpp_arch_shapes.json.gz")
    refused = [row for row in accuracy.read("llama_cpp_archs.json.gz")["rows"] if row.get("refused")]
    assert refused
    answers = [accuracy.answer(models[row["model"], row["quant"]], row) for row in refused]
    assert all(isinstance(found, Unestimable) for found in answers)


def test_an_unknown_architecture_is_said_to_be_assumed(models):
    layer = Layer(Attention.FULL, 8, 8, 64, 64, feed_forward_length=1024)
    shape = Architecture("never-heard-of", 2, 512, 1000, (layer, layer), 4096, exact=False)
    weights = WeightTable(10_000_000, 9_000_000, (3_000_000, 3_000_000), (0, 0), 1_000_000, 2_000_000)
    found = estimate(prepare(shape, weights), Serving(2048), Placement())
    assert isinstance(found, Estimate)
    assert found.basis is Basis.ASSUMED
    assert found.error_fraction > 0.02
    assert found.notes == ("unsupported architecture never-heard-of, estimate is assumed",)


def test_a_draft_adds_its_weights_its_cache_of_the_same_length_and_its_buffers(models):
    extras = Extras(draft=models["qwen3-0.6b", "Q4_K_M"])
    alone = one(models, "qwen3-8b", Serving(8192), Placement(("gpu0",)))
    both = one(models, "qwen3-8b", Serving(8192), Placement(("gpu0",)), extras=extras)
    draft = one(models, "qwen3-0.6b", Serving(8192), Placement(("gpu0",)))
    assert both.demand("gpu0").kv_bytes - alone.demand("gpu0").kv_bytes == draft.demand("gpu0").kv_bytes == 896 * MIB
    assert both.demand("gpu0").weights_bytes - alone.demand("gpu0").weights_bytes == draft.demand("gpu0").weights_bytes


def test_overheads_are_named_lines_that_sum_to_the_overhead_of_their_place(models):
    card = Device("gpu0", "RTX 3090", Backend.CUDA, "gpu0", multiprocessors=82)
    found = one(models, "qwen3-8b", Serving(8192), Placement(("gpu0",)), (card,), Extras(cache_ram_bytes=512 * MIB))
    lines = {line.name: line.bytes for line in found.overheads}
    assert set(lines) == {
        "server process", "tokenizer", "prompt cache limit", "CUDA context", "CUDA pools and graphs"
    }  # fmt: skip
    assert abs(lines["CUDA context"] - 264 * MIB) < 0.1 * 264 * MIB  # ollama #17482: 24124 - 23860 MiB on this card
    for demand in found.demands:
        assert demand.overhead_bytes == sum(line.bytes for line in found.overheads if line.place == demand.place)


def test_checkpoints_copy_state_and_windows_per_slot(models):
    hybrid = one(models, "qwen3-next-80b-a3b", Serving(8192, 2), extras=Extras(checkpoints=4))
    line = next(line for line in hybrid.overheads if line.name == "context checkpoints")
    assert line.bytes == 4 * hybrid.demand("cpu").state_bytes
    plain = one(models, "qwen3-8b", Serving(8192, 2), extras=Extras(checkpoints=4))
    assert all(line.name != "context checkpoints" for line in plain.overheads)


def test_nothing_is_served_in_no_tokens_or_by_no_slot(models):
    for serving in (Serving(0), Serving(8192, 0), Serving(8192, micro_batch_tokens=0)):
        assert isinstance(estimate(models["qwen3-8b", "Q4_K_M"], serving, Placement()), Unestimable)


def resident_rows():
    return accuracy.read("llama_cpp_resident.json.gz")["rows"]


def argument(args: list[str], name: str, default: str) -> str:
    return args[args.index(name) + 1] if name in args else default


@pytest.mark.parametrize("row", resident_rows(), ids=lambda row: f"{row['model']} {row['args']}")
def test_a_real_server_holds_no_more_than_its_residency(models, row):
    args = row["args"].split()
    embeds, batch = "--embeddings" in args, int(argument(args, "-ub", "512"))
    serving = Serving(
        context_tokens=int(argument(args, "-c", "0")),
        slots=int(argument(args, "-np", "4")),
        kv_unified="-kvu" in args or "-np" not in args,
        kv_type_k=argument(args, "-ctk", "f16"),
        kv_type_v=argument(args, "-ctv", "f16"),
        micro_batch_tokens=batch,
        batch_tokens=batch if embeds else max(2048, batch),
        flash_attention=argument(args, "-fa", "auto"),
        output_rows="batch" if embeds else "slots",
    )
    found = estimate(models[row["model"], row["quant"]], serving, CPU)
    assert isinstance(found, Estimate)
    held = residency(found.demand("cpu"), mapped="-lm" not in args, repacked="--no-repack" not in args)
    libraries = 24 * MIB  # file pages of the program itself
    assert row["proc"]["RssAnon"] <= held.anonymous_bytes
    assert row["proc"]["RssFile"] <= held.mapped_bytes + libraries
    if "--no-repack" in args:  # buffers are touched by the first request only
        demand = found.demand("cpu")
        assert row["proc"]["RssAnon"] >= demand.kv_bytes + demand.state_bytes
