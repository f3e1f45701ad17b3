"""BART and mBART, whose decoder runs once over the encoder's tokens: their checkpoints' heads and configurations."""

import transformers

HEADS = {family: ["base", "sequence-classification", "question-answering"] for family in ("bart", "mbart")}
# What single checkpoints have beside the sizes, so that every setting of a family is in one of them.
OF_FOLDER = {
    "bart-base": {"scale_embedding": True, "activation_function": "relu"},
    "bart-sequence-classification": {"encoder_layers": 2, "decoder_layers": 2},
    "bart-question-answering": {
        "encoder_attention_heads": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 10, "decoder_start_token_id": 0,
    },
    "mbart-base": {"decoder_attention_heads": 1, "encoder_ffn_dim": 10},
    "mbart-sequence-classification": {
        "encoder_layers": 2, "decoder_layers": 2, "scale_embedding": True, "activation_function": "silu",
    },
}
# The end of a text inside it: the last one counts.
CASES = [{"name": "two_ends", "text": "The keeper slept.</s> Twelve ships left.", "text_pair": "It rained."}]


def config_for(spec, tokenizer, length: int, labels: dict) -> transformers.PretrainedConfig:
    """The configuration: hidden 12, one layer and two heads in each half, intermediate 20."""
    backend = tokenizer.fast
    options = {
        "vocab_size": tokenizer.vocab_size, "d_model": 12, "max_position_embeddings": length,
        "activation_function": spec.hidden_act, "attn_implementation": "eager",
        **{name: getattr(backend, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")},
    }
    for half in ("encoder", "decoder"):
        options.update({f"{half}_layers": 1, f"{half}_attention_heads": 2, f"{half}_ffn_dim": 20})
    return transformers.AutoConfig.for_model(spec.family, **{**options, **labels, **OF_FOLDER.get(spec.name, {})})
