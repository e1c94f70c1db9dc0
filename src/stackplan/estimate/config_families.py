"""What a configuration says in its family's own words: latent attention, windows, experts, encoders.

Each function completes a record in place. A missing field raises KeyError with its name, which ``config_json`` turns
into a message. Source: llama.cpp's converter, build b11434 (November 2026).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from stackplan.estimate.config_states import STATE_ADJUSTMENTS

Config = Mapping[str, Any]
Record = dict[str, Any]


def _latent(config: Config, record: Record) -> None:
    """Latent attention: one cached row of rank plus rotary part, heads only after decompression."""
    rank, rotary = config["kv_lora_rank"], config["qk_rope_head_dim"]
    record |= {
        "attention.head_count_kv": 1,
        "attention.kv_lora_rank": rank,
        "attention.key_length": rank + rotary,
        "attention.value_length": rank,
        "attention.key_length_mla": config["qk_nope_head_dim"] + rotary,
        "attention.value_length_mla": config["v_head_dim"],
        "rope.dimension_count": rotary,
    }
    if config.get("q_lora_rank"):
        record["attention.q_lora_rank"] = config["q_lora_rank"]
    if not record.get("expert_count"):
        record["leading_dense_block_count"] = record["block_count"]
    if config.get("model_type") == "glm4_moe_lite":
        record["score_bias"] = True


def _indexed(config: Config, record: Record) -> None:
    _latent(config, record)
    record |= {
        "attention.indexer.head_count": config["index_n_heads"],
        "attention.indexer.key_length": config["index_head_dim"],
    }
    kinds = config.get("indexer_types")
    if kinds is not None:
        record["attention.indexer.types"] = [kind == "full" for kind in kinds]


def _compressed(config: Config, record: Record) -> None:
    record |= {
        "rope.dimension_count": config["qk_rope_head_dim"],
        "attention.q_lora_rank": config["q_lora_rank"],
        "attention.value_length": record["attention.key_length"],
        "attention.indexer.head_count": config["index_n_heads"],
        "attention.indexer.key_length": config["index_head_dim"],
        "attention.output_group_count": config["o_groups"],
        "attention.output_lora_rank": config["o_lora_rank"],
        "attention.compress_ratios": list(config["compress_ratios"]),
        "hyper_connection.count": config["hc_mult"],
        "hash_layer_count": config["num_hash_layers"],
    }


def _gemma3(config: Config, record: Record) -> None:
    for key, default in (("attention.head_count", 8), ("attention.head_count_kv", 4), ("context_length", 131072)):
        record.setdefault(key, default)
    record.setdefault("attention.key_length", config.get("head_dim", 256))
    record.setdefault("attention.value_length", config.get("head_dim", 256))
    record.setdefault("vocab_size", 262208 if "vision_config" in config else 262144)


def _gemma3n(config: Config, record: Record) -> None:
    _gemma3(config, record)
    record |= {
        "altup.num_inputs": config["altup_num_inputs"],
        "laurel_rank": config.get("laurel_rank", 64),
        "embedding_length_per_layer_input": config["hidden_size_per_layer_input"],
        "attention.shared_kv_layers": config["num_kv_shared_layers"],
    }


def _gemma4(config: Config, record: Record) -> None:
    kinds = config["layer_types"]
    full, sliding = config["global_head_dim"], config["head_dim"]
    shared = config.get("num_kv_shared_layers") or 0
    record |= {
        "attention.key_length": full,
        "attention.value_length": full,
        "attention.key_length_swa": sliding,
        "attention.value_length_swa": sliding,
        "attention.shared_kv_layers": shared,
        "attention.k_eq_v": config.get("attention_k_eq_v") is True,
        "attention.sliding_window_pattern": [kind == "sliding_attention" for kind in kinds],
        "embedding_length_per_layer_input": config.get("hidden_size_per_layer_input") or 0,
        "rope.dimension_count": full,
    }
    kv_full = config.get("num_global_key_value_heads")
    if kv_full is not None:
        kv_sliding = config["num_key_value_heads"]
        record["attention.head_count_kv"] = [kv_sliding if kind == "sliding_attention" else kv_full for kind in kinds]
    if config.get("use_double_wide_mlp"):
        width, blocks = config["intermediate_size"], record["block_count"]
        record["feed_forward_length"] = [width if i < blocks - shared else 2 * width for i in range(blocks)]


def _llama4(config: Config, record: Record) -> None:
    record["interleave_moe_layer_step"] = config.get("interleave_moe_layer_step", 1)
    record["expert_feed_forward_length"] = config["intermediate_size"]
    record["feed_forward_length"] = config.get("intermediate_size_mlp", config["intermediate_size"])


def _expert_width_is_width(config: Config, record: Record) -> None:
    """One width is given, and it is that of the experts."""
    record["expert_feed_forward_length"] = config["intermediate_size"]


def _minimax(config: Config, record: Record) -> None:
    _expert_width_is_width(config, record)
    record["rope.dimension_count"] = config["rotary_dim"]


def _laguna(config: Config, record: Record) -> None:
    heads = config.get("num_attention_heads_per_layer")
    if heads:
        record["attention.head_count"] = list(heads)
    kinds = config["mlp_layer_types"]
    record["leading_dense_block_count"] = next((i for i, kind in enumerate(kinds) if kind != "dense"), len(kinds))
    record.pop("rope.dimension_count", None)


def _step35(config: Config, record: Record) -> None:
    other = config.get("attention_other_setting") or {}
    kinds = list(config.get("layer_types") or [])
    kinds = (kinds + ["full_attention"] * record["block_count"])[: record["block_count"]]
    for key, name in (
        ("attention.head_count", "num_attention_heads"),
        ("attention.head_count_kv", "num_attention_groups"),
    ):
        own = record[key]
        sliding = other.get(name, own)
        record[key] = [sliding if kind == "sliding_attention" else own for kind in kinds]
    record["attention.sliding_window_pattern"] = [kind == "sliding_attention" for kind in kinds]
    listed = [int(number) for number in str(config.get("moe_layers_enum") or "").split(",") if number.strip()]
    if listed:
        record["leading_dense_block_count"] = min(listed)
    record["score_bias"] = True


def _ernie_experts(config: Config, record: Record) -> None:
    shared = config.get("moe_num_shared_experts") or 0
    if shared:
        record["expert_shared_count"] = shared


def _hunyuan_experts(config: Config, record: Record) -> None:
    for key in ("expert_feed_forward_length", "expert_used_count", "expert_shared_count"):
        if isinstance(record.get(key), list):
            record[key] = record[key][0]
    record["expert_shared_feed_forward_length"] = config["intermediate_size"]


def _encoder(config: Config, record: Record) -> None:
    record["attention.causal"] = False
    record["tied_embeddings"] = True
    record["token_type_count"] = config.get("type_vocab_size", 2)
    if str(config.get("model_type", "")) in ("roberta", "xlm-roberta", "camembert"):
        record["context_length"] -= 2  # position ids start after the padding id, and the converter cuts the rest
    classes = config.get("architectures") or [""]
    if "SequenceClassification" in str(classes[0]):
        record["classifier"] = True
        record["classifier_count"] = max(1, len(config.get("id2label") or {"0": "LABEL_0"}))


def _nomic(config: Config, record: Record) -> None:
    _encoder(config, record)
    if record.get("context_length") == 8192:
        record["context_length"] = 2048  # trained positions; longer contexts need scaling
    record.pop("expert_count", None)


ADJUSTMENTS: Final[Mapping[str, Callable[[Config, Record], None]]] = {
    **STATE_ADJUSTMENTS,
    "deepseek2": _latent,
    "deepseek32": _indexed,
    "glm-dsa": _indexed,
    "deepseek4": _compressed,
    "gemma3": _gemma3,
    "gemma-embedding": _gemma3,
    "gemma3n": _gemma3n,
    "gemma4": _gemma4,
    "gpt-oss": _expert_width_is_width,
    "minimax-m2": _minimax,
    "llama4": _llama4,
    "laguna": _laguna,
    "step35": _step35,
    "ernie4_5-moe": _ernie_experts,
    "hunyuan-moe": _hunyuan_experts,
    "bert": _encoder,
    "nomic-bert": _nomic,
    "modern-bert": _encoder,
}
