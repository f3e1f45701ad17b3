"""The families of transformers whose sources are rewritten, by model_type.

They are those that src/models builds and transformers has a class for, but Longformer, whose products
stand in chunks of windows. A family's list of modules
may be changed, and families added:

    >>> tamis.torch.FAMILIES["my_bert"] = [Family("my_package.modeling", Rules())]
"""

from __future__ import annotations

from typing import Dict, List

from .._errors import Unsupported
from ._patching import Family
from ._rewrite import Renamed, Rules, TwoOperands


def _module(name: str) -> str:
    return f"transformers.models.{name}.modeling_{name}"


# Products with positions stand in the bias: Tamis makes the positions' side of them in float, ahead,
# and multiplies it by the queries and keys of the contents' product. There the queries or keys are
# scaled before.
_DEBERTA_SCALE = "(self.attention_head_size * (1 + len(self.pos_att_type))) ** 0.5"
_DEBERTA = Rules(
    products=(TwoOperands("matmul", left=("query_layer", "attention_probs")),),
    leave=("DisentangledSelfAttention.disentangled_att_bias", "DisentangledSelfAttention.pos_proj",
           "DisentangledSelfAttention.pos_q_proj", "DisentangledSelfAttention.head_logits_proj",
           "DisentangledSelfAttention.head_weights_proj"),
    splits={"DisentangledSelfAttention": {"in_proj": (("q", "k", "v"), "self.num_attention_heads")}},
    units={"DisentangledSelfAttention": {"matmul_quantizer_0": _DEBERTA_SCALE}},
    shared={"DisentangledSelfAttention": {"disentangled_att_bias": (
        "self.matmul_quantizer_0({})", "self.matmul_quantizer_1({})")}},
)
_DEBERTA_V2 = Rules(
    products=(TwoOperands("bmm", "matmul"),),
    more=(Renamed("Conv1d"),),
    sums=("ConvLayer.forward.layer_norm_input",),
    leave=("DisentangledSelfAttention.disentangled_attention_bias",
           "DisentangledSelfAttention.pos_key_proj", "DisentangledSelfAttention.pos_query_proj"),
    plain={"DisentangledSelfAttention.disentangled_attention_bias": ("key_proj", "query_proj")},
    units={"DisentangledSelfAttention": {"matmul_quantizer_1": _DEBERTA_SCALE}},
    shared={"DisentangledSelfAttention": {"disentangled_attention_bias": (
        "self.matmul_quantizer_0({})", "self.matmul_quantizer_1({}, 1.0)")}},
)
_MODERN_BERT = Rules(
    splits={"ModernBertAttention": {"Wqkv": (("query", "key", "value"), "")},
            "ModernBertMLP": {"Wi": (("input", "gate"), "")}},
    last={"ModernBertEncoderLayer": ("ModernBertModel", "self.layers[-1]")},
)
_ESM = Rules(
    leave=("EsmContactPredictionHead",),
    last={"EsmOutput": ("EsmEncoder", "self.layer[-1].output")},
    # Queries are scaled before they turn.
    units={"EsmSelfAttention": {"matmul_quantizer_0": "self.attention_head_size ** 0.5"}},
)
# Heads of decoders stand in a module of all families. Its layers' base is asked for by identity.
_DECODER_HEADS = Family("transformers.modeling_layers", Rules(keep=("GradientCheckpointingLayer",)))
_GEMMA3 = Rules(leave=("Gemma3MultiModalProjector",))


# What a decoder's layer sees of the encoder is added inside an "if"; the sums of embeddings are left
# in float, as everywhere.
_BART = Rules(
    sums=("BartDecoderLayer.forward.hidden_states",),
    leave=("BartEncoder.forward", "BartDecoder.forward"),
)
_MBART = Rules(
    leave=("MBartEncoder.forward", "MBartDecoder.forward"),
    last={"MBartEncoderLayer": ("MBartEncoder", "self.layers[-1]"),
          "MBartDecoderLayer": ("MBartDecoder", "self.layers[-1]")},
)


def _norms_first(prefix: str) -> Rules:
    """BERT's modules with the norms before attention and feed-forward, and one behind all."""
    return Rules(last={f"{prefix}Output": (f"{prefix}Encoder", "self.layer[-1].output")})


FAMILIES: Dict[str, List[Family]] = {
    model_type: [Family(_module(name), rules)] for model_type, name, rules in [
        ("albert", "albert", Rules()),
        ("bart", "bart", _BART),
        ("bert", "bert", Rules()),
        ("camembert", "camembert", Rules()),
        ("deberta", "deberta", _DEBERTA),
        ("deberta-v2", "deberta_v2", _DEBERTA_V2),
        ("distilbert", "distilbert", Rules()),
        ("electra", "electra", Rules()),
        ("ernie", "ernie", Rules()),
        ("esm", "esm", _ESM),
        ("eurobert", "eurobert", Rules()),
        ("gte", "gte", Rules()),
        ("jina_embeddings_v3", "jina_embeddings_v3", Rules()),
        ("mbart", "mbart", _MBART),
        ("megatron-bert", "megatron_bert", _norms_first("MegatronBert")),
        ("modernbert", "modernbert", _MODERN_BERT),
        ("mpnet", "mpnet", Rules()),
        ("mt5", "mt5", Rules()),
        ("nomic_bert", "nomic_bert", Rules()),
        ("roberta", "roberta", Rules()),
        ("roberta-prelayernorm", "roberta_prelayernorm", _norms_first("RobertaPreLayerNorm")),
        ("t5", "t5", Rules()),
        ("xlm-roberta", "xlm_roberta", Rules()),
        ("xlm-roberta-xl", "xlm_roberta_xl", _norms_first("XLMRobertaXL")),
    ]
}
FAMILIES["data2vec-text"] = [Family("transformers.models.data2vec.modeling_data2vec_text", Rules())]
for _type, _name, _rules in [("gemma3_text", "gemma3", _GEMMA3), ("llama", "llama", Rules()),
                             ("mistral", "mistral", Rules()), ("qwen2", "qwen2", Rules()),
                             ("qwen3", "qwen3", Rules())]:
    FAMILIES[_type] = [_DECODER_HEADS, Family(_module(_name), _rules)]
# Its encoder is BERT's.
FAMILIES["dpr"] = [*FAMILIES["bert"], Family(_module("dpr"), Rules())]


def families_of(model_type: str) -> List[Family]:
    """The modules to rewrite for a model_type of config.json."""
    if model_type not in FAMILIES:
        raise Unsupported(f'model_type "{model_type}": has no rules; accepted are '
                          + ", ".join(sorted(FAMILIES)))
    return FAMILIES[model_type]
