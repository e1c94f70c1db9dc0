"""What a configuration says of layers that keep a state: linear attention, Mamba, short convolutions, hybrids.

Each function completes a record in place; a missing field raises KeyError with its name. Source: llama.cpp's
converter, build b11434 (November 2026).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Config = Mapping[str, Any]
Record = dict[str, Any]


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


STATE_ADJUSTMENTS: Final[Mapping[str, Callable[[Config, Record], None]]] = {
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
}
