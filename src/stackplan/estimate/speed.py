"""How fast an instance decodes, reads a prompt and loads: bytes over bandwidth, plus what launching costs.

    t_token = sum over places of
        weights / (efficiency x bandwidth) + cache / (cache efficiency x bandwidth)
        + layers x launch + expert layers x routing + recurrent layers x scan
        + a constant of the place that runs the output head
    x factors of the model's family and quantisation

Places work one after another (layer splits are serial), so their times add up. Constants are fitted to published
measurements by ``scripts/fit_speed.py``; docs/speed.md shows how well that holds on devices and models left out.

Use: `speed_model` once per process, `host_rates` once per host, `workload` once per file, then `decode` freely.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import ceil
from typing import NamedTuple

from stackplan.estimate.speed_model import SpeedModel
from stackplan.estimate.speed_rates import HostRates, PlaceRates
from stackplan.estimate.speed_traffic import Traffic, Workload
from stackplan.hardware import Basis
from stackplan.serving import HOST, Placement, Serving, SpeedEstimate


def decode(
    model: SpeedModel,
    rates: HostRates,
    work: Workload,
    serving: Serving,
    placement: Placement,
    kv_depth_tokens: int,
    sequences: int = 1,
) -> SpeedEstimate:
    """Speed of one stream with ``kv_depth_tokens`` in its cache while ``sequences`` streams decode together.

    The range holds for 80 % of measured rows of one stream. Places that the host does not have count as its CPU.
    """
    shares = place_shares(work, placement, kv_depth_tokens, (serving.kv_type_k, serving.kv_type_v))
    parts = [(rates.places.get(share.place, rates.cpu), share) for share in shares]
    distinct = distinct_experts(work.expert_share, sequences)
    per_byte = 8 / model.bits_per_weight.get(work.quantisation, model.bits_per_weight["default"])
    seconds = sum([_seconds(part, share.traffic, sequences, distinct, per_byte) for part, share in parts])
    seconds += _sharing_seconds(model, rates, shares) + parts[-1][0].token_seconds
    seconds *= model.families.get(work.family, 1.0) * model.quantisations.get(work.quantisation, 1.0)
    widen = (model.split_range if len(parts) > 1 else 1.0) * (1.0 if work.exact else model.unknown_range)
    known = work.exact and all(part.basis is not Basis.ASSUMED for part, _ in parts)
    rate = 1 / seconds
    prompt = _prompt_rate(model, work, parts, per_byte, serving.micro_batch_tokens)
    return SpeedEstimate(
        decode_tokens_per_second=rate,
        decode_low=rate * min([part.range_low for part, _ in parts]) / widen,
        decode_high=rate * max([part.range_high for part, _ in parts]) * widen,
        prompt_tokens_per_second=prompt,
        prompt_low=prompt and prompt / model.prompt_range,
        prompt_high=prompt and prompt * model.prompt_range,
        load_seconds=load_seconds(rates, work, shares),
        basis=Basis.DERIVED if known else Basis.ASSUMED,
    )


class Share(NamedTuple):
    """What one place does for a token, and the bytes it holds for that."""

    place: str
    traffic: Traffic
    resident_bytes: float


def place_shares(work: Workload, placement: Placement, depth_tokens: int, kv_types: tuple[str, str]) -> list[Share]:
    """What each place does per token, in the order of work; the last one runs the output head.

    Blocks are counted as llama.cpp counts them: offloaded from the end, the output head being one more layer.
    """
    shares: list[Share] = []
    for place, first, end, on_host in spans(work.block_count, placement):
        traffic = work.blocks(first, end, depth_tokens, kv_types, on_host)
        resident = work.resident_bytes(first, end)
        if on_host > first:
            held = work.whole_expert_bytes(first, on_host)
            shares.append(Share(HOST, work.experts_on_host(first, on_host), held))
            resident -= held
        shares.append(Share(place, traffic, resident))
    return shares


class Span(NamedTuple):
    """Blocks ``first`` .. ``end - 1`` in one place; experts of those before ``experts_from`` are in host memory."""

    place: str
    first: int
    end: int
    experts_from: int


@lru_cache(maxsize=4096)
def spans(block_count: int, placement: Placement) -> tuple[Span, ...]:
    """The blocks of each place that holds some, in the order of work; block ``block_count`` is the output head."""
    on_host = min(placement.cpu_expert_layers, block_count)
    found = _ranges(block_count, placement)
    return tuple(Span(place, first, end, 0 if place == HOST else min(on_host, end)) for place, first, end in found)


def _ranges(block_count: int, placement: Placement) -> list[tuple[str, int, int]]:
    """(place, first, last + 1) of every place that holds layers; layer ``block_count`` is the output head."""
    total = block_count + 1
    if placement.is_cpu:
        return [(HOST, 0, total)]
    asked = placement.gpu_layers
    offloaded = total if asked is None or asked < 0 else min(total, asked)
    if offloaded == total and len(placement.devices) == 1:
        return [(placement.devices[0], 0, total)]
    first = total - offloaded
    ranges = [(HOST, 0, first)] if first else []
    for device, end in zip(placement.devices, _cuts(placement, first, total), strict=True):
        if end > first:
            ranges.append((device, first, end))
            first = end
    return ranges


def _cuts(placement: Placement, start: int, total: int) -> list[int]:
    """Where each device's layers end: llama.cpp cuts at the cumulative shares, the last device takes the rest."""
    count = len(placement.devices)
    shares = placement.split[:count] + (0.0,) * (count - len(placement.split)) if placement.split else (1.0,) * count
    whole = sum(shares) or 1.0
    cuts = [start + ceil(round(taken / whole * (total - start), 9)) for taken in accumulate(shares)]
    return [*cuts[:-1], total]


def _seconds(part: PlaceRates, traffic: Traffic, sequences: int, distinct: float, weights_per_byte: float) -> float:
    """Seconds of one place for one step of ``sequences`` streams that touch ``distinct`` times one token's experts."""
    weight_bytes = traffic.weight_bytes + traffic.expert_bytes * (distinct - 1)
    return (
        weight_bytes * part.weight_seconds_per_byte
        + traffic.weight_bytes * weights_per_byte * sequences * part.seconds_per_weight
        + traffic.kv_bytes * sequences * part.kv_seconds_per_byte
        + traffic.layers * part.layer_seconds
        + traffic.expert_layers * part.expert_layer_seconds
        + traffic.recurrent_layers * part.recurrent_layer_seconds
    )


def _sharing_seconds(model: SpeedModel, rates: HostRates, shares: Sequence[Share]) -> float:
    """What hand-overs cost, and that a CPU beside a GPU reaches less of its bandwidth than alone."""
    if len(shares) == 1:
        return 0.0
    crossings = len(shares) - 1 + sum(share.traffic.crossings for share in shares)
    on_host = sum(share.traffic.weight_bytes for share in shares if share.place == HOST)
    return crossings * model.crossing_seconds + on_host * slowed_seconds_per_byte(model, rates)


def slowed_seconds_per_byte(model: SpeedModel, rates: HostRates) -> float:
    """What a byte that a CPU reads beside a GPU takes longer."""
    return rates.cpu.weight_seconds_per_byte * (1 / model.host_share_factor - 1)


def distinct_experts(share: float, tokens: int) -> float:
    """Experts that ``tokens`` tokens touch, as a multiple of one token's: (1 - (1 - s)^n) / s with s = U / N.

    ``share`` is s; 1 for a dense model gives 1. Routing is taken as independent and even.
    """
    return (1 - (1 - share) ** tokens) / share


def _prompt_rate(
    model: SpeedModel, work: Workload, parts: Sequence[tuple[PlaceRates, Share]], weights_per_byte: float, batch: int
) -> float | None:
    """Tokens per second of reading a prompt: 2 operations per active weight, place after place.

    Each micro-batch also reads every resident weight once (many tokens touch every expert) and launches every layer.
    The output head runs for the last token only. With a card at hand, layers kept in host memory are copied to it
    once per micro-batch where that is quicker than the CPU (llama.cpp does so from 32 tokens on).
    """
    fastest, upload = 0.0, 0.0
    for part, _ in parts:
        if not part.flops_per_second:
            return None
        if part.upload_bytes_per_second:
            fastest, upload = part.flops_per_second, part.upload_bytes_per_second
    head, seconds = work.head_bytes, 0.0
    for part, share in reversed(parts):
        experts = share.traffic.expert_bytes
        effort = share.traffic.weight_bytes - head - experts + experts / model.prompt_expert_factor
        operations, head = 2 * effort * weights_per_byte, 0
        spent = operations / (part.flops_per_second or 1.0) + pass_seconds(part, share) / batch
        if share.place == HOST and fastest:
            spent = min(spent, operations / fastest + share.resident_bytes / upload / batch)
        seconds += spent
    return 1 / seconds if seconds > 0 else None


def pass_seconds(part: PlaceRates, share: Share) -> float:
    """What one micro-batch costs however few tokens it has: its weights are read and its layers launched once."""
    launches = share.traffic.layers * part.layer_seconds + share.traffic.expert_layers * part.expert_layer_seconds
    return share.resident_bytes * part.weight_seconds_per_byte + launches


def load_seconds(rates: HostRates, work: Workload, shares: Sequence[Share]) -> float | None:
    """Seconds from a cold disk to ready: the file is read once, then each card's part is copied to it.

    None when nobody knows how fast the disk is. Reading and copying are taken one after the other, as llama.cpp
    does it with a mapped file.
    """
    if rates.disk_bytes_per_second is None:
        return None
    upload = 0.0
    for share in shares:
        rate = rates.places.get(share.place, rates.cpu).upload_bytes_per_second
        upload += share.resident_bytes / rate if rate else 0.0
    return work.file_bytes / rates.disk_bytes_per_second + upload
