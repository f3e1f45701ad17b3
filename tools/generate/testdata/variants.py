"""Other spellings of checkpoints that occur on the Hub: each folder means the same as a plain one.

Every folder is made from a plain checkpoint that transformers loads; golden.json.gz is recorded from that one.
"""

import gzip
import json
import tempfile
import zlib
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

import checkpoints
import common
import golden
import sentence
import small_tokenizers

CASES = [golden.PLAIN_CASES[1], golden.PLAIN_CASES[6]]
TOKENIZER_CASES = [*CASES, golden.PLAIN_CASES[3]]
SAFE, BIN = "model.safetensors", "pytorch_model.bin"


def _save_safe(folder: Path, tensors: dict, name: str = SAFE) -> None:
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / name, metadata={"format": "pt"})
    (folder / name).chmod(0o644)


def _rename(tensors: dict, change) -> dict:
    return {change(key): value for key, value in tensors.items()}


def _gamma_beta(name: str) -> str:
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


def _junk() -> dict:
    return {
        "embeddings.position_ids": torch.arange(64).reshape(1, 64), "optimizer.state.0.exp_avg": torch.ones(3, 2),
        "global_step": torch.tensor(1000), "cls.seq_relationship.weight": torch.ones(2, 16), "empty": torch.zeros(0, 4),
    }


def _shards(tensors: dict, count: int) -> list[dict]:
    names = sorted(tensors)
    return [{name: tensors[name] for name in names[part::count]} for part in range(count)]


def _write_index(folder: Path, file: str, shards: list[dict], save) -> None:
    stem, suffix = file.rsplit(".", 1)
    weight_map = {}
    for index, shard in enumerate(shards):
        name = f"{stem}-{index + 1:05d}-of-{len(shards):05d}.{suffix}"
        save(shard, name)
        weight_map.update({key: name for key in shard})
    total = sum(value.numel() * value.element_size() for shard in shards for value in shard.values())
    content = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / f"{file}.index.json").write_text(json.dumps(content, indent=2) + "\n")


def _write_safe_shards(folder: Path, tensors: dict) -> None:
    _write_index(folder, SAFE, _shards(tensors, 3), lambda shard, name: _save_safe(folder, shard, name))


def _write_bin_shards(folder: Path, tensors: dict) -> None:
    _write_index(folder, BIN, _shards(tensors, 2), lambda shard, name: torch.save(shard, folder / name))


def _write_bin_views(folder: Path, tensors: dict) -> None:
    """Tensors that share one storage, start inside it, and are transposed: strides and offsets matter."""
    total = sum(value.numel() for value in tensors.values())
    pool, offset, views = torch.zeros(total + 7), 7, {}
    for name, value in tensors.items():
        part = pool[offset : offset + value.numel()]
        offset += value.numel()
        if value.dim() == 2 and "dense" in name:
            views[name] = part.view(value.shape[1], value.shape[0]).t()
        else:
            views[name] = part.view(value.shape)
        views[name].copy_(value)
    torch.save(views, folder / BIN)


def _write_bin_parameters(folder: Path, tensors: dict) -> None:
    torch.save({key: torch.nn.Parameter(value) for key, value in tensors.items()}, folder / BIN)


def _write_bin_and_safe(folder: Path, tensors: dict) -> None:
    """Both files: transformers reads the safetensors file; the other holds different numbers."""
    _save_safe(folder, tensors)
    torch.save({key: value + 1 for key, value in tensors.items()}, folder / BIN)


def _mixed(tensors: dict) -> dict:
    return {key: value if "LayerNorm" in key or value.dim() == 1 else value.half() for key, value in tensors.items()}


def _cast(dtype: torch.dtype):
    return lambda tensors: {key: value.to(dtype) for key, value in tensors.items()}


# name: head, and how the plain tensors become the folder's weights. `change` maps tensors to tensors
# and is followed by one model.safetensors; `write` writes the files itself.
WEIGHT_VARIANTS = {
    "gamma-beta": {"change": lambda t: _rename(t, lambda n: "bert." + _gamma_beta(n))},
    "bert-prefix": {"change": lambda t: {**_rename(t, lambda n: "bert." + n), "cls.predictions.bias": torch.zeros(260)}},
    "module-junk": {"change": lambda t: {**t, **_junk()}},
    "no-pooler": {"change": lambda t: {k: v for k, v in t.items() if "pooler" not in k}, "drop": "pooler_output"},
    "classifier-gamma-beta": {"head": "sequence-classification", "change": lambda t: _rename(t, _gamma_beta)},
    "mlm-tied-duplicates": {
        "head": "masked-lm",
        "change": lambda t: {
            **t, "cls.predictions.decoder.weight": t["bert.embeddings.word_embeddings.weight"].clone(),
            "cls.predictions.decoder.bias": t["cls.predictions.bias"].clone(), "bert.embeddings.position_ids": torch.arange(64)[None],
        },
    },
    "mlm-untied": {"head": "masked-lm", "config": {"tie_word_embeddings": False}},
    "pretraining": {
        "head": "masked-lm",
        "change": lambda t: {
            **_rename(t, _gamma_beta), "cls.seq_relationship.weight": torch.ones(2, 16), "cls.seq_relationship.bias": torch.ones(2),
            "bert.pooler.dense.weight": torch.ones(16, 16), "bert.pooler.dense.bias": torch.ones(16),
        },
    },
    "f16": {"round": _cast(torch.float16)},
    "bf16": {"round": _cast(torch.bfloat16)},
    "f64": {"round": _cast(torch.float64)},
    "mixed-dtypes": {"round": _mixed},
    "sharded": {"write": _write_safe_shards},
    "bin": {"write": lambda folder, tensors: torch.save(tensors, folder / BIN)},
    "bin-f16": {"round": _cast(torch.float16), "write": lambda folder, tensors: torch.save(tensors, folder / BIN)},
    "bin-bf16": {"round": _cast(torch.bfloat16), "write": lambda folder, tensors: torch.save(tensors, folder / BIN)},
    "bin-sharded": {"write": _write_bin_shards},
    "bin-views": {"write": _write_bin_views},
    "bin-parameters": {"write": _write_bin_parameters},
    "tokenizer-blocks": {"tokenizer": {
        "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
    }},
    "bin-and-safetensors": {"write": _write_bin_and_safe},
}
# Folders whose weights are plain and whose tokenizer files are few: family, tokenizer, files kept.
TOKENIZER_VARIANTS = {
    "vocab-txt": ("bert", lambda: small_tokenizers.wordpiece(True, 260), ["vocab.txt", "tokenizer_config.json", "special_tokens_map.json"]),
    "vocab-txt-cased": ("bert", lambda: small_tokenizers.wordpiece(False, 260), ["vocab.txt", "tokenizer_config.json"]),
    "vocab-txt-bare": ("bert", lambda: small_tokenizers.wordpiece(True, 260), ["vocab.txt"]),
    "vocab-merges": ("roberta", lambda: small_tokenizers.byte_bpe(420), ["vocab.json", "merges.txt", "tokenizer_config.json"]),
    "sentencepiece-xlm-roberta": ("xlm-roberta", small_tokenizers.xlm_roberta, ["sentencepiece.bpe.model", "tokenizer_config.json"]),
    "sentencepiece-camembert": ("camembert", small_tokenizers.camembert, ["sentencepiece.bpe.model", "tokenizer_config.json"]),
    "sentencepiece-albert": ("albert", small_tokenizers.albert, ["spiece.model", "tokenizer_config.json"]),
}
# Plain weights of other families in the spelling of older or larger checkpoints.
FAMILY_VARIANTS = {
    "roberta-buffers": ("roberta", "masked-lm", lambda t: {
        **t, "roberta.embeddings.position_ids": torch.arange(66)[None], "lm_head.decoder.weight": t["roberta.embeddings.word_embeddings.weight"].clone(),
        "lm_head.decoder.bias": t["lm_head.bias"].clone(),
    }),
    "electra-discriminator": ("electra", "base", lambda t: {
        **_rename(t, lambda n: "electra." + n), "discriminator_predictions.dense.weight": torch.ones(16, 16),
        "discriminator_predictions.dense_prediction.weight": torch.ones(1, 16),
    }),
    "distilbert-prefix": ("distilbert", "base", lambda t: {**_rename(t, lambda n: "distilbert." + n), "vocab_projector.bias": torch.ones(4)}),
    "albert-prefix": ("albert", "base", lambda t: {**_rename(t, lambda n: "albert." + n), "predictions.bias": torch.ones(4)}),
}


def _small_model(folder: Path, name: str, family: str, head: str, tokenizer) -> None:
    """A checkpoint of hidden size 16, any family, as transformers saves it."""
    spec = checkpoints.Spec(name, family, head, "gelu", {"num_attention_heads": 2})
    spec.options.update({"hidden_size": 16, "intermediate_size": 32})
    if family == "distilbert":
        spec.options = {"dim": 16, "n_heads": 2, "hidden_dim": 32}
    if family in ("albert", "electra"):
        spec.options["embedding_size"] = 8
    seed = zlib.crc32(name.encode())
    common.seed_all(seed)
    model = checkpoints.AUTO_CLASSES[head].from_config(checkpoints.config_for(spec, tokenizer)).eval()
    checkpoints.randomise(model, seed)
    model.save_pretrained(folder)
    tokenizer.save(folder, spec.max_length)


def _copy_plain(source: Path, folder: Path, skip: set[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.name not in skip:
            (folder / file.name).write_bytes(file.read_bytes())


def _mask(source: Path) -> str:
    mask = json.loads((source / "special_tokens_map.json").read_text(encoding="utf-8"))["mask_token"]
    return mask if isinstance(mask, str) else mask["content"]


def _record(folder: Path, source: Path, head: str, cases: list[dict], drop: str = "") -> None:
    """golden.json.gz of `folder` with the answers of the plain checkpoint in `source`."""
    golden.record_folder(source, head, golden.masked_cases(_mask(source))[:2] if head == "masked-lm" else cases)
    content = json.loads(gzip.decompress((source / "golden.json.gz").read_bytes()))
    for case in content["cases"]:
        for part in ("outputs", "outputs_f64_maxdiff"):
            case[part].pop(drop, None)
    cases = content.pop("cases")
    common.write_json(folder / "golden.json.gz", content, cases)


def build_weights(name: str, folder: Path) -> None:
    """One folder of WEIGHT_VARIANTS: a BERT of hidden size 16."""
    options = WEIGHT_VARIANTS[name]
    head = options.get("head", "base")
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        sentence.small_bert(source, f"variant-{head}", head)
        if "config" in options:
            _untie(source, options["config"])
        tensors = load_file(source / SAFE)
        if "round" in options:
            tensors = options["round"](tensors)
            _save_safe(source, {key: value.float() for key, value in tensors.items()})
        _copy_plain(source, folder, {SAFE})
        if "write" in options:
            options["write"](folder, tensors)
        else:
            _save_safe(folder, options.get("change", lambda t: t)(tensors))
        if "tokenizer" in options:
            content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
            text = json.dumps({**content, **options["tokenizer"]}, ensure_ascii=False)
            (folder / "tokenizer.json").write_text(text, encoding="utf-8")
        _record(folder, source, head, CASES, options.get("drop", ""))


def _untie(source: Path, changes: dict) -> None:
    """A decoder of its own beside the word embeddings."""
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, **changes}, indent=2) + "\n")
    tensors = load_file(source / SAFE)
    shape = tensors["bert.embeddings.word_embeddings.weight"].shape
    tensors["cls.predictions.decoder.weight"] = 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(5))
    tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"].clone()
    _save_safe(source, tensors)


def build_tokenizer(name: str, folder: Path) -> None:
    """One folder of TOKENIZER_VARIANTS: few tokenizer files, the ids of the full set."""
    family, make, files = TOKENIZER_VARIANTS[name]
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        _small_model(source, f"variant-{name}", family, "base", make())
        kept = {*files, "config.json", SAFE}
        _copy_plain(source, folder, {file.name for file in source.iterdir()} - kept)
        _record(folder, source, "base", TOKENIZER_CASES)


def build_family(name: str, folder: Path) -> None:
    """One folder of FAMILY_VARIANTS."""
    family, head, change = FAMILY_VARIANTS[name]
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        tokenizers = {"roberta": lambda: small_tokenizers.byte_bpe(420), "albert": small_tokenizers.albert}
        make = tokenizers.get(family, lambda: small_tokenizers.wordpiece(True, 260))
        _small_model(source, f"variant-{name}", family, head, make())
        _copy_plain(source, folder, {SAFE})
        _save_safe(folder, change(load_file(source / SAFE)))
        _record(folder, source, head, CASES)


def all_variants() -> dict:
    """name -> builder."""
    found = {name: build_weights for name in WEIGHT_VARIANTS}
    found.update({name: build_tokenizer for name in TOKENIZER_VARIANTS})
    return {**found, **{name: build_family for name in FAMILY_VARIANTS}}
