"""A Hugging Face ``config.json`` as a hyperparameter record with GGUF keys.

Names of fields differ between makers; `FIELDS` lists them once. What is special to a family (latent attention, state
spaces, hybrid layers) is in ``config_families``. The result feeds ``inventory.tensors_of``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from stackplan.errors import UserError
from stackplan.estimate.config_architectures import (
    ALWAYS_SCORE_BIAS,
    ARCHITECTURE_BY_CLASS,
    ARCHITECTURE_BY_MODEL_TYPE,
    NO_OUTPUT_BIAS,
    PREDICTION_IN_FILES,
    TIED_BY_DEFAULT,
)
from stackplan.estimate.config_families import ADJUSTMENTS
from stackplan.estimate.inventory import MAX_BLOCKS, Unsupported

Config = Mapping[str, Any]

# GGUF key and the names under which configurations give it, in order of preference.
FIELDS: Final = (
    ("block_count", "num_hidden_layers n_layer n_layers num_layers"),
    ("context_length", "max_position_embeddings n_ctx n_positions max_length max_sequence_length model_max_length"),
    ("embedding_length", "hidden_size n_embd dim d_model"),
    (
        "feed_forward_length",
        "prefix_dense_intermediate_size dense_intermediate_size intermediate_size n_inner hidden_dim",
    ),
    ("attention.head_count", "num_attention_heads n_head n_heads"),
    ("attention.head_count_kv", "num_key_value_heads n_kv_heads num_attention_groups"),
    ("attention.key_length", "head_dim"),
    ("attention.value_length", "v_head_dim head_dim"),
    ("vocab_size", "vocab_size"),
    ("expert_count", "num_local_experts num_experts n_routed_experts moe_num_experts"),
    ("expert_used_count", "num_experts_per_tok num_experts_per_token top_k_experts moe_top_k moe_topk moe_k"),
    ("expert_feed_forward_length", "moe_intermediate_size expert_intermediate_size"),
    ("expert_shared_feed_forward_length", "shared_expert_intermediate_size shared_intermediate_size share_expert_dim"),
    ("expert_shared_count", "n_shared_experts num_shared_experts"),
    ("leading_dense_block_count", "first_k_dense_replace num_dense_layers moe_layer_start_index"),
    ("attention.sliding_window", "sliding_window"),
    ("token_type_count", "type_vocab_size"),
)
_REQUIRED: Final = ("block_count", "embedding_length", "vocab_size")
_NESTED: Final = ("text_config", "llm_config", "language_config")
_LARGEST: Final = 1 << 40


def hyperparameters_of(config: object, *, prediction: bool | None = None) -> dict[str, Any] | Unsupported:
    """The hyperparameter record that ``config``, the parsed JSON, describes.

    ``prediction`` includes the blocks for multi-token prediction; None does what published files of the architecture
    do. Returns Unsupported for an architecture whose tensors are not known. Raises UserError, naming the field,
    when a number is missing or is not one.
    """
    if not isinstance(config, Mapping):
        raise _invalid("the configuration is not a JSON object")
    merged = _flattened(config)
    architecture = _architecture(config, merged)
    if architecture is None:
        named = config.get("architectures") or [config.get("model_type", "unknown")]
        named_first = str(named[0] if isinstance(named, Sequence) and named else named)[:60]
        return Unsupported(named_first, f"the tensors of {named_first} are not known")
    record: dict[str, Any] = {"architecture": architecture}
    for key, names in FIELDS:
        value = _number(merged, names)
        if value is not None:
            record[key] = value
    _check_depth(record.get("block_count"))
    record |= _flags(merged, architecture)
    record |= _windows(merged)
    record |= _rope(merged, record)
    adjust = ADJUSTMENTS.get(architecture)
    if adjust is not None:
        _adjusted(adjust, merged, record)
    _check(record)
    _add_prediction(merged, record, prediction)
    return dict(sorted(record.items()))


def _flattened(config: Config) -> dict[str, Any]:
    """The text model's fields over the outer ones; towers for pictures and sound are other files."""
    merged = dict(config)
    for key in _NESTED:
        nested = config.get(key)
        if isinstance(nested, Mapping):
            merged |= {name: value for name, value in nested.items() if value is not None}
    return merged


def _architecture(config: Config, merged: Config) -> str | None:
    for source in (config, merged):
        classes = source.get("architectures")
        if isinstance(classes, list) and classes:
            found = ARCHITECTURE_BY_CLASS.get(str(classes[0]))
            if found:
                return found
    named = config.get("architectures")
    if named and not any(isinstance(config.get(key), Mapping) for key in _NESTED):
        return None
    return ARCHITECTURE_BY_MODEL_TYPE.get(str(merged.get("model_type")))


def _number(config: Config, names: str) -> int | list[int] | None:
    for name in names.split():
        value = config.get(name)
        if value is None:
            continue
        if isinstance(value, list):
            return [_size(name, item) for item in value[:1024]]
        return _size(name, value)
    return None


def _size(name: str, value: object) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value < _LARGEST:  # type: ignore[operator,arg-type]
        raise _invalid(f"{name} is {str(value)[:40]!r}, which is not a size")
    return int(value)  # type: ignore[call-overload,no-any-return]


def _flags(config: Config, architecture: str) -> dict[str, bool]:
    bias = any(config.get(name) is True for name in ("attention_bias", "qkv_bias", "use_qkv_bias", "use_bias"))
    stated = config.get("tie_word_embeddings", config.get("tie_embedding"))
    tied = bool(stated) if stated is not None else architecture in TIED_BY_DEFAULT
    corrected = config.get("topk_method") == "noaux_tc" or config.get("scoring_func") == "sigmoid"
    flags = {
        "tied_embeddings": tied,
        "attention_bias": bias,
        "attention_output_bias": bias and architecture not in NO_OUTPUT_BIAS,
        "mlp_bias": config.get("mlp_bias") is True,
        "qk_norm": config.get("use_qk_norm") is True,
        "score_bias": corrected or architecture in ALWAYS_SCORE_BIAS,
    }
    return {name: flag for name, flag in flags.items() if flag or name == "tied_embeddings"}


def _windows(config: Config) -> dict[str, Any]:
    """The pattern of sliding layers, when the configuration lists the kinds of its layers."""
    kinds = config.get("layer_types")
    if not isinstance(kinds, list) or "sliding_attention" not in kinds:
        return {}
    return {"attention.sliding_window_pattern": [kind == "sliding_attention" for kind in kinds[:1024]]}


def _rope(config: Config, record: Config) -> dict[str, Any]:
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if isinstance(scaling, Mapping) and isinstance(scaling.get("full_attention"), Mapping):
        scaling = scaling["full_attention"]
    if not isinstance(scaling, Mapping):
        return {}
    kind = str(scaling.get("rope_type") or scaling.get("type") or "").lower()
    rope: dict[str, Any] = {}
    if kind == "llama3":
        rope["rope_frequencies"] = True
    if kind in ("longrope", "su"):
        rope["rope_factors"] = True
    share = config.get("partial_rotary_factor", scaling.get("partial_rotary_factor"))
    if isinstance(share, int | float) and 0 < share <= 1:
        rope["rope.dimension_count"] = int(_head_length(record) * share)
    return rope


def _head_length(record: Config) -> int:
    length = record.get("attention.key_length")
    heads = record.get("attention.head_count", 1)
    if isinstance(length, int):
        return length
    return int(record.get("embedding_length", 0)) // max(heads if isinstance(heads, int) else 1, 1)


def _adjusted(adjust: Any, config: Config, record: dict[str, Any]) -> None:
    """Runs a family's adjustment; what it misses or cannot read is the user's to mend."""
    try:
        adjust(config, record)
    except KeyError as missing:
        raise _missing(str(missing.args[0])) from None
    except (TypeError, ValueError, IndexError, AttributeError) as wrong:
        raise _invalid(
            f"a field of the {record['architecture']} family has another form than expected ({wrong})"
        ) from None


def _check(record: Config) -> None:
    names = dict(FIELDS)
    for key in _REQUIRED:
        if not record.get(key):
            raise _missing(names[key].split()[0])
        if not isinstance(record[key], int):
            raise _invalid(f"{names[key].split()[0]} is {str(record[key])[:40]!r}, which is not a size")


def _check_depth(blocks: object) -> None:
    """Lists are made as long as a model is deep, so that depth is bounded first."""
    if isinstance(blocks, int) and blocks > MAX_BLOCKS:
        raise _invalid(f"the configuration claims {blocks} layers; no model has more than {MAX_BLOCKS}")


def _add_prediction(config: Config, record: dict[str, Any], wanted: bool | None) -> None:
    count = _number(config, "num_nextn_predict_layers mtp_num_hidden_layers num_mtp_layers")
    include = record["architecture"] in PREDICTION_IN_FILES if wanted is None else wanted
    if not include or not isinstance(count, int) or not count:
        return
    _check_depth(record["block_count"] + count)
    record["nextn_predict_layers"] = count
    record["block_count"] += count
    if record["architecture"] == "glm4moe":
        record["prediction_embeddings"] = True
    for key, value in record.items():
        if isinstance(value, list) and value and key != "attention.indexer.types":
            last = False if key == "attention.recurrent_layers" else value[-1]
            value.extend([last] * count)


def _missing(field: str) -> UserError:
    return UserError(
        f"the configuration lacks {field!r}",
        hint="give the config.json of the model itself, not of an adapter or a quantised derivative",
        slug="config-incomplete",
    )


def _invalid(message: str) -> UserError:
    return UserError(message, hint="download config.json again from the model's repository", slug="config-invalid")
