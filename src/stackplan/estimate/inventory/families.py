"""Architectures as lists of parts: what every block has, and what its mixer and its feed-forward add.

A word is a part of ``parts``; "flag?part" counts only when the flag holds for that block, "!flag?part" when it does
not. ``mixer`` and ``feed_forward`` name the rules by which ``build`` tells what kind a block is.

Source: model loaders of llama.cpp, build b11434 (November 2026); the converter decides which optional ones exist.
"""

from dataclasses import dataclass
from typing import Final

from stackplan.values import replace


@dataclass(frozen=True, slots=True)
class Family:
    """The tensors of one architecture."""

    every: str = "attn_norm ffn_norm"
    attention: str = "qkv out attention_bias?qkv_bias attention_output_bias?out_bias qk_norm?qk_norm"
    recurrent: str = ""
    dense: str = "mlp mlp_bias?mlp_bias"
    expert: str = "router experts shared?shared_expert score_bias?score_bias"
    once: str = "embedding output_norm !tied_embeddings?head rope_frequencies?rope_freqs rope_factors?rope_factors"
    prediction: str = "prediction prediction_embeddings?prediction_embeddings"
    mixer: str = "attention"
    feed_forward: str = "leading"


_LLAMA: Final = Family(expert="router wide_experts shared?shared_expert")
_QWEN3: Final = replace(
    _LLAMA, attention="qkv out qk_norm attention_bias?qkv_bias", expert="router experts", feed_forward="all"
)
_DELTA: Final = Family(
    every="attn_norm post_attention_norm",
    attention="gated_qkv out qk_norm",
    recurrent="delta_net delta_net_split",
    expert="router experts shared_expert shared_expert_gate",
    mixer="interval",
    feed_forward="all",
)
_GEMMA2: Final = Family(every="attn_norm post_attention_norm ffn_norm post_ffw_norm", attention="qkv out")
_GEMMA3: Final = replace(_GEMMA2, attention="qkv out qk_norm")
_LATENT_ATTENTION: Final = (
    "low_rank_q?latent_low_rank_q !low_rank_q?latent_q latent_kv absorbed?latent_absorbed !absorbed?latent_expanded "
    "latent_out indexer?indexer"
)
_DEEPSEEK2: Final = Family(
    attention=_LATENT_ATTENTION, expert="router experts shared?shared_expert score_bias?score_bias"
)
_BERT: Final = Family(
    every="attn_output_norm layer_output_norm",
    attention="qkv qkv_bias out out_bias",
    dense="two_matrix_mlp two_matrix_mlp_bias",
    once="embedding positions token_typed?token_types embedding_norm embedding_norm_bias classifier?classifier",
)
_LAYER_NORMS: Final = "attn_norm attn_norm_bias ffn_norm ffn_norm_bias"
_NORMED_ONCE: Final = "embedding output_norm output_norm_bias !tied_embeddings?head"
_GPT: Final = Family(
    every=_LAYER_NORMS,
    attention="fused_qkv fused_qkv_bias out out_bias",
    dense="two_matrix_mlp two_matrix_mlp_bias",
    once=_NORMED_ONCE,
)

FAMILIES: Final = {
    "llama": _LLAMA,
    "mistral3": _LLAMA,
    "granite": _LLAMA,
    "granitemoe": _LLAMA,
    "arcee": replace(_LLAMA, dense="two_matrix_mlp"),
    "smollm3": _LLAMA,
    "internlm2": _LLAMA,
    "exaone": _LLAMA,
    "ernie4_5": replace(_LLAMA, feed_forward="dense"),
    "baichuan": _LLAMA,
    "minicpm": _LLAMA,
    "seed_oss": replace(_LLAMA, every="attn_norm post_attention_norm"),
    "hunyuan-dense": replace(_LLAMA, attention="qkv out qk_norm"),
    "apertus": replace(_LLAMA, attention="qkv out qk_norm", dense="two_matrix_mlp"),
    "qwen2": replace(_LLAMA, attention="qkv out qkv_bias"),
    "qwen2vl": replace(_LLAMA, attention="qkv out qkv_bias"),
    "qwen2moe": Family(
        attention="qkv out qkv_bias", expert="router experts shared_expert shared_expert_gate", feed_forward="all"
    ),
    "qwen3": _QWEN3,
    "qwen3vl": _QWEN3,
    "qwen3moe": _QWEN3,
    "qwen3vlmoe": _QWEN3,
    "qwen3next": replace(_DELTA, recurrent="delta_net delta_net_joint"),
    "qwen35": _DELTA,
    "qwen35moe": _DELTA,
    "gemma": Family(attention="qkv out"),
    "gemma2": _GEMMA2,
    "gemma3": _GEMMA3,
    "gemma-embedding": replace(_GEMMA3, once="embedding output_norm dense_heads?dense_heads"),
    "gemma3n": replace(
        _GEMMA3,
        every="attn_norm post_attention_norm ffn_norm post_ffw_norm per_layer_input altup laurel",
        once="embedding output_norm per_layer_embeddings altup",
    ),
    "gemma4": replace(
        _GEMMA3,
        every="attn_norm post_attention_norm ffn_norm post_ffw_norm output_scale per_layer?per_layer_input",
        attention="q q_norm owns_kv?k owns_kv?k_norm owns_v?v out",
        expert="mlp router router_scale fused_experts expert_norms",
        once="embedding output_norm per_layer?per_layer_embeddings rope_freqs_full",
        feed_forward="all",
    ),
    "bert": _BERT,
    "nomic-bert": Family(
        every="attn_output_norm layer_output_norm",
        attention="fused_qkv out",
        dense="mlp",
        once="embedding token_typed?token_types embedding_norm embedding_norm_bias",
    ),
    "modern-bert": Family(
        every="!first?attn_norm ffn_norm",
        attention="fused_qkv out",
        dense="fused_mlp",
        once="embedding embedding_norm output_norm classifier?classifier_dense classifier?classifier_norm "
        "classifier?classifier_output",
    ),
    "deepseek2": _DEEPSEEK2,
    "deepseek32": _DEEPSEEK2,
    "glm-dsa": _DEEPSEEK2,
    "mistral4": _DEEPSEEK2,
    "deepseek4": Family(
        attention="compressed hyper_connections compressing?compressor indexing?compressor_indexer",
        expert="router hashed?expert_by_token !hashed?score_bias experts shared_expert",
        once="embedding output_norm head hyper_connection_head",
        feed_forward="all",
    ),
    "deepseek": Family(expert="router experts shared?shared_expert"),
    "dots1": Family(attention="qkv out qk_norm"),
    "glm4": Family(
        every="attn_norm post_attention_norm ffn_norm post_ffw_norm",
        attention="qkv out attention_bias?qkv_bias",
        dense="fused_mlp",
    ),
    "glm4moe": Family(
        every="attn_norm post_attention_norm",
        attention="qkv out attention_bias?qkv_bias qk_norm?qk_norm",
        expert="router score_bias experts shared?shared_expert",
    ),
    "gpt-oss": Family(
        every="attn_norm post_attention_norm",
        attention="qkv qkv_bias out out_bias sinks",
        expert="router router_bias experts expert_bias",
        feed_forward="all",
    ),
    "phi3": Family(attention="fused_qkv out", dense="fused_mlp"),
    "starcoder2": Family(
        every=_LAYER_NORMS,
        attention="qkv qkv_bias out out_bias",
        dense="two_matrix_mlp two_matrix_mlp_bias",
        once=_NORMED_ONCE,
    ),
    "nemotron": Family(every=_LAYER_NORMS, attention="qkv out", dense="two_matrix_mlp", once=_NORMED_ONCE),
    "command-r": Family(every="attn_norm", attention="qkv out deep?qk_norm_per_head", once="embedding output_norm"),
    "cohere2": Family(every="attn_norm", attention="qkv out", once="embedding output_norm"),
    "olmo2": Family(every="post_attention_norm post_ffw_norm", attention="qkv out wide_qk_norm"),
    "olmoe": Family(attention="qkv out wide_qk_norm", expert="router wide_experts", feed_forward="all"),
    "minimax-m2": Family(attention="qkv out wide_qk_norm", expert="router wide_experts score_bias", feed_forward="all"),
    "llama4": Family(attention="qkv out", expert="router experts equal_shared_expert", feed_forward="step"),
    "laguna": Family(attention="qkv out qk_norm head_gate", expert="router score_bias experts shared_expert"),
    "muse-glimmer": Family(
        every="attn_norm post_attention_norm ffn_norm post_ffw_norm", attention="qkv out qk_norm element_gate"
    ),
    "step35": Family(attention="qkv out qk_norm head_gate", expert="router score_bias experts shared_expert"),
    "exaone4": Family(every="post_attention_norm post_ffw_norm", attention="qkv out qk_norm"),
    "ernie4_5-moe": Family(),
    "hunyuan-moe": Family(attention="qkv out qk_norm", expert="router wide_experts shared_expert", feed_forward="all"),
    "lfm2": Family(
        attention="qkv out qk_norm",
        recurrent="short_convolution",
        mixer="zero-kv",
        once="embedding output_norm_lfm2 !tied_embeddings?head",
    ),
    "lfm2moe": Family(
        attention="qkv out qk_norm",
        recurrent="short_convolution",
        mixer="zero-kv",
        expert="router experts score_bias",
        once="embedding output_norm_lfm2 !tied_embeddings?head",
    ),
    "mamba": Family(every="attn_norm", recurrent="mamba", mixer="recurrent", feed_forward="none"),
    "mamba2": Family(every="attn_norm", recurrent="mamba2 mamba2_norm", mixer="recurrent", feed_forward="none"),
    "jamba": Family(recurrent="mamba mamba_norms", mixer="zero-kv", expert="router wide_experts", feed_forward="step"),
    "granitehybrid": replace(_LLAMA, recurrent="mamba2 mamba2_norm", mixer="zero-kv"),
    "falcon-h1": replace(_LLAMA, every="attn_norm plain_ffn_norm", attention="qkv out mamba2 ssm_norm?mamba2_norm"),
    "nemotron_h": Family(
        every="attn_norm",
        attention="qkv out",
        recurrent="mamba2 mamba2_norm",
        dense="two_matrix_mlp",
        mixer="single",
        feed_forward="single",
    ),
    "nemotron_h_moe": Family(
        every="attn_norm",
        attention="qkv out",
        recurrent="mamba2 mamba2_norm",
        dense="two_matrix_mlp",
        expert="router score_bias two_matrix_experts latent?latent_experts two_matrix_shared_expert",
        mixer="single",
        feed_forward="single",
    ),
    "dream": replace(_LLAMA, attention="qkv out qkv_bias"),
    "llada": _LLAMA,
    "xverse": _LLAMA,
    "refact": _LLAMA,
    "nanbeige": _LLAMA,
    "pangu-embedded": _LLAMA,
    "maincoder": _QWEN3,
    "hunyuan_vl": replace(_LLAMA, attention="qkv out qk_norm"),
    "mellum": _QWEN3,
    "rnd1": _QWEN3,
    "llada-moe": _QWEN3,
    "smallthinker": Family(attention="qkv out", expert="router experts", feed_forward="all"),
    "exaone-moe": Family(attention="qkv out qk_norm"),
    "afmoe": Family(
        every="attn_norm post_attention_norm ffn_norm post_ffw_norm",
        attention="qkv out qk_norm element_gate",
        expert="router score_bias experts shared?shared_expert",
    ),
    "bailingmoe": Family(attention="qkv out", expert="router experts shared_expert", feed_forward="all"),
    "bailingmoe2": Family(attention="fused_qkv out qk_norm"),
    "cohere2moe": Family(every="attn_norm", attention="qkv out"),
    "mimo2": Family(attention="qkv out sinks?sinks"),
    "olmo": Family(every="", attention="qkv out", once="embedding !tied_embeddings?head"),
    "plamo": Family(every="attn_norm", attention="qkv out", once="embedding output_norm !tied_embeddings?head"),
    "orion": Family(every=_LAYER_NORMS, attention="qkv out", once=_NORMED_ONCE),
    "stablelm": Family(every=_LAYER_NORMS, attention="qkv out attention_bias?qkv_bias", once=_NORMED_ONCE),
    "phi2": Family(
        every="attn_norm attn_norm_bias",
        attention="qkv qkv_bias out out_bias",
        dense="two_matrix_mlp two_matrix_mlp_bias",
        once=_NORMED_ONCE + " head_bias",
    ),
    "phimoe": Family(
        every=_LAYER_NORMS,
        attention="qkv qkv_bias out out_bias",
        expert="router wide_experts",
        once=_NORMED_ONCE + " head_bias rope_factors?rope_factors",
        feed_forward="all",
    ),
    "falcon": Family(
        every="attn_norm attn_norm_bias two_norms?attn_norm_2",
        attention="fused_qkv out",
        dense="two_matrix_mlp",
        once=_NORMED_ONCE,
    ),
    "gptneox": _GPT,
    "gpt2": replace(_GPT, once=_NORMED_ONCE + " positions"),
    "starcoder": replace(_GPT, once=_NORMED_ONCE + " positions"),
    "bloom": replace(_GPT, once=_NORMED_ONCE + " embedding_norm embedding_norm_bias"),
}
