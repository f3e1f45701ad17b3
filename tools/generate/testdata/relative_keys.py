"""Tiny checkpoints of position_embedding_type relative_key and relative_key_query: with transformers 4, as later
versions have absolute positions alone."""

import zlib
from pathlib import Path

import torch
import transformers

import checkpoints
import common
import golden
import more_families
import small_tokenizers

# name: family, head, position_embedding_type, and what else its configuration has.
ROWS = {
    "bert-relative-key": ("bert", "base", "relative_key", {}),
    "bert-relative-key-query": ("bert", "sequence-classification", "relative_key_query", {}),
    "roberta-relative-key-query": ("roberta", "token-classification", "relative_key_query", {"type_vocab_size": 1}),
    "albert-relative-key-query": ("albert", "question-answering", "relative_key_query", {"embedding_size": 8}),
    "electra-relative-key": ("electra", "masked-lm", "relative_key", {"embedding_size": 8}),
    "megatron-bert-relative-key": ("megatron-bert", "base", "relative_key", {}),
    "ernie-relative-key": ("ernie", "base", "relative_key", {"use_task_id": True, "task_type_vocab_size": 3}),
    "roberta-prelayernorm-relative-key": ("roberta-prelayernorm", "base", "relative_key", {"type_vocab_size": 1}),
    "xlm-roberta-xl-relative-key-query": ("xlm-roberta-xl", "base", "relative_key_query", {"type_vocab_size": 1}),
}
# Families whose classes answer to the bit as the folder's own with its weights: they need no folder.
RELATIVES = {
    "roberta-relative-key-query": ["camembert", "xlm-roberta", "data2vec-text"],
    "bert-relative-key": ["dpr"],
}


class Spec(checkpoints.Spec):
    """One of these checkpoints, as small as those of more_families.py."""

    small = True


def _tokenizer(family: str) -> small_tokenizers.SmallTokenizer:
    if "roberta" in family:
        tokenizer = small_tokenizers.byte_bpe(280)
        if family == "xlm-roberta-xl":
            tokenizer.tokenizer_config["tokenizer_class"] = "PreTrainedTokenizerFast"
        return tokenizer
    tokenizer = small_tokenizers.wordpiece(lowercase=True, vocab_size=120)
    if family == "albert":
        tokenizer.tokenizer_config["tokenizer_class"] = "PreTrainedTokenizerFast"
    return tokenizer


def build(name: str, folder: Path) -> None:
    """Makes a checkpoint folder with its golden.json.gz."""
    family, head, kind, options = ROWS[name]
    spec = Spec(name, family, head, "gelu", options)
    seed = zlib.crc32(name.encode())
    common.seed_all(seed)
    tokenizer = _tokenizer(family)
    backend = tokenizer.fast
    config = transformers.AutoConfig.for_model(family, **{
        "vocab_size": tokenizer.vocab_size, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 20, "hidden_act": "gelu", "max_position_embeddings": more_families.MAX_LENGTH,
        "position_embedding_type": kind, "pad_token_id": backend.pad_token_id, "bos_token_id": backend.bos_token_id,
        "eos_token_id": backend.eos_token_id, **checkpoints._labels(head), **options,
    })
    model = checkpoints.new_model(spec, config).eval()
    checkpoints.randomise(model, seed)
    checkpoints._spread_answers(model, spec, tokenizer)
    tokenizer.files.clear()
    model.half().save_pretrained(folder)
    tokenizer.save(folder, spec.max_length)
    (folder / "model.safetensors").chmod(0o644)
    cases = _cases(head, backend.mask_token)
    golden.record_folder(folder, head, cases)
    for relative in RELATIVES.get(name, []):
        _check_relative(folder, head, cases, relative)


def _check_relative(folder: Path, head: str, cases: list[dict], relative: str) -> None:
    """That another family's class gives the same bits with the folder's weights."""
    model = checkpoints.load(folder, head)
    options = {key: value for key, value in model.config.to_dict().items() if key not in ("model_type", "architectures")}
    config = transformers.AutoConfig.for_model(relative, **options)
    config._attn_implementation = "eager"
    if relative == "dpr":
        target = transformers.DPRQuestionEncoder(config).question_encoder.bert_model
    else:
        target = checkpoints.AUTO_CLASSES[head].from_config(config, attn_implementation="eager")
    prefix = model.base_model_prefix + "."
    weights = {
        (target.base_model_prefix + "." if key.startswith(prefix) else "") + key.removeprefix(prefix): value
        for key, value in model.state_dict().items()
    }
    target.load_state_dict({key: value for key, value in weights.items() if key in target.state_dict()})
    tokenizer = small_tokenizers.fast_from_folder(folder, relative == "dpr")
    for case in cases:
        ids = golden.encode(tokenizer, case, tokenizer.model_max_length)
        own = golden.forward(model, head, ids)
        its = golden.forward(target.eval(), head, ids)
        first = next(iter(own))
        if not torch.equal(torch.from_numpy(own[first]), torch.from_numpy(its[first])):
            raise ValueError(f"{folder.name}: {relative} answers otherwise")


def _cases(head: str, mask: str) -> list[dict]:
    if head == "masked-lm":
        return golden.masked_cases(mask)[1:5:3]
    if head == "question-answering":
        return [golden.QA_CASES[1], golden.QA_CASES[4]]
    return golden.SMALL_CASES[::2] if head == "base" else golden.SMALL_CASES
