"""What ``stackplan estimate`` may be asked about, brought to one form: a shape and the bytes of its weights."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from stackplan.architecture import Architecture, Tensor, WeightTable
from stackplan.bundled import search_folders
from stackplan.catalog import Artifact, Model
from stackplan.errors import UserError
from stackplan.vocabulary import Vocabulary, header_vocabulary

_LARGEST_CONFIG_BYTES = 4 * 1024**2
_YAML_ENDINGS = {".yaml", ".yml"}


@dataclass(frozen=True, slots=True)
class Sized:
    """A model to estimate. ``file`` is the local GGUF it came from, for asking the engine itself.

    ``embeds`` says that it pools its tokens into a vector, so that servers keep an output row of each.
    """

    architecture: Architecture | None
    weights: WeightTable | None
    quantisation: str
    parameters: int
    file_bytes: int
    file: Path | None = None
    header_bytes: int = 0
    embeds: bool = False
    vocabulary: Vocabulary | None = None


def sized_source(source: str, quantisation: str, engine: str) -> Sized:
    """The model that ``source`` means, as ``quantisation`` ("" keeps what it has), in a form that ``engine`` reads.

    A ``.json`` is a config, a ``.yaml`` a record of the catalog's schema, an id of the catalog one of its models, and
    everything else a GGUF: file, folder, repository or address. Raises UserError.
    """
    quantisation = _spelt(quantisation)
    path = Path(source).expanduser()
    if path.suffix == ".json":
        return _from_config(_json_file(path), quantisation)
    if path.is_dir() and (path / "config.json").is_file():
        return _from_config(_json_file(path / "config.json"), quantisation)
    if path.suffix in _YAML_ENDINGS:
        return _from_yaml(path, quantisation)
    if "/" not in source and path.suffix != ".gguf" and not path.exists():
        return _from_catalog(_model(source), quantisation, engine)
    return _from_repository(source, quantisation)


def _spelt(quantisation: str) -> str:
    """A quantisation as the catalog spells it: ``q4_k_m`` -> ``Q4_K_M``."""
    from stackplan.catalog_schema import is_quantisation  # noqa: PLC0415

    upper = quantisation.upper()
    return upper if not is_quantisation(quantisation) and is_quantisation(upper) else quantisation


def _model(name: str) -> Model:
    from stackplan.catalog_index import load_catalog  # noqa: PLC0415

    catalog = load_catalog(search_folders("catalog"))
    found = next((model for model in catalog.models if model.id == name), None)
    if found is None:
        near = get_close_matches(name, [model.id for model in catalog.models], 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`stackplan catalog list` shows the models"
        raise UserError(f"{name[:80]!r} is neither a file nor a model of the catalog", hint=hint, slug="unknown-model")
    return found


def _from_repository(source: str, quantisation: str) -> Sized:
    """A GGUF, or the configuration of a repository that has none."""
    try:
        return _from_gguf(source, quantisation)
    except UserError as error:
        config = _remote_config(source) if error.slug == "model-file-choice" else None
        if config is None:
            raise
        return _from_config(config, quantisation)


def _remote_config(repository: str) -> object:
    from stackplan.gguf.remote import fetch_json  # noqa: PLC0415

    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    token = os.environ.get("HF_TOKEN", "").strip()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        return fetch_json(f"{endpoint}/{repository}/resolve/main/config.json", headers)
    except UserError:
        return None


def _json_file(path: Path) -> object:
    try:
        if path.stat().st_size > _LARGEST_CONFIG_BYTES:
            raise ValueError("it is larger than any configuration")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: {error}", hint="give the config.json of a model's repository", slug="config-unreadable"
        ) from error


def _from_config(config: object, quantisation: str) -> Sized:
    from stackplan.estimate.config_json import hyperparameters_of  # noqa: PLC0415
    from stackplan.estimate.inventory import Unsupported  # noqa: PLC0415

    record = hyperparameters_of(config)
    if isinstance(record, Unsupported):
        raise _unsupported(record.reason)
    return _from_record(record, quantisation or "BF16")


def _from_record(record: Mapping[str, Any], quantisation: str) -> Sized:
    from stackplan.estimate.inventory import Unsupported  # noqa: PLC0415
    from stackplan.estimate.weights import prepare  # noqa: PLC0415

    prepared = prepare(record)
    if isinstance(prepared, Unsupported):
        raise _unsupported(prepared.reason)
    weights = prepared.weights(quantisation)
    parameters = sum(tensor.elements for tensor in prepared.tensors)
    return Sized(prepared.architecture, weights, quantisation, parameters, weights.file_bytes)


def _unsupported(reason: str) -> UserError:
    return UserError(reason, hint="give a GGUF of the model, whose tensors say it all", slug="architecture-unknown")


def _from_yaml(path: Path, quantisation: str) -> Sized:
    from stackplan.catalog_schema import FamilyFile, ModelRecord  # noqa: PLC0415
    from stackplan.catalog_yaml import HINT  # noqa: PLC0415
    from stackplan.strict_yaml import read_yaml  # noqa: PLC0415
    from stackplan.yaml_schema import checked  # noqa: PLC0415

    document = read_yaml(path)
    if isinstance(document.data, Mapping) and "models" in document.data:
        records = checked(document, FamilyFile, HINT).models
        if len(records) != 1:
            raise UserError(
                f"{path} holds {len(records)} models", hint="put the one to estimate into a file", slug="record-unclear"
            )
        record = records[0]
    else:
        record = checked(document, ModelRecord, HINT)
    return _from_model_record(record, quantisation)


def _from_model_record(record: Any, quantisation: str) -> Sized:
    if not record.architecture:
        raise UserError(
            f"{record.id} has no architecture", hint="add its hyperparameters to the record", slug="shape-unknown"
        )
    hyperparameters = {key: value for key, value in record.architecture.items() if key != "name"}
    hyperparameters["architecture"] = record.architecture["name"]
    offered = [kind for place in record.artifacts if place.format == "gguf" for kind in place.offered]
    return _from_record(hyperparameters, quantisation or ("Q4_K_M" if "Q4_K_M" in offered else "BF16"))


def _from_catalog(model: Model, quantisation: str, engine: str) -> Sized:
    """The catalog's artifact of that quantisation; unasked Q4_K_M, else the engine's first."""
    chosen = _artifact(model, quantisation, engine)
    if chosen is None:
        return _from_model_record(_record(model), quantisation)
    embeds = bool({"embed", "rerank"}.intersection(model.suits))
    return Sized(
        model.architecture,
        chosen.weights,
        chosen.quantisation,
        model.parameters,
        chosen.file_bytes,
        embeds=embeds,
        vocabulary=Vocabulary(model.tokenizer, model.vocabulary_size),
    )


def _artifact(model: Model, quantisation: str, engine: str) -> Artifact | None:
    """What ``engine`` reads comes first, then GGUF."""
    files = sorted(model.artifacts, key=lambda artifact: (engine not in artifact.engines, artifact.format != "gguf"))
    served = [artifact for artifact in files if engine in artifact.engines] or files
    wanted = quantisation or "Q4_K_M"
    found = next((artifact for artifact in served if artifact.quantisation == wanted), None)
    if found is None and not quantisation and files:
        return files[0]
    return found


def _record(model: Model) -> Any:
    """The catalog's record behind ``model``, whose hyperparameters size quantisations that nobody offers."""
    from stackplan.catalog_files import read_catalog_files  # noqa: PLC0415
    from stackplan.catalog_yaml import parse_catalog  # noqa: PLC0415

    records = parse_catalog(read_catalog_files(search_folders("catalog"))).models
    return next(located.record for located in records if located.record.id == model.id)


def _from_gguf(source: str, quantisation: str) -> Sized:
    from stackplan.estimate.weights import weight_table  # noqa: PLC0415
    from stackplan.gguf.architecture import architecture_of  # noqa: PLC0415
    from stackplan.gguf.sources import open_model  # noqa: PLC0415
    from stackplan.gguf.types import FILE_TYPES  # noqa: PLC0415

    header = open_model(source).header
    architecture = architecture_of(header.metadata, header.tensors)
    tensors = header.tensors
    stored = header.metadata.get("general.file_type")
    name = FILE_TYPES.get(stored, "") if isinstance(stored, int) else ""
    if quantisation and quantisation != name:
        tensors = requantised(header.metadata, header.tensors, quantisation)
    weights = weight_table(
        tensors,
        header_bytes=header.data_offset,
        block_count=architecture.block_count,
        tied_embeddings=architecture.tied_embeddings,
        prediction_blocks=sum(layer.prediction for layer in architecture.layers),
    )
    path = Path(source).expanduser()
    file = path if path.is_file() and tensors is header.tensors and header.parts == 1 else None
    return Sized(
        architecture=architecture,
        weights=weights,
        quantisation=quantisation or name,
        parameters=header.parameters,
        file_bytes=weights.file_bytes,
        file=file,
        header_bytes=header.data_offset,
        embeds=bool(header.metadata.get(f"{architecture.name}.pooling_type")),
        vocabulary=header_vocabulary(header.metadata, architecture.vocabulary_rows),
    )


def requantised(metadata: Mapping[str, object], tensors: tuple[Tensor, ...], quantisation: str) -> tuple[Tensor, ...]:
    """``tensors`` as ``llama-quantize`` would write them. Raises UserError unless the source is F16, BF16 or F32."""
    from stackplan.estimate.quant_mix import candidates, mixture_facts, quantised_types  # noqa: PLC0415

    if any(tensor.type not in {"f16", "bf16", "f32"} for tensor in tensors):
        raise UserError(
            "a quantised file cannot be sized as another quantisation",
            hint="give the F16 or BF16 file, or leave --quant out",
            slug="quantised-twice",
        )
    name = str(metadata["general.architecture"])
    found = candidates(tensors, name)
    record: dict[str, object] = {key.removeprefix(f"{name}."): value for key, value in metadata.items()}
    facts = mixture_facts({**record, "architecture": name})
    types = quantised_types(found, quantisation, facts=facts, importance_matrix=False)
    changed = list(tensors)
    for entry, type_name in zip(found.entries, types, strict=True):
        old = tensors[entry.tensor_index]
        changed[entry.tensor_index] = Tensor(old.name, old.shape, type_name)
    return tuple(changed)
