"""Decode speed against published measurements, and the laws that hold whatever the constants are.

The judge is tests/truth/throughput.json.gz: 548 rows that other people measured and published. The committed
constants were fitted to them, so accuracy is asserted only on devices and models that a fit did not see.
"""

import importlib.util
import sys
from functools import cache
from math import exp
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stackplan.architecture import Architecture, Attention, Layer, WeightTable
from stackplan.bundled import bundled_folder
from stackplan.errors import UserError
from stackplan.estimate.speed import decode, distinct_experts, place_shares
from stackplan.estimate.speed_draft import expected_tokens, prediction_cost, speculative_speedup, verify_cost
from stackplan.estimate.speed_model import SpeedModel, speed_model
from stackplan.estimate.speed_rates import host_rates
from stackplan.estimate.speed_traffic import Workload, workload
from stackplan.hardware import Backend, Basis, Cpu, Device, Disk, Host, Pool, PoolKind
from stackplan.serving import HOST, Placement, Serving, SpeedEstimate
from stackplan.values import replace

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
GPU = Placement(("gpu0",))
SERVING = Serving(8192)


def script(name: str) -> ModuleType:
    """A module of scripts/, which is no package."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


rows_script, _, fit_script = script("speed_rows"), script("speed_fit"), script("fit_speed")


@cache
def model() -> SpeedModel:
    return speed_model(yaml.safe_load((bundled_folder("catalog") / "speed.yaml").read_text(encoding="utf-8")))


@cache
def rows() -> list:
    return rows_script.load_rows()


def predicted(row) -> SpeedEstimate:
    runtime = "mlx" if row.backend == "mlx" else None
    placement = GPU if row.host.gpus else Placement()
    return decode(model(), host_rates(model(), row.host, runtime), row.work, SERVING, placement, row.kv_depth_tokens)


@cache
def left_out(key: str, folds: int = 4) -> list:
    """Residuals of whole devices or models left out; four folds, so a little worse than the ten of the script."""
    return fit_script.cross_validate(rows(), lambda row: getattr(row, key), fit_script.fit_rows(rows()), folds)


def test_every_published_row_gets_a_prediction_inside_its_own_range():
    for row in rows():
        speed = predicted(row)
        assert 0 < speed.decode_low < speed.decode_tokens_per_second < speed.decode_high
        assert speed.decode_tokens_per_second < 10_000


def test_the_estimator_computes_what_the_script_fitted():
    values = fit_script.fit_rows(rows())
    for row, error in fit_script.residuals(rows(), values):
        assert predicted(row).decode_tokens_per_second == pytest.approx(row.tokens_per_second / exp(error), rel=0.005)


@pytest.mark.parametrize(("key", "median", "tail"), [("model", 0.10, 0.35), ("device", 0.15, 0.45)])
def test_rows_that_the_fit_has_not_seen_are_met_within(key: str, median: float, tail: float):
    errors = [abs(exp(-error) - 1) for _, error in left_out(key)]
    assert fit_script.quantile(errors, 0.5) <= median
    assert fit_script.quantile(errors, 0.9) <= tail


@pytest.mark.parametrize("key", ["model", "device"])
def test_ranges_drawn_from_half_of_what_was_left_out_hold_four_of_five_rows_of_the_other_half(key: str):
    results = left_out(key)
    names = sorted({getattr(row, key) for row, _ in results})
    inside = 0
    for parity in (0, 1):
        own = [entry for entry in results if names.index(getattr(entry[0], key)) % 2 == parity]
        ranges = fit_script.ranges([entry for entry in results if entry not in own])
        inside += sum(ranges[row.backend][0] <= exp(error) <= ranges[row.backend][1] for row, error in own)
    assert 0.74 <= inside / len(results) <= 0.90


@pytest.mark.slow
def test_the_committed_ranges_hold_for_four_of_five_rows_left_out():
    measured = [_holds(row, error, seen=True) for row, error in left_out("model", 10) if row.device in model().devices]
    unseen = [_holds(row, error, seen=False) for row, error in left_out("device", 10)]
    assert 0.74 <= sum(measured) / len(measured) <= 0.90
    assert 0.78 <= sum(unseen) / len(unseen) <= 0.90


def _holds(row, error: float, *, seen: bool) -> bool:
    constants = model().backends[row.backend]
    low, high = constants.known_range if seen else constants.unseen_range
    return low <= exp(error) <= high


def test_ranges_of_measured_devices_are_narrow():
    widths = [
        speed.decode_high / speed.decode_low
        for row in rows()
        if row.device in model().devices
        for speed in [predicted(row)]
    ]
    assert fit_script.quantile(widths, 0.5) <= 1.6


# --- laws ---------------------------------------------------------------------------------------------------------


def dense(layers: int = 32, *, bytes_per_layer: int = 130_000_000) -> tuple[Architecture, WeightTable]:
    layer = Layer(Attention.FULL, heads=32, kv_heads=8, head_length_k=128, head_length_v=128)
    shape = Architecture("llama", layers, 4096, 128256, (layer,) * layers, 131072)
    total = bytes_per_layer * layers
    weights = WeightTable(
        total + 726_000_000, total, (bytes_per_layer,) * layers, (0,) * layers, 295_000_000, 431_000_000
    )
    return shape, weights


def sparse(layers: int = 48) -> tuple[Architecture, WeightTable]:
    layer = Layer(Attention.FULL, 32, 4, 128, 128, experts=128, experts_used=8)
    shape = Architecture("qwen3moe", layers, 2048, 151936, (layer,) * layers, 131072)
    weights = WeightTable(
        18_500_000_000, 18_000_000_000, (15_000_000,) * layers, (360_000_000,) * layers, 175_000_000, 255_000_000
    )
    return shape, weights


def host(bandwidth_gbps: float | None = 936.0, *, count: int = 1, cpu_gbps: float | None = 80.0) -> Host:
    gpus = [
        Device(
            f"gpu{index}",
            "card",
            Backend.CUDA,
            f"gpu{index}",
            vendor="nvidia",
            bandwidth_bytes_per_second=None if bandwidth_gbps is None else round(bandwidth_gbps * 1e9),
            compute_flops_per_second=71_000_000_000_000,
            compute_capability="8.6",
            architecture="Ampere",
        )
        for index in range(count)
    ]
    pools = [Pool("ram", PoolKind.RAM, 64 << 30), *(Pool(gpu.pool, PoolKind.VRAM, 24 << 30) for gpu in gpus)]
    cpu = Cpu("cpu", 8, 16, bandwidth_bytes_per_second=None if cpu_gbps is None else round(cpu_gbps * 1e9))
    devices = (Device("cpu", "cpu", Backend.CPU, "ram"), *gpus)
    return Host("host", "host", "linux", "x86_64", cpu, devices, tuple(pools), Disk("/", 1 << 40, 1 << 39, "nvme"))


def speed_of(
    machine: Host,
    work: Workload,
    placement: Placement = GPU,
    depth: int = 0,
    serving: Serving = SERVING,
    streams: int = 1,
) -> SpeedEstimate:
    return decode(model(), host_rates(model(), machine), work, serving, placement, depth, streams)


DENSE, SPARSE = workload(*dense(), "Q4_K_M"), workload(*sparse(), "Q4_K_M")


@given(st.floats(20, 8000), st.floats(1.01, 4), st.sampled_from([DENSE, SPARSE]))
@settings(max_examples=60)
def test_more_bandwidth_is_never_slower(gbps: float, factor: float, work: Workload):
    slow, fast = speed_of(host(gbps), work), speed_of(host(gbps * factor), work)
    assert fast.decode_tokens_per_second > slow.decode_tokens_per_second


@given(st.integers(0, 131072), st.integers(1, 65536))
@settings(max_examples=60)
def test_a_deeper_context_is_never_faster(depth: int, more: int):
    near, far = speed_of(host(), DENSE, depth=depth), speed_of(host(), DENSE, depth=depth + more)
    assert far.decode_tokens_per_second < near.decode_tokens_per_second


@given(st.integers(0, 32), st.sampled_from([DENSE, SPARSE]))
@settings(max_examples=60)
def test_offloading_one_more_layer_to_a_faster_device_is_never_slower(layers: int, work: Workload):
    fewer = speed_of(host(), work, Placement(("gpu0",), gpu_layers=max(1, layers)), 1024)
    more = speed_of(host(), work, Placement(("gpu0",), gpu_layers=max(1, layers) + 1), 1024)
    assert more.decode_tokens_per_second >= fewer.decode_tokens_per_second


@given(st.integers(0, 47))
@settings(max_examples=48)
def test_keeping_experts_of_one_more_layer_in_host_memory_is_never_faster(layers: int):
    fewer = speed_of(host(), SPARSE, Placement(("gpu0",), cpu_expert_layers=layers))
    more = speed_of(host(), SPARSE, Placement(("gpu0",), cpu_expert_layers=layers + 1))
    assert more.decode_tokens_per_second < fewer.decode_tokens_per_second


def test_experts_in_host_memory_beat_whole_layers_there_for_the_same_bytes():
    by_experts = speed_of(host(), SPARSE, Placement(("gpu0",), cpu_expert_layers=24), 16384)
    by_layers = speed_of(host(), SPARSE, Placement(("gpu0",), gpu_layers=25), 16384)
    assert by_experts.decode_tokens_per_second > by_layers.decode_tokens_per_second * 0.95


def test_a_layer_split_over_two_equal_cards_is_no_faster_than_one_card():
    one, two = speed_of(host(), DENSE), speed_of(host(count=2), DENSE, Placement(("gpu0", "gpu1")))
    assert 0.9 * one.decode_tokens_per_second < two.decode_tokens_per_second <= one.decode_tokens_per_second


@given(st.integers(-1, 40), st.lists(st.floats(0, 10), max_size=3), st.integers(0, 40))
@settings(max_examples=120)
def test_placement_moves_bytes_and_loses_none(gpu_layers: int, split: list[float], kept: int):
    placement = Placement(("gpu0", "gpu1", "gpu2"), gpu_layers, tuple(split), kept)
    whole = place_shares(SPARSE, Placement(), 4096, ("f16", "q8_0"))
    shares = place_shares(SPARSE, placement, 4096, ("f16", "q8_0"))
    assert sum(s.traffic.weight_bytes for s in shares) == pytest.approx(whole[0].traffic.weight_bytes)
    assert sum(s.traffic.kv_bytes for s in shares) == pytest.approx(whole[0].traffic.kv_bytes)
    assert sum(s.resident_bytes for s in shares) == pytest.approx(whole[0].resident_bytes)
    assert sum(s.traffic.layers for s in shares) == 48


def test_layers_are_offloaded_from_the_end_with_the_output_head_first():
    head_only = place_shares(DENSE, Placement(("gpu0",), gpu_layers=1), 0, ("f16", "f16"))
    assert [share.place for share in head_only] == [HOST, "gpu0"]
    assert head_only[1].traffic.weight_bytes == 431_000_000
    assert head_only[1].traffic.layers == 0


def test_an_untied_input_embedding_and_unused_experts_are_not_read():
    (share,) = place_shares(SPARSE, GPU, 0, ("f16", "f16"))
    assert share.traffic.weight_bytes == 48 * (15_000_000 + 360_000_000 * 8 / 128) + 255_000_000


def test_a_prediction_block_is_not_read():
    shape, weights = dense(32)
    drafting = replace(shape, layers=(*shape.layers[:-1], replace(shape.layers[-1], prediction=True)))
    assert workload(drafting, weights).dense[-1] == workload(shape, weights).dense[-1] - 130_000_000


def test_a_sliding_window_stops_growing_and_a_smaller_cache_type_reads_less():
    shape, weights = dense(2)
    window = replace(
        shape, sliding_window=1024, layers=tuple(replace(x, attention=Attention.SLIDING) for x in shape.layers)
    )
    work = workload(window, weights)
    near, far = (work.blocks(0, 2, depth, ("f16", "f16")).kv_bytes for depth in (1024, 65536))
    assert near == far == 2 * 1024 * 8 * 128 * 2 * 2
    assert work.blocks(0, 2, 1024, ("q8_0", "q8_0")).kv_bytes == near * 34 / 64


def test_an_unknown_bandwidth_is_assumed_and_widens_the_range():
    known, unknown = speed_of(host(), DENSE), speed_of(host(None), DENSE)
    assert (known.basis, unknown.basis) == (Basis.DERIVED, Basis.ASSUMED)
    assert unknown.decode_high / unknown.decode_low > known.decode_high / known.decode_low * 2


def test_a_guessed_shape_is_said_to_be_assumed():
    shape, weights = dense()
    speed = speed_of(host(), workload(replace(shape, exact=False), weights))
    assert speed.basis is Basis.ASSUMED


def test_a_machine_of_which_nothing_is_known_still_gets_a_speed():
    bare = host(None, cpu_gbps=None)
    bare = replace(bare, disk=None, cpu=replace(bare.cpu, physical_cores=None, usable_threads=0))
    speed = speed_of(bare, DENSE, Placement())
    assert speed.decode_tokens_per_second > 0
    assert speed.basis is Basis.ASSUMED
    assert speed.load_seconds is None


def test_two_usable_threads_do_not_reach_a_servers_bandwidth():
    server = host(cpu_gbps=460.0)
    container = replace(server, cpu=replace(server.cpu, usable_threads=2))
    few, many = speed_of(container, DENSE, Placement()), speed_of(server, DENSE, Placement())
    assert few.decode_tokens_per_second < many.decode_tokens_per_second / 2


@given(st.integers(1, 32), st.sampled_from([DENSE, SPARSE]))
@settings(max_examples=60)
def test_more_streams_slow_each_other_and_raise_the_sum(streams: int, work: Workload):
    fewer, more = (
        speed_of(host(), work, depth=2048, streams=n).decode_tokens_per_second for n in (streams, streams + 1)
    )
    assert more <= fewer
    assert more * (streams + 1) >= fewer * streams


def test_loading_reads_the_file_once_and_copies_the_cards_part():
    seconds = speed_of(host(), DENSE).load_seconds
    assert seconds is not None
    assert seconds == pytest.approx(DENSE.file_bytes / 2.5e9 + (32 * 130_000_000 + 431_000_000) / 12e9)


def test_a_prompt_is_read_faster_than_text_is_written_and_its_range_is_wide():
    speed = speed_of(host(), DENSE)
    assert speed.prompt_tokens_per_second is not None
    assert speed.prompt_low is not None
    assert speed.prompt_high is not None
    assert speed.prompt_tokens_per_second > 5 * speed.decode_tokens_per_second
    assert speed.prompt_high / speed.prompt_low >= 2.5


# --- speculation --------------------------------------------------------------------------------------------------


def test_distinct_experts_start_at_one_token_and_end_at_all():
    assert distinct_experts(8 / 128, 1) == pytest.approx(1)
    assert distinct_experts(8 / 128, 10_000) == pytest.approx(16)
    assert distinct_experts(1.0, 7) == 1


def test_a_perfect_draft_yields_every_token_and_a_useless_one_only_the_targets():
    assert expected_tokens(1.0, 4) == 5
    assert expected_tokens(0.0, 4) == 1


def test_a_prediction_head_gains_about_what_was_measured_on_strix_halo():
    # Qwen3.6 27B Q8, two tokens drafted, 0.797 of the drafted accepted: 6.5 -> 12.4 tok/s (kyuz0 summary.json).
    # a + a^2 = 2 x 0.797 gives a = 0.859 for the first of them.
    shape, weights = dense(64, bytes_per_layer=500_000_000)
    work = workload(shape, replace(weights, output_bytes=1_350_000_000))
    gain = speculative_speedup(work, prediction_cost(work, 450_000_000), 0.859, 2)
    assert gain == pytest.approx(1.91, rel=0.15)


def test_experts_make_verification_dear():
    assert verify_cost(SPARSE, 4) > verify_cost(DENSE, 4) * 1.3


# --- constants ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [{}, {"backends": []}, {"backends": {"cuda": {"efficiency": -1}}}, {"fixed": None}])
def test_unusable_constants_are_a_user_error_with_a_way_out(broken: dict):
    with pytest.raises(UserError) as caught:
        speed_model(broken)
    assert "fit_speed" in caught.value.hint


def test_prompt_rates_of_published_rows_lie_in_the_printed_range_three_times_out_of_four():
    measured = [(predicted(row), row.prompt_tokens_per_second) for row in rows() if row.prompt_tokens_per_second]
    inside = [speed.prompt_low <= rate <= speed.prompt_high for speed, rate in measured]
    assert len(measured) > 100
    assert sum(inside) / len(inside) >= 0.75


def test_layers_in_host_memory_are_copied_to_the_card_for_a_prompt_and_larger_batches_pay_less_for_it():
    half = Placement(("gpu0",), gpu_layers=17)
    small, large = (
        speed_of(host(), DENSE, half, serving=Serving(8192, micro_batch_tokens=tokens)).prompt_tokens_per_second
        for tokens in (512, 2048)
    )
    alone = speed_of(host(), DENSE, Placement()).prompt_tokens_per_second
    assert small is not None
    assert large is not None
    assert alone is not None
    assert alone < small < large


def test_a_dynamic_mixture_counts_as_its_plain_file_type():
    shape, weights = dense()
    assert workload(shape, weights, "UD-Q4_K_XL").quantisation == "Q4_K_XL"
    assert workload(shape, weights, "float16").quantisation == "F16"
