"""Families whose checkpoints are made smaller, so that every head of each fits in 0.1 MB: their configurations."""

import transformers

import decoders
import encoder_decoders
import nomic_experts
import own_models
import small_tokenizers

ALL_HEADS = ["base", "sequence-classification", "token-classification", "question-answering", "masked-lm"]
NO_ANSWERS = ["base", "sequence-classification", "token-classification", "masked-lm"]
HEADS = {
    "mpnet": ALL_HEADS, "deberta": ALL_HEADS, "deberta-v2": ALL_HEADS,
    "ernie": ["base", "masked-lm", "next-sentence", "multiple-choice"],
    "megatron-bert": ["base", "masked-lm"], "roberta-prelayernorm": ["base", "masked-lm"],
    "xlm-roberta-xl": ["base", "masked-lm"], "data2vec-text": ["base", "masked-lm"], "dpr": ["base"],
    "modernbert": ALL_HEADS, "nomic_bert": NO_ANSWERS, "gte": NO_ANSWERS, "eurobert": NO_ANSWERS,
    "jina_embeddings_v3": ["base", "sequence-classification", "masked-lm"], "esm": NO_ANSWERS,
    "longformer": [*ALL_HEADS, "multiple-choice"], "big_bird": [*ALL_HEADS, "multiple-choice"],
    **{family: list(heads) for family, heads in own_models.ARCHITECTURES.items()}, **decoders.HEADS,
    **encoder_decoders.HEADS, "mt5": [],
}
# Families with segments.
WITH_TYPES = {"ernie", "megatron-bert", "dpr", "nomic_bert", *own_models.WITH_TYPES}
# Families that count positions from the padding.
ROBERTA_POSITIONS = {"longformer", "mpnet", "roberta-prelayernorm", "xlm-roberta-xl", "data2vec-text"}
MAX_LENGTH = 40
# As microsoft/deberta-base has it.
DEBERTA = {
    "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False, "max_relative_positions": -1,
    "type_vocab_size": 0, "layer_norm_eps": 1e-7,
}
# As microsoft/deberta-v3-base has it, with fewer buckets.
DEBERTA_V3 = {
    **DEBERTA, "pos_att_type": "p2c|c2p", "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True,
}
OPTIONS = {
    "deberta": DEBERTA, "deberta-v2": DEBERTA_V3, "dpr": {"projection_dim": 12}, "xlm-roberta-xl": {"layer_norm_eps": 1e-5},
    # One that many texts are longer than, and one of a few tokens.
    "longformer": {"attention_window": [16, 4], "type_vocab_size": 1, "sep_token_id": 2},
    # Blocks from 15 tokens on; [SEP] of the small tokenizer. Smaller than the others, for its six heads.
    "big_bird": {"hidden_size": 8, "intermediate_size": 12, "block_size": 2, "num_random_blocks": 1, "sep_token_id": 3},
    # A window of 4 tokens on either side in the second layer.
    # A mask behind all pieces, so that none of the texts has it.
    "esm": {"position_embedding_type": "rotary", "token_dropout": True, "vocab_size": 121, "mask_token_id": 120},
    "modernbert": {"local_attention": 8}, "gte": {"type_vocab_size": 1}, "eurobert": {"num_key_value_heads": 1},
    "ernie": {"use_task_id": True, "task_type_vocab_size": 3}, **decoders.OPTIONS,
}
# What single checkpoints have beside those, so that every setting of a family is in one of them.
OF_FOLDER = {
    **decoders.OF_FOLDER,
    # [MASK] of the small tokenizer.
    "esm-masked-lm": {"vocab_size": 120, "mask_token_id": 4},
    "esm-absolute": {
        "position_embedding_type": "absolute", "emb_layer_norm_before": True, "max_position_embeddings": MAX_LENGTH + 1,
    },
    "longformer-token-classification": {"attention_window": 8},
    "longformer-multiple-choice": {"num_labels": 1},
    "big_bird-sequence-classification": {"num_hidden_layers": 1, "block_size": 4},
    "big_bird-token-classification": {
        "num_hidden_layers": 1, "attention_type": "original_full", "use_bias": False, "rescale_embeddings": True,
    },
    "big_bird-question-answering": {"num_hidden_layers": 1},
    "big_bird-masked-lm": {"num_hidden_layers": 1, "num_random_blocks": 2},
    "big_bird-multiple-choice": {"num_hidden_layers": 1, "num_labels": 1},
    "ernie-multiple-choice": {"num_labels": 1, "use_task_id": False},
    "deberta-sequence-classification": {"pos_att_type": ["p2c"], "max_relative_positions": 12},
    "deberta-token-classification": {"pos_att_type": ["c2p"], "position_biased_input": True, "type_vocab_size": 2},
    "deberta-question-answering": {"relative_attention": False, "position_biased_input": True, "embedding_size": 8},
    # microsoft/deberta-v2-xlarge has a convolution beside the first layer.
    "deberta-v2-sequence-classification": {
        "share_att_key": False, "pooler_hidden_act": "tanh", "conv_kernel_size": 3, "conv_act": "gelu",
    },
    "deberta-v2-token-classification": {"position_buckets": -1, "norm_rel_ebd": "none", "max_relative_positions": 12},
    "deberta-v2-question-answering": {"pos_att_type": "c2p", "position_biased_input": True, "type_vocab_size": 2},
    "deberta-v2-masked-lm": {"embedding_size": 8, "pos_att_type": ["p2c"]},
    "dpr-base-context": {"projection_dim": 0},
    # Biases everywhere, layers in another order, waves stretched.
    "modernbert-token-classification": {
        "norm_bias": True, "attention_bias": True, "mlp_bias": True, "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 8000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 500.0},
        },
    },
    "modernbert-mean": {"classifier_pooling": "mean"},
    "gte-token-classification": {"type_vocab_size": 0, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
    "eurobert-token-classification": {
        "num_key_value_heads": 2, "attention_bias": True, "mlp_bias": True, "head_dim": 6,
        "rope_parameters": {
            "rope_type": "llama3", "rope_theta": 300.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    },
}
CLASSES = {
    "dpr-base-context": transformers.DPRContextEncoder, **own_models.classes(), **decoders.CLASSES, **nomic_experts.classes(),
}


def rows(activations: list[str]) -> list[tuple]:
    """name, family, head, activation and options of every checkpoint here."""
    found = []
    for family_index, (family, heads) in enumerate(HEADS.items()):
        for head_index, head in enumerate(heads):
            activation = activations[(family_index + head_index) % len(activations)]
            found.append((f"{family}-{head}", family, head, "gelu" if head == "base" else activation, {}))
    return found + [
        ("dpr-base-context", "dpr", "base", "gelu", {}),
        ("esm-absolute", "esm", "sequence-classification", "gelu", {}), ("modernbert-mean", "modernbert", "sequence-classification", "gelu", {}), *decoders.EXTRA,
        *nomic_experts.rows(),
    ]


def tokenizer_for(spec) -> small_tokenizers.SmallTokenizer:
    """The family's tokenizer where it is built, else a plain one of few pieces."""
    if spec.family == "mpnet":
        return small_tokenizers.mpnet()
    if spec.family in ("roberta-prelayernorm", "data2vec-text", "longformer"):
        return small_tokenizers.byte_bpe(280)
    if spec.family in encoder_decoders.HEADS or spec.name.endswith("t5-sequence-classification"):
        tokenizer = small_tokenizers.byte_bpe(280)
        name = "BartTokenizer" if spec.family == "bart" else "PreTrainedTokenizerFast"
        tokenizer.tokenizer_config["tokenizer_class"] = name
        return tokenizer
    if spec.family == "qwen2":
        # The type asks for its own class, whatever the folder names.
        tokenizer = small_tokenizers.byte_bpe(280)
        tokenizer.tokenizer_config["tokenizer_class"] = "Qwen2Tokenizer"
        return tokenizer
    xl = spec.family == "xlm-roberta-xl"
    tokenizer = small_tokenizers.byte_bpe(280) if xl else small_tokenizers.wordpiece(lowercase=True, vocab_size=120)
    if xl or spec.family == "big_bird" or spec.family.startswith("deberta"):
        tokenizer.tokenizer_config["tokenizer_class"] = "PreTrainedTokenizerFast"
    return tokenizer


def activation_key(family: str) -> str:
    """The configuration's name for the activation."""
    return "hidden_activation" if family in ("modernbert", "gemma3_text") else "hidden_act"


def config_for(spec, tokenizer: small_tokenizers.SmallTokenizer, labels: dict) -> transformers.PretrainedConfig:
    """The configuration: hidden 16, 2 layers, 2 heads, intermediate 20."""
    backend = tokenizer.fast
    if spec.name in nomic_experts.FOLDERS:
        return nomic_experts.config_for(spec, tokenizer.vocab_size, backend.pad_token_id)
    if spec.family in own_models.MODELS:
        return own_models.config_for(spec, tokenizer.vocab_size, backend.pad_token_id, labels)
    if spec.family in encoder_decoders.HEADS:
        return encoder_decoders.config_for(spec, tokenizer, MAX_LENGTH, labels)
    ids = {name: getattr(backend, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    extra = 2 if spec.family in ROBERTA_POSITIONS else 0
    options = {
        "vocab_size": tokenizer.vocab_size, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 20, activation_key(spec.family): spec.hidden_act, "max_position_embeddings": MAX_LENGTH + extra,
        "attn_implementation": "eager", **ids, **OPTIONS.get(spec.family, {}), **labels,
        **OF_FOLDER.get(spec.name, {}), **spec.options,
    }
    config = transformers.AutoConfig.for_model(spec.family, **options)
    for key, value in options.items():
        if key.startswith(("conv_", "norm_rel", "position_buckets", "share_att", "embedding_size")):
            setattr(config, key, value)
    return config
