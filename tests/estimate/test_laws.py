"""Laws that hold for every model and every question, whatever the figures."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stackplan.architecture import Architecture, Attention, Layer, WeightTable
from stackplan.estimate.llama_cpp import Extras, Prepared, estimate, prepare
from stackplan.hardware import Backend, Device
from stackplan.serving import HOST, Estimate, Placement, Serving
from stackplan.values import replace

PARTS = ("weights_bytes", "kv_bytes", "state_bytes", "compute_bytes", "output_bytes", "overhead_bytes")
CARDS = tuple(Device(f"gpu{index}", "card", Backend.CUDA, f"gpu{index}", multiprocessors=82) for index in range(3))


@st.composite
def layers(draw) -> Layer:
    kind = draw(st.sampled_from([Attention.FULL, Attention.SLIDING, Attention.RECURRENT, Attention.LATENT]))
    kv_heads, length = draw(st.sampled_from([1, 2, 8])), draw(st.sampled_from([64, 128, 192]))
    common = {"heads": kv_heads * draw(st.sampled_from([1, 4, 8])), "feed_forward_length": draw(st.integers(256, 8192))}
    if draw(st.booleans()):
        common |= {"experts": 16, "experts_used": 4, "expert_feed_forward_length": draw(st.integers(128, 2048))}
    if kind is Attention.RECURRENT:
        return Layer(kind, state_elements=draw(st.integers(1, 10**6)), inner_length=2048, **common)
    if kind is Attention.LATENT:
        return Layer(kind, kv_heads=1, head_length_k=576, **common)
    return Layer(kind, kv_heads=kv_heads, head_length_k=length, head_length_v=length, **common)


@st.composite
def models(draw) -> Prepared:
    pattern = draw(st.lists(layers(), min_size=1, max_size=4))
    blocks = tuple(pattern * draw(st.integers(1, 8)))
    tied = draw(st.booleans())
    shape = Architecture(
        "llama",
        len(blocks),
        draw(st.sampled_from([512, 2048, 4096])),
        draw(st.integers(1000, 200_000)),
        blocks,
        131072,
        sliding_window=draw(st.sampled_from([128, 1024, 4096])),
        tied_embeddings=tied,
        latent_rank=512,
        rope_head_length=64,
        value_head_length=128,
    )
    sizes = [draw(st.integers(10**6, 10**9)) for _ in pattern] * (len(blocks) // len(pattern))
    experts = [size if layer.experts else 0 for size, layer in zip(sizes, blocks, strict=True)]
    input_bytes, output = draw(st.integers(10**6, 10**9)), draw(st.integers(10**6, 10**9))
    tensors = sum(sizes) + sum(experts) + input_bytes + (0 if tied else output)
    return prepare(
        shape,
        WeightTable(
            tensors + 10**6, tensors, tuple(sizes), tuple(experts), input_bytes, 0 if tied else output,
            tied_output_bytes=input_bytes if tied else 0,
            largest_layer_tensor_bytes=max(sizes), largest_expert_tensor_bytes=max(experts),
        ),
    )  # fmt: skip


def servings() -> st.SearchStrategy[Serving]:
    return st.builds(
        Serving,
        context_tokens=st.integers(1, 300_000),
        slots=st.integers(1, 8),
        kv_unified=st.booleans(),
        kv_type_k=st.sampled_from(["f16", "q8_0", "q4_0"]),
        kv_type_v=st.sampled_from(["f16", "q8_0"]),
        micro_batch_tokens=st.sampled_from([64, 512, 2048]),
        flash_attention=st.sampled_from(["auto", "on"]),
        output_rows=st.sampled_from(["slots", "batch"]),
    )


def placements() -> st.SearchStrategy[Placement]:
    return st.builds(
        Placement,
        devices=st.sampled_from([(), ("gpu0",), ("gpu0", "gpu1"), ("gpu0", "gpu1", "gpu2")]),
        gpu_layers=st.none() | st.integers(0, 40),
        cpu_expert_layers=st.integers(0, 8),
    )


def answer(model: Prepared, serving: Serving, placement: Placement) -> Estimate:
    found = estimate(model, serving, placement, CARDS)
    assert isinstance(found, Estimate)
    return found


@given(models(), servings(), placements())
def test_the_parts_sum_to_the_whole_and_none_is_negative(model, serving, placement):
    found = answer(model, serving, placement)
    assert [demand.place for demand in found.demands] == [HOST, *placement.devices]
    parts = [getattr(demand, name) for demand in found.demands for name in PARTS]
    assert min(parts) >= 0
    assert sum(parts) == found.total_bytes
    assert sum(line.bytes for line in found.overheads) == sum(demand.overhead_bytes for demand in found.demands)


@given(models(), servings(), placements(), st.integers(0, 100_000))
def test_a_longer_context_never_needs_fewer_bytes(model, serving, placement, more):
    longer = replace(serving, context_tokens=serving.context_tokens + more)
    before, after = answer(model, serving, placement), answer(model, longer, placement)
    for demand in before.demands:
        grown = after.demand(demand.place)
        assert all(getattr(grown, name) >= getattr(demand, name) for name in PARTS)


@given(models(), servings(), placements(), st.sampled_from([1, 2, 4]))
def test_twice_the_slots_with_the_same_context_each_never_need_fewer_bytes(model, serving, placement, slots):
    # Powers of two, because the engine rounds its micro-batch up to whole tokens per slot: 258 for three, 256 for four.
    each = serving.context_tokens // slots + 1
    few = replace(serving, context_tokens=each * slots, slots=slots)
    many = replace(serving, context_tokens=each * 2 * slots, slots=2 * slots)
    assert answer(model, many, placement).total_bytes >= answer(model, few, placement).total_bytes


@given(models(), servings(), st.integers(0, 40), st.integers(0, 8))
def test_offloading_moves_weights_cache_and_state_and_loses_none(model, serving, gpu_layers, cpu_experts):
    alone = answer(model, serving, Placement())
    split = answer(model, serving, Placement(("gpu0", "gpu1"), gpu_layers, cpu_expert_layers=cpu_experts))
    # Flash attention decides how V lies, which is what "auto" may change between devices.
    for name in ("state_bytes", "kv_bytes"):
        assert sum(getattr(demand, name) for demand in split.demands) == getattr(alone.demand(HOST), name)
    copied = model.weights.tied_output_bytes if gpu_layers else 0
    assert sum(demand.weights_bytes for demand in split.demands) == alone.demand(HOST).weights_bytes + copied


@given(models(), servings(), st.integers(0, 39))
def test_one_layer_more_on_the_card_never_leaves_more_weights_on_the_host(model, serving, gpu_layers):
    fewer = answer(model, serving, Placement(("gpu0",), gpu_layers))
    more = answer(model, serving, Placement(("gpu0",), gpu_layers + 1))
    assert more.demand(HOST).weights_bytes <= fewer.demand(HOST).weights_bytes
    assert more.demand("gpu0").weights_bytes >= fewer.demand("gpu0").weights_bytes


@given(models(), servings(), placements(), st.integers(1, 10**10), st.integers(0, 10**10))
def test_what_is_loaded_beside_is_added_and_changes_nothing_else(model, serving, placement, projector, cache):
    plain = answer(model, serving, placement)
    found = estimate(model, serving, placement, CARDS, extras=Extras(projector_bytes=projector, cache_ram_bytes=cache))
    assert isinstance(found, Estimate)
    assert found.total_bytes == plain.total_bytes + projector + cache
    assert found.file_bytes == plain.file_bytes + projector


@settings(max_examples=30)
@given(models(), servings(), placements())
def test_the_same_question_has_the_same_answer(model, serving, placement):
    again = prepare(model.architecture, model.weights)
    assert answer(model, serving, placement) == answer(again, serving, placement)
