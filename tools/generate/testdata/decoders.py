"""Decoders that run for embeddings and classes, and T5: their checkpoints' heads and configurations."""

import transformers

LABELED = ["base", "sequence-classification", "token-classification", "question-answering"]
HEADS = {
    "llama": LABELED, "mistral": LABELED[:3], "qwen2": LABELED[:2], "qwen3": LABELED, "gemma3_text": LABELED[:2],
    "t5": ["base", "token-classification"],
}
OPTIONS = {
    "llama": {"num_key_value_heads": 1}, "mistral": {"num_key_value_heads": 1, "sliding_window": 4},
    "qwen2": {"num_key_value_heads": 1}, "qwen3": {"num_key_value_heads": 1, "head_dim": 10},
    # Windows of 5 tokens on either side in the first layer, as EmbeddingGemma has them.
    "gemma3_text": {
        "num_key_value_heads": 1, "head_dim": 12, "sliding_window": 10, "query_pre_attn_scalar": 7,
        "layer_types": ["sliding_attention", "full_attention"], "use_bidirectional_attention": True,
    },
    "t5": {"d_kv": 10, "d_ff": 20, "relative_attention_num_buckets": 8, "relative_attention_max_distance": 12},
    "mt5": {"d_kv": 6, "d_ff": 20, "relative_attention_num_buckets": 12, "relative_attention_max_distance": 20},
}
# T5's encoder by itself.
CLASSES = {"t5-base": transformers.T5EncoderModel, "t5-base-gated": transformers.T5EncoderModel}
# Texts of more than 12 tokens turn otherwise.
LONGROPE = {
    "rope_type": "longrope", "rope_theta": 300.0, "original_max_position_embeddings": 12,
    "short_factor": [1.0, 1.05, 1.2, 1.5], "long_factor": [1.1, 2.0, 4.5, 9.0],
}
EXTRA = [
    ("t5-base-gated", "t5", "base", "gelu", {"feed_forward_proj": "gated-gelu"}),
    ("t5-sequence-classification", "t5", "sequence-classification", "gelu", {
        "num_hidden_layers": 1, "num_decoder_layers": 2, "decoder_start_token_id": 1,
    }),
    ("mt5-sequence-classification", "mt5", "sequence-classification", "gelu", {
        "num_hidden_layers": 2, "num_decoder_layers": 1, "decoder_start_token_id": 0,
    }),
    ("llama-longrope", "llama", "base", "silu", {"rope_parameters": LONGROPE}),
    ("gte-longrope", "gte", "masked-lm", "gelu", {
        "rope_parameters": {**LONGROPE, "attention_factor": 0.8, "factor": 3.0},
    }),
]
# What single checkpoints have beside those, so that every setting of a family is in one of them.
OF_FOLDER = {
    "llama-base": {
        "hidden_act": "silu", "rope_parameters": {
            "rope_type": "llama3", "rope_theta": 300.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    },
    "llama-sequence-classification": {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 2},
    "llama-token-classification": {"head_dim": 6, "pad_token_id": None},
    "llama-question-answering": {"is_causal": False},
    "mistral-base": {"hidden_act": "silu", "head_dim": 10},
    "mistral-sequence-classification": {"sliding_window": None, "pad_token_id": None},
    "mistral-token-classification": {"is_causal": False, "head_dim": 6},
    "qwen2-sequence-classification": {
        "use_sliding_window": True, "sliding_window": 5, "layer_types": ["sliding_attention", "full_attention"],
    },
    "qwen3-base": {"hidden_act": "silu"},
    "qwen3-sequence-classification": {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
    "qwen3-token-classification": {
        "attention_bias": True, "rope_parameters": {
            "rope_type": "yarn", "rope_theta": 300.0, "factor": 4.0, "original_max_position_embeddings": 10,
        },
    },
    "qwen3-question-answering": {
        "is_causal": False, "rope_parameters": {
            "rope_type": "yarn", "rope_theta": 10000.0, "factor": 8.0, "original_max_position_embeddings": 16, "beta_fast": 4,
            "mscale": 0.7, "mscale_all_dim": 1.3, "truncate": False,
        },
    },
    # Tokens see those before them.
    "gemma3_text-sequence-classification": {
        "use_bidirectional_attention": False, "attention_bias": True, "sliding_window": 4, "query_pre_attn_scalar": 64,
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
        },
    },
}
