"""What a configuration says in its family's own words: latent attention, state spaces, hybrid layers, encoders.

Each function completes a record in place. A missing field raises KeyError with its name, which ``config_json`` turns
into a message. Source: llama.cpp's converter, build b11434 (November 2026).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

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


def _delta_net(config: Config, record: Record) -> None:
    value_heads = config["linear_num_value_heads"]
    record |= {
        "ssm.conv_kernel": config["linear_conv_kernel_dim"],
        "ssm.state_size": config["linear_key_head_dim"],
        "ssm.group_count": config["linear_num_key_heads"],
        "ssm.time_step_rank": value_heads,
        "ssm.inner_size": config["linear_value_head_dim"] * value_heads,
        "full_attention_interval": config.get("full_attention_interval", 4),
    }
    kinds = config.get("layer_types")
    if kinds:
        record["attention.recurrent_layers"] = [kind == "linear_attention" for kind in kinds]
    record.setdefault("rope.dimension_count", record["attention.key_length"] // 4)


def _mamba(config: Config, record: Record) -> None:
    width = record["embedding_length"]
    record |= {
        "ssm.conv_kernel": config.get("conv_kernel", config.get("d_conv", 4)),
        "ssm.inner_size": config.get("intermediate_size", config.get("d_inner", 2 * width)),
        "ssm.state_size": config.get("state_size", config.get("d_state", 16)),
        "ssm.time_step_rank": _rank(config, width),
        "attention.head_count": 0,
    }
    record.pop("feed_forward_length", None)
    record.setdefault("context_length", 1 << 20)  # what the converter writes for models without a limit


def _rank(config: Config, width: int) -> int:
    rank = config.get("time_step_rank", config.get("dt_rank"))
    return rank if isinstance(rank, int) else -(-width // 16)


def _mamba2(config: Config, record: Record) -> None:
    inner = config.get("expand", 2) * record["embedding_length"]
    record |= {
        "ssm.conv_kernel": config.get("conv_kernel", 4),
        "ssm.inner_size": inner,
        "ssm.state_size": config.get("state_size", 128),
        "ssm.group_count": config.get("n_groups", 8),
        "ssm.time_step_rank": inner // config.get("head_dim", 64),
        "attention.head_count": 0,
    }
    for key in ("feed_forward_length", "attention.key_length", "attention.value_length"):
        record.pop(key, None)
    record.setdefault("context_length", 1 << 20)


def _granite_hybrid(config: Config, record: Record) -> None:
    """Hybrid layers; a configuration whose layers all attend becomes the plain architecture."""
    kinds = config.get("layer_types") or config["layers_block_type"]
    if "mamba" not in kinds:
        record["architecture"] = "granitemoe" if record.get("expert_count") else "granite"
        if not record.get("expert_count"):
            record["feed_forward_length"] = config.get("shared_intermediate_size", config["intermediate_size"])
            record.pop("expert_shared_feed_forward_length", None)
        return
    heads = record["attention.head_count_kv"]
    record |= {
        "attention.head_count_kv": [0 if kind == "mamba" else heads for kind in kinds],
        "ssm.conv_kernel": config["mamba_d_conv"],
        "ssm.state_size": config["mamba_d_state"],
        "ssm.group_count": config.get("mamba_n_groups", 1),
        "ssm.time_step_rank": config["mamba_n_heads"],
        "ssm.inner_size": config["mamba_n_heads"] * config["mamba_d_head"],
    }
    if not record.get("expert_count"):
        record["feed_forward_length"] = config.get("shared_intermediate_size", config["intermediate_size"])


def _falcon_h1(config: Config, record: Record) -> None:
    record |= {
        "ssm.conv_kernel": config["mamba_d_conv"],
        "ssm.state_size": config["mamba_d_state"],
        "ssm.group_count": config["mamba_n_groups"],
        "ssm.time_step_rank": config["mamba_n_heads"],
        "ssm.inner_size": config["mamba_d_ssm"],
        "ssm_norm": config.get("mamba_rms_norm") is True,
    }


_FEED_FORWARD_LAYERS: Final = frozenset({"-", "E", "mlp", "moe"})
_STATE_LAYERS: Final = frozenset({"M", "mamba"})


def _nemotron_h(config: Config, record: Record) -> None:
    """Blocks that do one thing each, spelt as letters or words."""
    pattern = list(config.get("hybrid_override_pattern") or config["layers_block_type"])
    experts = bool(record.get("expert_count")) and bool(config.get("moe_intermediate_size"))
    width = config["moe_intermediate_size"] if experts else record["feed_forward_length"]
    state = _STATE_LAYERS | _FEED_FORWARD_LAYERS
    kv_heads = record["attention.head_count_kv"]
    head_length = config.get("head_dim") or config["attention_head_dim"]
    record |= {
        "architecture": "nemotron_h_moe" if experts else "nemotron_h",
        "block_count": len(pattern),
        "feed_forward_length": [width if kind in _FEED_FORWARD_LAYERS else 0 for kind in pattern],
        "attention.head_count_kv": [0 if kind in state else kv_heads for kind in pattern],
        "attention.key_length": head_length,
        "attention.value_length": head_length,
        "ssm.conv_kernel": config["conv_kernel"],
        "ssm.state_size": config["ssm_state_size"],
        "ssm.group_count": config["n_groups"],
        "ssm.time_step_rank": config["mamba_num_heads"],
        "ssm.inner_size": config["mamba_num_heads"] * config["mamba_head_dim"],
    }
    if experts:
        record["expert_shared_feed_forward_length"] = config["moe_shared_expert_intermediate_size"]
        record["moe_latent_size"] = config.get("moe_latent_size") or 0


def _short_convolution(config: Config, record: Record) -> None:
    kinds, heads = config["layer_types"], record["attention.head_count_kv"]
    record["attention.head_count_kv"] = [0 if kind == "conv" else heads for kind in kinds]
    record["shortconv.l_cache"] = config["conv_L_cache"]
    if record["architecture"] == "lfm2":
        record["feed_forward_length"] = _lfm2_width(config)


def _lfm2_width(config: Config) -> int:
    """The feed-forward width, which the configuration gives before adjustment."""
    width: int = config.get("block_ff_dim", config["intermediate_size"])
    if not config.get("block_auto_adjust_ff_dim", True):
        return width
    width = int(2 * width / 3)
    multiplier = config.get("block_ffn_dim_multiplier")
    width = int(width * multiplier) if multiplier is not None else width
    step = config.get("block_multiple_of", 256)
    return int(-(-width // step) * step)


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
    "deepseek2": _latent,
    "deepseek32": _indexed,
    "glm-dsa": _indexed,
    "deepseek4": _compressed,
    "qwen3next": _delta_net,
    "qwen35": _delta_net,
    "qwen35moe": _delta_net,
    "mamba": _mamba,
    "mamba2": _mamba2,
    "granitehybrid": _granite_hybrid,
    "falcon-h1": _falcon_h1,
    "nemotron_h": _nemotron_h,
    "lfm2": _short_convolution,
    "lfm2moe": _short_convolution,
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
