"""Groups of tensors that occur together, as text: one tensor per entry, its name and its dimensions by symbol.

Dimensions are in GGML order, so the first is the row that a product contracts. ``dimensions.py`` gives every symbol
its number. Names of parts starting in a block are relative to it ("attn_q.weight" becomes "blk.7.attn_q.weight").

Source: tensor tables of llama.cpp's model loaders and of GGUF files it wrote, build b11434 (November 2026).
"""

from typing import Final

# Tensors outside blocks.
ONCE: Final = {
    "embedding": "token_embd.weight e V",
    "head": "output.weight e V",
    "head_bias": "output.bias V",
    "output_norm": "output_norm.weight e",
    "output_norm_bias": "output_norm.bias e",
    "output_norm_lfm2": "token_embd_norm.weight e",
    "embedding_norm": "token_embd_norm.weight e",
    "embedding_norm_bias": "token_embd_norm.bias e",
    "positions": "position_embd.weight e positions",
    "token_types": "token_types.weight e token_types",
    "rope_freqs": "rope_freqs.weight rot/2",
    "rope_freqs_full": "rope_freqs.weight hk_full/2",
    "rope_factors": "rope_factors_long.weight rot/2, rope_factors_short.weight rot/2",
    "classifier": "cls.weight e e, cls.bias e, cls.output.weight e classes, cls.output.bias classes",
    "classifier_dense": "cls.weight e e",
    "classifier_norm": "cls.norm.weight e",
    "classifier_output": "cls.output.weight e classes",
    "dense_heads": "dense_2.weight e dense2, dense_3.weight dense3 e",
    "per_layer_embeddings": "per_layer_token_embd.weight p*L V, per_layer_model_proj.weight e p*L, "
    "per_layer_proj_norm.weight p",
    "altup": "altup_proj.weight e e altup-1, altup_unembd_proj.weight e e altup-1",
    "hyper_connection_head": "output_hc_fn.weight hc*e hc, output_hc_base.weight hc, output_hc_scale.weight one",
}

# Tensors within a block.
BLOCK: Final = {
    # norms
    "attn_norm": "attn_norm.weight e",
    "attn_norm_2": "attn_norm_2.weight e, attn_norm_2.bias e",
    "attn_norm_bias": "attn_norm.bias e",
    "ffn_norm": "ffn_norm.weight e",
    "plain_ffn_norm": "ffn_norm e",
    "ffn_norm_bias": "ffn_norm.bias e",
    "post_attention_norm": "post_attention_norm.weight e",
    "post_ffw_norm": "post_ffw_norm.weight e",
    "attn_output_norm": "attn_output_norm.weight e, attn_output_norm.bias e",
    "layer_output_norm": "layer_output_norm.weight e, layer_output_norm.bias e",
    # attention
    "q": "attn_q.weight e q",
    "k": "attn_k.weight e k",
    "v": "attn_v.weight e v",
    "qkv": "attn_q.weight e q, attn_k.weight e k, attn_v.weight e v",
    "gated_qkv": "attn_q.weight e 2*q, attn_k.weight e k, attn_v.weight e v",
    "fused_qkv": "attn_qkv.weight e q+k+v",
    "qkv_bias": "attn_q.bias q, attn_k.bias k, attn_v.bias v",
    "fused_qkv_bias": "attn_qkv.bias q+k+v",
    "out": "attn_output.weight o e",
    "out_bias": "attn_output.bias e",
    "qk_norm": "attn_q_norm.weight hk, attn_k_norm.weight hk",
    "q_norm": "attn_q_norm.weight hk",
    "k_norm": "attn_k_norm.weight hk",
    "wide_qk_norm": "attn_q_norm.weight q, attn_k_norm.weight k",
    "qk_norm_per_head": "attn_q_norm.weight hk H, attn_k_norm.weight hk K",
    "sinks": "attn_sinks.weight H",
    "head_gate": "attn_gate.weight e H",
    "element_gate": "attn_gate.weight e q",
    # latent attention
    "latent_q": "attn_q.weight e H*hkm",
    "latent_low_rank_q": "attn_q_a.weight e rq, attn_q_a_norm.weight rq, attn_q_b.weight rq H*hkm",
    "latent_kv": "attn_kv_a_mqa.weight e rkv+rot, attn_kv_a_norm.weight rkv",
    "latent_absorbed": "attn_k_b.weight nope rkv H, attn_v_b.weight rkv hvm H",
    "latent_expanded": "attn_kv_b.weight rkv H*(nope+hvm)",
    "latent_out": "attn_output.weight H*hvm e",
    "indexer": "indexer.k_norm.weight ih, indexer.k_norm.bias ih, indexer.proj.weight e iH, "
    "indexer.attn_k.weight e ih, indexer.attn_q_b.weight rq iH*ih",
    # compressed attention with hyper-connections (deepseek4)
    "compressed": "attn_sinks.weight H, attn_q_a.weight e rq, attn_q_a_norm.weight rq, attn_q_b.weight rq q, "
    "attn_kv.weight e hk, attn_kv_a_norm.weight hk, attn_output_a.weight q/og ro og, attn_output_b.weight og*ro e",
    "hyper_connections": "hc_attn_fn.weight hc*e hcm, hc_attn_base.weight hcm, hc_attn_scale.weight three, "
    "hc_ffn_fn.weight hc*e hcm, hc_ffn_base.weight hcm, hc_ffn_scale.weight three",
    "compressor": "attn_compressor_kv.weight e cw, attn_compressor_gate.weight e cw, "
    "attn_compressor_ape.weight cw ratio, attn_compressor_norm.weight hk",
    "compressor_indexer": "indexer.proj.weight e iH, indexer.attn_q_b.weight rq iH*ih, "
    "indexer_compressor_kv.weight e 2*ih, indexer_compressor_gate.weight e 2*ih, "
    "indexer_compressor_ape.weight 2*ih ratio, indexer_compressor_norm.weight ih",
    # state spaces, linear attention, short convolution
    "mamba": "ssm_in.weight e 2*d, ssm_conv1d.weight c d, ssm_conv1d.bias d, ssm_x.weight d r+2*s, "
    "ssm_dt.weight r d, ssm_dt.bias d, ssm_a s d, ssm_d d, ssm_out.weight d e",
    "mamba_norms": "ssm_dt_norm.weight r, ssm_b_norm.weight s, ssm_c_norm.weight s",
    "mamba2": "ssm_in.weight e 2*d+2*gs+r, ssm_conv1d.weight c d+2*gs, ssm_conv1d.bias d+2*gs, ssm_dt.bias r, "
    "ssm_a one r, ssm_d one r, ssm_out.weight d e",
    "mamba2_norm": "ssm_norm.weight d/g g",
    "delta_net": "attn_qkv.weight e 2*gs+sr, attn_gate.weight e sr, ssm_conv1d.weight c 2*gs+sr, ssm_dt.bias r, "
    "ssm_a r, ssm_norm.weight s, ssm_out.weight sr e",
    "delta_net_joint": "ssm_ba.weight e 2*r",
    "delta_net_split": "ssm_alpha.weight e r, ssm_beta.weight e r",
    "short_convolution": "shortconv.conv.weight lc e, shortconv.in_proj.weight e 3*e, shortconv.out_proj.weight e e",
    # feed-forward
    "mlp": "ffn_gate.weight e f, ffn_up.weight e f, ffn_down.weight f e",
    "mlp_bias": "ffn_gate.bias f, ffn_up.bias f, ffn_down.bias e",
    "two_matrix_mlp": "ffn_up.weight e f, ffn_down.weight f e",
    "two_matrix_mlp_bias": "ffn_up.bias f, ffn_down.bias e",
    "fused_mlp": "ffn_up.weight e 2*f, ffn_down.weight f e",
    "router": "ffn_gate_inp.weight e N",
    "router_bias": "ffn_gate_inp.bias N",
    "router_scale": "ffn_gate_inp.scale e",
    "score_bias": "exp_probs_b.bias N",
    "wide_experts": "ffn_gate_exps.weight e f N, ffn_up_exps.weight e f N, ffn_down_exps.weight f e N",
    "experts": "ffn_gate_exps.weight e fe N, ffn_up_exps.weight e fe N, ffn_down_exps.weight fe e N",
    "expert_bias": "ffn_gate_exps.bias fe N, ffn_up_exps.bias fe N, ffn_down_exps.bias e N",
    "fused_experts": "ffn_gate_up_exps.weight e 2*fe N, ffn_down_exps.weight fe e N, ffn_down_exps.scale N",
    "two_matrix_experts": "ffn_up_exps.weight m fe N, ffn_down_exps.weight fe m N",
    "latent_experts": "ffn_latent_down.weight e m, ffn_latent_up.weight m e",
    "expert_norms": "pre_ffw_norm_2.weight e, post_ffw_norm_1.weight e, post_ffw_norm_2.weight e",
    "expert_by_token": "ffn_gate_tid2eid.weight U V",
    "shared_expert": "ffn_gate_shexp.weight e fs, ffn_up_shexp.weight e fs, ffn_down_shexp.weight fs e",
    "equal_shared_expert": "ffn_gate_shexp.weight e fe, ffn_up_shexp.weight e fe, ffn_down_shexp.weight fe e",
    "two_matrix_shared_expert": "ffn_up_shexp.weight e fs, ffn_down_shexp.weight fs e",
    "shared_expert_gate": "ffn_gate_inp_shexp.weight e",
    # prediction of further tokens
    "prediction": "nextn.eh_proj.weight 2*e e, nextn.enorm.weight e, nextn.hnorm.weight e, "
    "nextn.shared_head_norm.weight e",
    "prediction_embeddings": "nextn.embed_tokens.weight e V, nextn.shared_head_head.weight e V",
    # gemma3n and gemma4
    "output_scale": "layer_output_scale.weight one",
    "per_layer_input": "inp_gate.weight e p, proj.weight p e, post_norm.weight e",
    "altup": "altup_correct_coef.weight altup altup, altup_correct_scale.weight e, "
    "altup_predict_coef.weight altup altup*altup, altup_router.weight e altup, altup_router_norm.weight e",
    "laurel": "laurel_l.weight e laurel, laurel_r.weight laurel e, laurel_post_norm.weight e",
}
