"""Tiny configurations of every text architecture of the installed transformers.

The default configuration of a model type is made small by the names of its sizes, in all its parts.
What these names do not say is stated per type in `OWN`.
"""

from typing import Any

from transformers import CONFIG_MAPPING, PreTrainedConfig
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

KINDS = sorted({*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *MODEL_FOR_MASKED_LM_MAPPING_NAMES})

LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
NAMES = (
    (4,
     "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers "
     "num_decoder_layers num_encoder_layers"),
    (4,
     "num_attention_heads n_head n_heads num_heads encoder_attention_heads "
     "decoder_attention_heads attention_heads linear_num_value_heads "
     "linear_num_key_heads mamba_num_heads mamba_n_heads swa_num_attention_heads "
     "index_n_heads linear_num_heads"),
    (2,
     "num_key_value_heads num_kv_heads swa_num_key_value_heads n_shared_experts "
     "moe_num_shared_experts num_shared_experts mamba_expand expand"),
    (4,
     "num_experts_per_tok num_experts_per_token moe_topk topk top_k_experts moe_k "
     "num_experts num_local_experts n_routed_experts moe_num_experts zero_expert_num "
     "mamba_d_conv conv_L_cache linear_conv_kernel_dim index_topk_freq"),
    (32,
     "hidden_size d_model n_embd dim embedding_size word_embed_proj_dim emb_dim "
     "q_lora_rank kv_lora_rank o_lora_rank lru_width d_embed projection_dim "
     "attention_hidden_size vision_output_dim hidden_size_per_layer_input index_topk "
     "moe_latent_size"),
    (8,
     "head_dim qk_nope_head_dim qk_rope_head_dim v_head_dim sliding_window d_head "
     "mamba_d_state attention_window_size local_attention window_size "
     "sliding_window_size dim_head d_kv mamba_d_head mamba_head_dim "
     "linear_key_head_dim linear_value_head_dim ssm_state_size global_head_dim "
     "swa_head_dim index_head_dim state_size mamba_dt_rank vocab_size_per_layer_input "
     "linear_head_dim swa_v_head_dim"),
    (16,
     "attention_chunk_size mamba_chunk_size chunk_size qk_head_dim attention_head_dim"),
    (48,
     "intermediate_size ffn_dim d_ff n_inner moe_intermediate_size hidden_dim "
     "encoder_ffn_dim decoder_ffn_dim ffn_hidden_size mlp_dim dff dim_ff "
     "shared_expert_intermediate_size moe_shared_expert_intermediate_size "
     "shared_intermediate_size d_inner expert_ffn_hidden_size block_ff_dim "
     "shared_experts_intermediate_size dense_intermediate_size mamba_d_ssm "
     "intermediate_size_mlp"),
    (1,
     "n_groups n_group topk_group pad_token_id first_k_dense_replace mamba_n_groups "
     "moe_layer_start_index"),
    (100,
     "vocab_size vocab_size_per_layer_input"),
    (128,
     "max_position_embeddings n_positions n_ctx max_seq_len"),
    (0,
     "bos_token_id eos_token_id"),
    (0.0,
     "dropout attention_dropout hidden_dropout resid_pdrop attn_pdrop embd_pdrop"),
)  # fmt: skip
SMALL: dict[str, Any] = {name: size for size, names in NAMES for name in names.split()}
# Made anew from the sizes.
DERIVED = ("layer_types", "layers_block_type", "mlp_layer_types", "per_layer_config")
# Latent attention (DeepSeek) has as many keys as queries.
LATENT = {"num_key_value_heads": 4}
MAMBA = {"mamba_d_head": 16}  # heads times this is expand times the width
LINEAR = {"layer_types": ["linear_attention", "full_attention"] * 2}
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
SHARED = {"layers_block_type": ["linear_attention", "hybrid"] * 2}
QSA = {
    "layer_types": ["linear_attention", "indexed_attention"] * 2, "indexer_n_heads": 4,
    "indexer_kv_heads": 1, "indexer_head_dim": 8, "indexer_budget": 16,
    "indexer_compress_ratio": 4, "hc_lowrank": 8, "ple_embed_dim": 32, "heads_per_ngram": 2,
    "ngram_vocab_size_base": 100, "make_ngram_vocab_size_divisible_by": 4, "split_ngram_parts": 4,
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "axk1": LATENT,
    "axk2": LATENT,
    "bailing_hybrid": LATENT | LINEAR | {"num_expert_group": 1},
    "bamba": MAMBA | {"attn_layer_indices": [1, 3]},
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": ROPE, "sliding_attention": ROPE},
        "layer_types": ["full_attention", "sliding_attention"] * 2,
    },
    "codegen": {"rotary_dim": 8},
    "dbrx": {"attn_config": {"rope_theta": 10000.0, "clip_qkv": 8.0}},
    "deepseek_v2": LATENT | {"num_experts_per_tok": 4},
    "deepseek_v3": LATENT,
    "deepseek_v32": LATENT,
    "deepseek_v4": {
        "layer_types": [
            "sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention",
            "sliding_attention",
        ],
    },
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 4},
    "dory": {"n_input_layers": 1, "n_recurrent_layers": 2, "n_output_layers": 1},
    "dots3_note_text": LATENT,
    "emu3": {"vocabulary_map": {"<|extra_200|>": 3, "<image>": 4}},
    "esm": {"vocab_size": 100, "pad_token_id": 1, "mask_token_id": 2},
    "esmc": LATENT,
    "falcon_h1": {"mamba_d_ssm": 32},
    "gemma3n_text": {
        "layer_types": ["sliding_attention", "full_attention"] * 2, "num_kv_shared_layers": 2,
    },
    "glm4_moe_lite": LATENT,
    "glm_moe_dsa": LATENT,
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "gptj": {"rotary_dim": 8},
    "granitemoehybrid": MAMBA | {"layer_types": ["mamba", "attention"] * 2},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "jetmoe": {"num_experts_per_tok": 2},
    "kimi_linear": LATENT | LINEAR,
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "longcat_flash": LATENT,
    "mamba2": {"head_dim": 16},
    "minicpm3": LATENT,
    "ministral": {"head_dim": 8},
    "mpt": {"attn_config": {"attn_pdrop": 0}},
    "nemotron": {"head_dim": 8, "num_key_value_heads": 2},
    "neomme": {"head_dim": 16},
    "qwen4_exp_text": QSA,
    "qwen4_exp": {"text_config": QSA},
    "xmod": {"default_language": "en_XX"},
    "sarvam_mla": LATENT,
    "youtu": LATENT,
    "zamba": SHARED | {"attention_hidden_size": 64, "num_key_value_heads": 4},
    "zamba2": SHARED | {
        "hybrid_layer_ids": [1, 3], "attention_hidden_size": 64, "n_mamba_heads": 4,
        "mamba_headdim": 16,
    },
    "zaya": {"num_experts_per_tok": 1},
}  # fmt: skip


def tiny_config(kind: str) -> Any:
    """The configuration of a model type, small enough to be built in a moment."""
    return shrunk(CONFIG_MAPPING[kind](), OWN.get(kind, {}))


def shrunk(config: Any, own: dict[str, Any]) -> Any:
    """A configuration of the same class with small sizes, in all its parts. own: values of this
    type, for a part a dict of them."""
    values: dict[str, Any] = {}
    n_layers = next((config.to_dict()[name] for name in LAYERS if name in config.to_dict()), None)

    def of_layers(value: Any) -> bool:  # one entry per layer: made anew for fewer
        return isinstance(value, (list, tuple)) and len(value) == n_layers

    for name, value in config.to_dict().items():
        part = vars(config).get(name)
        if isinstance(part, PreTrainedConfig):
            values[name] = shrunk(part, own.get(name, {}))
        elif name in SMALL and isinstance(value, (int, float)):
            values[name] = SMALL[name]
        elif not (name in (*DERIVED, "model_type") or name.startswith("_") or of_layers(value)):
            values[name] = value
    parts = {name for name, part in vars(config).items() if isinstance(part, PreTrainedConfig)}
    return type(config)(**values | {name: own[name] for name in own.keys() - parts})
