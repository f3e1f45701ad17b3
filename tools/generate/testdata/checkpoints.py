"""Tiny random checkpoints: families x heads, saved as Hugging Face saves them."""

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers

import common
import corpus
import more_families
import small_tokenizers

CLASS_LABELS = ["negative", "neutral", "positive"]
TOPIC_LABELS = ["weather", "travel", "food", "work"]
ENTITY_LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]

AUTO_CLASSES = {
    "base": transformers.AutoModel,
    "sequence-classification": transformers.AutoModelForSequenceClassification,
    "multi-label": transformers.AutoModelForSequenceClassification,
    "regression": transformers.AutoModelForSequenceClassification,
    "rerank": transformers.AutoModelForSequenceClassification,
    "token-classification": transformers.AutoModelForTokenClassification,
    "question-answering": transformers.AutoModelForQuestionAnswering,
    "masked-lm": transformers.AutoModelForMaskedLM,
    "next-sentence": transformers.AutoModelForNextSentencePrediction,
    "multiple-choice": transformers.AutoModelForMultipleChoice,
}
COMMON_HEADS = ["base", "sequence-classification", "token-classification", "question-answering", "masked-lm"]
EXTRA_HEADS = ["multi-label", "regression", "rerank"]
FAMILIES = ["bert", "roberta", "distilbert", "camembert", "xlm-roberta", "albert", "electra"]
ACTIVATIONS = ["gelu", "gelu_new", "relu", "silu", "gelu_pytorch_tanh", "gelu_fast", "quick_gelu", "swish"]
# Standard deviation of the logits over the training text.
SPREAD = {
    "sequence-classification": 1.5, "multi-label": 1.5, "regression": 2.0, "rerank": 2.0, "token-classification": 2.0,
    "question-answering": 2.5,
}
# Head sizes other than 8: 10, 9, 16 and 32.
SIZES = {
    ("distilbert", "base"): {"dim": 40, "hidden_dim": 56},
    ("camembert", "base"): {"hidden_size": 36, "intermediate_size": 60},
    ("electra", "base"): {"num_attention_heads": 2},
    ("xlm-roberta", "sequence-classification"): {"num_attention_heads": 1},
}
# Checkpoints of the first families that are as small as those of more_families.py.
SMALL = {"bert-decoder"}
# Families whose is_decoder has a checkpoint.
DECODERS = ["bert", "ernie", "megatron-bert", "roberta-prelayernorm", "xlm-roberta-xl", "data2vec-text"]
# Heads whose recorded cases slide windows over a long text get more positions.
WIDE_HEADS = {"token-classification", "question-answering"}


@dataclass
class Spec:
    """One checkpoint folder."""

    name: str
    family: str
    head: str
    hidden_act: str
    options: dict = field(default_factory=dict)

    @property
    def small(self) -> bool:
        """Hidden 16, 120 pieces, weights in half precision: a family of more_families.py."""
        return self.family in more_families.HEADS or self.name in SMALL

    @property
    def max_length(self) -> int:
        """Longest input in tokens, special tokens included."""
        if self.small:
            return more_families.MAX_LENGTH
        return 128 if self.head in WIDE_HEADS else 64

    @property
    def type_ids(self) -> bool:
        return self.family in ("bert", "albert", "electra") or self.family in more_families.WITH_TYPES


def specs() -> list[Spec]:
    """Every checkpoint below testdata/models, but for variants and sentence-transformers folders."""
    found = []
    for family_index, family in enumerate(FAMILIES):
        heads = COMMON_HEADS + (EXTRA_HEADS if family in ("bert", "roberta") else [])
        for head_index, head in enumerate(heads):
            activation = ACTIVATIONS[(family_index + head_index) % len(ACTIVATIONS)]
            options = SIZES.get((family, head), {})
            found.append(Spec(f"{family}-{head}", family, head, "gelu" if head == "base" else activation, options))
    groups = {"num_hidden_groups": 2, "num_hidden_layers": 4, "inner_group_num": 2}
    found.append(Spec("albert-base-groups", "albert", "base", "gelu_new", groups))
    # Their tokens see those before them.
    for family in DECODERS:
        # As wide as its answers are spread, bf16 moves the logits of a causal pre-LN model of this size
        # past any formula: by 0.99 in PyTorch.
        head = "base" if family == "roberta-prelayernorm" else "token-classification"
        found.append(Spec(f"{family}-decoder", family, head, "gelu", {"is_decoder": True}))
    return found + [Spec(*row) for row in more_families.rows(ACTIVATIONS)]


def tokenizer_for(spec: Spec) -> small_tokenizers.SmallTokenizer:
    """The family's tokenizer. Cased WordPiece where names matter, the 240 kB charsmap in one folder only."""
    if spec.small:
        return more_families.tokenizer_for(spec)
    if spec.family in ("bert", "electra"):
        return small_tokenizers.wordpiece(lowercase=spec.head not in WIDE_HEADS)
    if spec.family == "distilbert":
        return small_tokenizers.wordpiece(lowercase=False)
    if spec.family == "roberta":
        return small_tokenizers.byte_bpe()
    if spec.family == "xlm-roberta":
        hub_style = spec.head not in ("question-answering", "masked-lm")
        return small_tokenizers.xlm_roberta(full_charsmap=spec.head == "base", hub_style=hub_style)
    if spec.family == "camembert":
        return small_tokenizers.camembert()
    return small_tokenizers.albert()


def config_for(spec: Spec, tokenizer: small_tokenizers.SmallTokenizer) -> transformers.PretrainedConfig:
    """The configuration: hidden 32, 2 layers, 4 heads, intermediate 48."""
    if spec.small:
        return more_families.config_for(spec, tokenizer, _labels(spec.head))
    backend = tokenizer.fast
    shared = {
        "vocab_size": tokenizer.vocab_size, "pad_token_id": backend.pad_token_id, "initializer_range": 0.3,
        "attn_implementation": "eager",
    }
    if spec.family == "distilbert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "activation": spec.hidden_act}
    else:
        sizes = {
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
            "hidden_act": spec.hidden_act,
        }
    sizes["max_position_embeddings"] = spec.max_length
    if spec.family in ("roberta", "camembert", "xlm-roberta"):
        ids = {"bos_token_id": backend.bos_token_id, "eos_token_id": backend.eos_token_id}
        sizes.update(ids, max_position_embeddings=spec.max_length + 2, type_vocab_size=1, layer_norm_eps=1e-5)
    if spec.family in ("albert", "electra"):
        sizes["embedding_size"] = 16
    if spec.family == "albert":
        sizes.update(num_hidden_groups=1, inner_group_num=1, bos_token_id=2, eos_token_id=3)
    labels = _labels(spec.head)
    return transformers.AutoConfig.for_model(spec.family, **{**shared, **sizes, **labels, **spec.options})


def _labels(head: str) -> dict:
    if head in ("regression", "rerank"):
        return {"num_labels": 1, "problem_type": "regression"} if head == "regression" else {"num_labels": 1}
    names = {
        "sequence-classification": CLASS_LABELS, "multi-label": TOPIC_LABELS, "token-classification": ENTITY_LABELS,
    }.get(head)
    if names is None:
        return {}
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}
    problem = {"sequence-classification": "single_label_classification", "multi-label": "multi_label_classification"}
    if head in problem:
        labels["problem_type"] = problem[head]
    return labels


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Fills every parameter so that outputs differ clearly between inputs: biases and LayerNorm too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            lowered = name.lower()
            norm = "norm" in lowered
            if norm and name.endswith("weight"):
                parameter.copy_(0.5 + torch.rand(parameter.shape, generator=generator))
            elif parameter.dim() == 1:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))


def _spread_answers(model: torch.nn.Module, spec: Spec, tokenizer: small_tokenizers.SmallTokenizer) -> None:
    """Sets the head's last layer so that answers are not trivial: every label wins somewhere.

    The logits over a few lines are centred and scaled (rounded, so that another CPU gives the same weights).
    """
    if spec.head not in SPREAD:
        return
    head = next(getattr(model, name) for name in ("qa_outputs", "qa_classifier", "score", "classification_head", "classifier") if hasattr(model, name))
    last = [module for module in head.modules() if isinstance(module, torch.nn.Linear)][-1]
    rows = []
    last.register_forward_hook(lambda module, inputs, output: rows.append(output[0]))
    with torch.no_grad():
        for line in corpus.lines()[::7]:
            # Longformer's class for answers takes pairs alone.
            texts = ("Who is it?", line) if spec.name == "longformer-question-answering" else (line,)
            model(torch.tensor([tokenizer.fast(*texts, truncation=True, max_length=spec.max_length)["input_ids"]]))
        last._forward_hooks.clear()
        logits = torch.cat([row.reshape(-1, row.shape[-1]) for row in rows])
        scale = torch.round(SPREAD[spec.head] / logits.std(0) * 10) / 10
        last.weight *= scale[:, None]
        if last.bias is None:
            return
        last.bias.copy_(torch.round((last.bias - logits.mean(0)) * scale * 10) / 10)
        if spec.head == "token-classification":
            last.bias[0] += 1.5


def new_model(spec: Spec, config: transformers.PretrainedConfig) -> torch.nn.Module:
    """A model of the spec's class."""
    if spec.name in more_families.CLASSES:
        return more_families.CLASSES[spec.name](config)
    return AUTO_CLASSES[spec.head].from_config(config)


def build(spec: Spec, folder: Path) -> None:
    """Makes one checkpoint folder: weights, config.json and tokenizer files."""
    seed = zlib.crc32(spec.name.encode())
    common.seed_all(seed)
    tokenizer = tokenizer_for(spec)
    model = new_model(spec, config_for(spec, tokenizer)).eval()
    randomise(model, seed)
    _spread_answers(model, spec, tokenizer)
    if spec.small:
        model = model.half()
        tokenizer.files.clear()
    model.save_pretrained(folder)
    tokenizer.save(folder, spec.max_length)
    weights = folder / "model.safetensors"
    weights.chmod(0o644)
    size = weights.stat().st_size
    if size > 300_000:
        raise ValueError(f"{folder}: model.safetensors has {size} bytes, the limit is 300,000")


def load(folder: Path, head: str, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """The checkpoint back from disk, eager attention, eval mode."""
    maker = more_families.CLASSES.get(folder.name, AUTO_CLASSES[head])
    model = maker.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    return model.to(dtype).eval()
