"""An estimate as JSON for programs and as text for people; and the schema of that JSON."""

from dataclasses import dataclass
from typing import Any

from stackplan.estimate.oracle import HOST_ROW, OracleRow
from stackplan.serving import HOST, Acceleration, Demand, Estimate, Placement, Serving
from stackplan.units import format_bytes, format_tokens

COMPONENTS = ("weights_bytes", "kv_bytes", "state_bytes", "compute_bytes", "output_bytes", "overhead_bytes")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked, and the estimate."""

    source: str
    quantisation: str
    serving: Serving
    placement: Placement
    estimate: Estimate
    draft: str = ""
    acceleration: Acceleration | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One place as the engine says and as we say, under the engine's own assumptions."""

    place: str
    engine: OracleRow
    weights_bytes: int
    cache_bytes: int
    compute_bytes: int


def compared(rows: tuple[OracleRow, ...], estimate: Estimate) -> tuple[Comparison, ...]:
    """The engine's rows beside ours: its devices in order are the placement's, ``Host`` is host memory."""
    devices = iter(demand for demand in estimate.demands if demand.place != HOST)
    found = []
    for row in rows:
        demand = estimate.demand(HOST) if row.place == HOST_ROW else next(devices, Demand(row.place))
        cache = demand.kv_bytes + demand.state_bytes
        found.append(Comparison(demand.place, row, demand.weights_bytes, cache, demand.compute_bytes))
    return tuple(found)


def estimate_json(answer: Answer, comparison: tuple[Comparison, ...] = ()) -> dict[str, Any]:
    """The answer in the shape of `estimate_schema`."""
    estimate, serving, placement = answer.estimate, answer.serving, answer.placement
    data: dict[str, Any] = {
        "source": answer.source,
        "engine": estimate.engine,
        "quantisation": answer.quantisation,
        "context_tokens": serving.context_tokens,
        "slots": serving.slots,
        "kv_unified": serving.kv_unified,
        "kv_type_k": serving.kv_type_k,
        "kv_type_v": serving.kv_type_v,
        "micro_batch_tokens": serving.micro_batch_tokens,
        "flash_attention": serving.flash_attention,
        "gpu_layers": placement.gpu_layers,
        "file_bytes": estimate.file_bytes,
        "pools": {demand.place: _parts(demand) for demand in estimate.demands},
        "total_bytes": estimate.total_bytes,
        "basis": estimate.basis.value,
        "error_fraction": estimate.error_fraction,
        "overheads": [
            {"pool": line.place, "name": line.name, "bytes": line.bytes, "basis": line.basis.value}
            for line in estimate.overheads
        ],
        "notes": list(estimate.notes),
    }
    if answer.draft:
        data["draft"] = _draft(answer)
    if comparison:
        data["oracle"] = [_oracle(entry) for entry in comparison]
    return data


def _draft(answer: Answer) -> dict[str, Any]:
    gain = answer.acceleration
    return {
        "source": answer.draft,
        "draft_tokens": answer.serving.draft_tokens,
        "acceptance": gain and gain.acceptance,
        "speedup": gain and gain.speedup,
        "speedup_low": gain and gain.speedup_low,
        "speedup_high": gain and gain.speedup_high,
        "basis": gain and gain.basis.value,
    }


def _parts(demand: Demand) -> dict[str, int]:
    return {name: getattr(demand, name) for name in COMPONENTS}


def _oracle(entry: Comparison) -> dict[str, Any]:
    return {
        "pool": entry.place,
        "engine_weights_bytes": entry.engine.weights_bytes,
        "engine_cache_bytes": entry.engine.cache_bytes,
        "engine_compute_bytes": entry.engine.compute_bytes,
        "weights_bytes": entry.weights_bytes,
        "cache_bytes": entry.cache_bytes,
        "compute_bytes": entry.compute_bytes,
    }


def estimate_text(answer: Answer, comparison: tuple[Comparison, ...] = ()) -> str:
    """The answer as a table: one line per pool, one column per component."""
    estimate, serving = answer.estimate, answer.serving
    title = (
        f"{answer.source} {answer.quantisation} on {estimate.engine}, context {format_tokens(serving.context_tokens)}"
    )
    names = [name.removesuffix("_bytes") for name in COMPONENTS]
    rows = [["pool", *names, "total"]]
    for demand in estimate.demands:
        sizes = [getattr(demand, name) for name in COMPONENTS]
        rows.append([demand.place, *map(format_bytes, sizes), format_bytes(demand.total_bytes)])
    lines = [title, "", *_table(rows), ""]
    lines += [f"  {line.place}: {line.name} {format_bytes(line.bytes)} ({line.basis})" for line in estimate.overheads]
    lines.append(f"total {format_bytes(estimate.total_bytes)}, file {format_bytes(estimate.file_bytes)}")
    lines.append(f"basis {estimate.basis}, +-{estimate.error_fraction:.0%}")
    lines += [*_draft_lines(answer), *estimate.notes]
    return "\n".join(lines + _comparison_lines(comparison))


def _draft_lines(answer: Answer) -> list[str]:
    if not answer.draft:
        return []
    line = f"draft {answer.draft}, {answer.serving.draft_tokens} tokens per step"
    gain = answer.acceleration
    if gain is None:
        return [f"{line}; --devices PROFILE tells how much faster"]
    likely = f"{gain.speedup:.2f} times as fast ({gain.speedup_low:.2f} to {gain.speedup_high:.2f})"
    return [f"{line}: {likely} when {gain.acceptance:.0%} are accepted ({gain.basis})"]


def _comparison_lines(comparison: tuple[Comparison, ...]) -> list[str]:
    if not comparison:
        return []
    rows = [["pool", "weights", "engine", "cache", "engine", "compute", "engine"]]
    for entry in comparison:
        pairs = (
            (entry.weights_bytes, entry.engine.weights_bytes),
            (entry.cache_bytes, entry.engine.cache_bytes),
            (entry.compute_bytes, entry.engine.compute_bytes),
        )
        rows.append([entry.place, *(format_bytes(size) for pair in pairs for size in pair)])
    return ["", "beside llama-fit-params, which reserves logits for every token of the micro-batch:", *_table(rows)]


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def estimate_schema() -> dict[str, Any]:
    """JSON schema of what ``stackplan estimate --json`` prints; ``--batch`` prints one such object per line."""
    size = {"type": "integer", "minimum": 0}
    parts = dict.fromkeys(COMPONENTS, size)
    line = {"pool": {"type": "string"}, "name": {"type": "string"}, "bytes": size, "basis": {"$ref": "#/$defs/basis"}}
    oracle_sizes = ("weights_bytes", "cache_bytes", "compute_bytes")
    oracle = {"pool": {"type": "string"}} | {f"{who}{name}": size for who in ("engine_", "") for name in oracle_sizes}
    properties: dict[str, Any] = {
        "source": {"type": "string"},
        "engine": {"type": "string"},
        "quantisation": {"type": "string"},
        "context_tokens": {"type": "integer", "minimum": 1},
        "slots": {"type": "integer", "minimum": 1},
        "kv_unified": {"type": "boolean"},
        "kv_type_k": {"type": "string"},
        "kv_type_v": {"type": "string"},
        "micro_batch_tokens": {"type": "integer", "minimum": 1},
        "flash_attention": {"enum": ["auto", "on", "off"]},
        "gpu_layers": {"type": ["integer", "null"], "minimum": 0},
        "file_bytes": size,
        "pools": {"type": "object", "additionalProperties": {"$ref": "#/$defs/pool"}},
        "total_bytes": size,
        "basis": {"$ref": "#/$defs/basis"},
        "error_fraction": {"type": "number", "minimum": 0},
        "overheads": {"type": "array", "items": _object(line)},
        "notes": {"type": "array", "items": {"type": "string"}},
    }
    schema = _object(properties)
    number = {"type": ["number", "null"], "minimum": 0}
    drafted = {"source": {"type": "string"}, "draft_tokens": {"type": "integer", "minimum": 1}, "acceptance": number}
    gains = dict.fromkeys(("speedup", "speedup_low", "speedup_high"), number)
    basis = {"enum": ["measured", "published", "derived", "assumed", None]}
    schema["properties"]["draft"] = _object({**drafted, **gains, "basis": basis})
    schema["properties"]["oracle"] = {"type": "array", "items": _object(oracle)}
    definitions = {"basis": {"enum": ["measured", "published", "derived", "assumed"]}, "pool": _object(parts)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "stackplan estimate",
        **schema,
        "$defs": definitions,
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
