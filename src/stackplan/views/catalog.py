"""Models of the catalog as tables for people and as JSON for programs; no decision is made here."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from stackplan.architecture import Architecture, Attention
from stackplan.catalog import Artifact, Catalog, Model
from stackplan.units import KIB, MIB, format_bytes, format_gib, format_tokens

if TYPE_CHECKING:  # its import costs what a warm start saves
    from stackplan.catalog_build import Finding

CACHE_BYTES = 2  # an f16 cache
STATE_BYTES = 4  # recurrent state is always f32
_USUAL_TYPE = "Q4_K_M"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """Aligned columns, two spaces apart; columns in ``right`` are flush right."""
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    padded = (
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def billions(parameters: int) -> str:
    """Parameters in billions: ``32.8``, ``0.60``."""
    return f"{parameters / 1e9:.1f}" if parameters >= 10**9 else f"{parameters / 1e9:.2f}"


def commercial_word(model: Model) -> str:
    """Whether the model may serve a business."""
    return {True: "yes", False: "no", None: "unread"}[model.licence.commercial]


def usual_size(model: Model) -> str:
    """GiB of the smallest Q4_K_M file, or of the smallest file of any kind in brackets."""
    usual = [artifact.file_bytes for artifact in model.artifacts if artifact.quantisation == _USUAL_TYPE]
    if usual:
        return format_gib(min(usual))
    others = [artifact.file_bytes for artifact in model.artifacts]
    return f"({format_gib(min(others))})" if others else "-"


def list_text(models: Sequence[Model]) -> str:
    """One line per model, and what the columns mean."""
    rows = [
        (
            model.id,
            billions(model.parameters),
            billions(model.active_parameters) if model.active_parameters != model.parameters else "",
            format_tokens(model.context_tokens),
            usual_size(model),
            model.licence.id,
            commercial_word(model),
            model.released,
            " ".join(model.suits),
        )
        for model in models
    ]
    header = ("id", "B", "active", "context", "GiB", "licence", "commercial", "released", "suits")
    legend = f"{len(models)} models. B: billions of parameters. GiB: smallest {_USUAL_TYPE} file, else in brackets."
    return f"{table(header, rows, frozenset({1, 2, 3, 4}))}\n\n{legend}"


def list_data(catalog: Catalog, models: Sequence[Model]) -> dict[str, Any]:
    """The list as JSON."""
    return {
        "schema": 1,
        "date": catalog.date,
        "digest": catalog.digest,
        "models": [_summary(model) for model in models],
    }


def _summary(model: Model) -> dict[str, Any]:
    """What a list says of a model."""
    return {
        "id": model.id,
        "name": model.name,
        "family": model.family,
        "lineage": model.lineage,
        "released": model.released,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "context_tokens": model.context_tokens,
        "architecture_class": model.architecture_class,
        "licence": model.licence.id,
        "commercial": model.licence.commercial,
        "gated": model.licence.gated,
        "inputs": list(model.inputs),
        "suits": list(model.suits),
        "artifacts": len(model.artifacts),
        "origin": model.origin,
    }


def cache_bytes_per_token(shape: Architecture, kind: Attention) -> int:
    """Bytes that one token adds to an f16 cache in the layers of ``kind``."""
    return sum((layer.k_width + layer.v_width) * CACHE_BYTES for layer in shape.layers if layer.attention is kind)


def state_bytes(shape: Architecture) -> int:
    """Bytes of recurrent state per sequence."""
    return sum(layer.state_elements for layer in shape.layers) * STATE_BYTES


def show_data(model: Model) -> dict[str, Any]:
    """One model as JSON."""
    shape = model.architecture
    return {
        "schema": 1,
        **_summary(model),
        "repository": model.repository,
        "licence": _plain(model.licence),
        "tokenizer": {"family": model.tokenizer, "vocabulary": model.vocabulary_size},
        "thinking": model.thinking,
        "prediction_head": model.prediction_head,
        "embedding_dimensions": model.embedding_dimensions,
        "architecture": _shape_data(shape) if shape else None,
        "artifacts": [_artifact_data(artifact) for artifact in model.artifacts],
        "quality": [_plain(figure) for figure in model.quality],
        "source": model.source,
        "date": model.date,
        "notes": model.notes,
    }


def _plain(record: Struct) -> dict[str, Any]:
    """A small record as a mapping."""
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _shape_data(shape: Architecture) -> dict[str, Any]:
    """What a shape means for memory."""
    return {
        "name": shape.name,
        "block_count": shape.block_count,
        "embedding_length": shape.embedding_length,
        "experts": shape.experts,
        "cache_bytes_per_token_f16": cache_bytes_per_token(shape, Attention.FULL)
        + cache_bytes_per_token(shape, Attention.LATENT),
        "sliding_cache_bytes_per_token_f16": cache_bytes_per_token(shape, Attention.SLIDING),
        "sliding_window": shape.sliding_window,
        "state_bytes_per_sequence": state_bytes(shape),
        "exact": shape.exact,
    }


def _artifact_data(artifact: Artifact) -> dict[str, Any]:
    """One artifact, its weights summed up."""
    weights = artifact.weights
    return {
        "id": artifact.id,
        "format": artifact.format,
        "quantisation": artifact.quantisation,
        "repository": artifact.repository,
        "files": list(artifact.files),
        "engines": list(artifact.engines),
        "file_bytes": artifact.file_bytes,
        "size_basis": str(artifact.size_basis),
        "published_bytes": artifact.published_bytes,
        "published_resolution_bytes": artifact.published_resolution_bytes,
        "importance_matrix": artifact.importance_matrix,
        "parts": artifact.parts,
        "projector_file": artifact.projector_file,
        "projector_bytes": artifact.projector_bytes,
        "tensor_bytes": weights.tensor_bytes if weights else None,
        "prediction_bytes": weights.prediction_bytes if weights else 0,
    }


def show_text(model: Model) -> str:
    """One model for people: terms, shape, files, results, sources."""
    parts = [_head(model), _shape_text(model.architecture), _files_text(model), _quality_text(model), _tail(model)]
    return "\n\n".join(part for part in parts if part)


def _head(model: Model) -> str:
    """Who it is and what it may be used for."""
    licence = model.licence
    gate = {True: ", gated", False: "", None: ", gate unknown"}[licence.gated]
    terms = f"{licence.name} ({licence.id}), commercial use: {commercial_word(model)}{gate}"
    active = f", {billions(model.active_parameters)} B active" if model.active_parameters < model.parameters else ""
    lines = [
        f"{model.id}  {model.name}",
        f"  licence     {terms}" + (f"; {licence.note}" if licence.note else ""),
        f"  parameters  {billions(model.parameters)} B{active}, {model.architecture_class}, lineage {model.lineage}",
        f"  context     {format_tokens(model.context_tokens)} tokens, tokenizer {model.tokenizer}",
        f"  takes       {', '.join(model.inputs)}",
        f"  suits       {', '.join(model.suits)}; thinking: {model.thinking}",
        f"  released    {model.released}, {model.repository}",
    ]
    return "\n".join(lines)


def _shape_text(shape: Architecture | None) -> str:
    """What serving it needs per token and per sequence."""
    if shape is None:
        return "Shape: unknown to stackplan; sizes are published ones, and no cache can be derived."
    full = cache_bytes_per_token(shape, Attention.FULL) + cache_bytes_per_token(shape, Attention.LATENT)
    sliding = cache_bytes_per_token(shape, Attention.SLIDING)
    words = [f"Shape: {shape.name}, {shape.block_count} blocks, width {shape.embedding_length}"]
    words += [f"{shape.experts} experts"] if shape.experts else []
    words += [f"cache {full / KIB:g} KiB per token (f16)"] if full else []
    words += [f"and {sliding / KIB:g} KiB for the last {shape.sliding_window} tokens"] if sliding else []
    words += [f"state {state_bytes(shape) / MIB:.1f} MiB per sequence"] if state_bytes(shape) else []
    return ", ".join(words if full or sliding or state_bytes(shape) else [*words, "no cache"])


def _files_text(model: Model) -> str:
    """Every file with its size and where the size comes from."""
    rows = [
        (
            artifact.id,
            artifact.quantisation,
            format_bytes(artifact.file_bytes),
            str(artifact.size_basis),
            f"+ {format_bytes(artifact.projector_bytes)} projector" if artifact.projector_bytes else "",
            " ".join(artifact.engines) or "no engine of the catalog",
        )
        for artifact in model.artifacts
    ]
    if not rows:
        return "No file is known."
    return table(("file", "quantisation", "size", "basis", "", "served by"), rows, frozenset({2}))


def _quality_text(model: Model) -> str:
    """Every figure with its source."""
    rows = [(f.metric, f"{f.value:g}", f.date, f.confidence, f.source) for f in model.quality]
    return table(("result", "value", "date", "confidence", "source"), rows, frozenset({1})) if rows else ""


def _tail(model: Model) -> str:
    """Where the record is and what it rests on."""
    notes = f"Note: {model.notes}\n" if model.notes else ""
    return f"{notes}Record: {model.origin}, {model.date}\nSources: {model.source}"


def findings_text(findings: Sequence["Finding"]) -> str:
    """Published sizes that the quantiser's rules do not give."""
    rows = [
        (
            finding.artifact,
            format_gib(finding.published_bytes, 2),
            format_gib(finding.derived_bytes, 2),
            f"{100 * finding.difference_bytes / finding.derived_bytes:+.1f} %",
            finding.note or "unexplained",
        )
        for finding in findings
    ]
    return table(("file", "published GiB", "derived GiB", "difference", "reason"), rows, frozenset({1, 2, 3}))


def findings_data(findings: Sequence["Finding"]) -> list[dict[str, Any]]:
    """The same as JSON."""
    return [{**_plain(finding), "difference_bytes": finding.difference_bytes} for finding in findings]
