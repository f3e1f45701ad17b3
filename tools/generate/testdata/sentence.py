"""sentence-transformers folders: every pooling, Dense, Normalize, prompts, both spellings of the files."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

import checkpoints
import common
import corpus
import decoder_folders
import small_tokenizers

HIDDEN = 16
POOLINGS = ["cls", "mean", "max", "mean_sqrt_len", "weightedmean", "lasttoken"]
KEYS = {
    "cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens", "max": "pooling_mode_max_tokens",
    "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens", "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
PROMPTS = {"query": "query: ", "passage": "passage: ", "empty": ""}
TEXTS = [
    {"text": ""},
    {"text": "lighthouse"},
    {"text": "The lighthouse keeper counted 12 ships, then slept."},
    {"text": "猫は窓のそばで寝ています。 Кот спит 😀"},
    {"text": "  LOUD and   spaced "},
    {"text": corpus.paragraph(9, 31)},
]
# name: poolings and what differs from "mean pooling, then Normalize".
FOLDERS = {
    **{name: {"poolings": [name]} for name in POOLINGS},
    "cls-mean": {"poolings": ["cls", "mean"]},
    "no-normalize": {"poolings": ["mean"], "normalize": False},
    "dense-tanh": {"poolings": ["mean"], "dense": ("torch.nn.modules.activation.Tanh", 12, True, "safetensors")},
    "dense-linear-bin": {"poolings": ["cls"], "dense": ("torch.nn.modules.linear.Identity", 20, False, "bin")},
    "dense-residual": {
        "poolings": ["mean"], "dense": ("torch.nn.modules.activation.Hardswish", 12, True, "safetensors"),
        "residual": True,
    },
    "dense-residual-same": {
        "poolings": ["mean"], "dense": ("torch.nn.modules.activation.LeakyReLU", HIDDEN, True, "safetensors"),
        "residual": True, "truncate_dim": 7, "normalize": False,
    },
    "between": {
        "poolings": ["mean"], "before": True,
        "dense": ("torch.nn.modules.activation.Tanh", 12, True, "safetensors"),
    },
    "truncated": {"poolings": ["mean"], "truncate_dim": 6},
    "prompts": {"poolings": ["mean"], "prompts": PROMPTS},
    "prompts-default": {"poolings": ["mean"], "prompts": PROMPTS, "default_prompt_name": "passage"},
    "prompts-excluded": {"poolings": ["mean"], "prompts": PROMPTS, "include_prompt": False},
    "lowered": {"poolings": ["mean"], "lower": True},
    "wide-window": {"poolings": ["mean"], "max_seq_length": None},
    "today": {"poolings": ["mean", "cls"], "today": True},
    "qwen3": {"poolings": ["lasttoken"], "prompts": decoder_folders.PROMPTS, "base": decoder_folders.qwen3},
    "embedding-gemma": {
        "poolings": ["mean"], "prompts": {"query": "task: search result | query: ", "document": "title: none | text: "},
        "dense": ("torch.nn.modules.linear.Identity", 24, False, "safetensors"), "base": decoder_folders.gemma,
    },
}


def small_bert(folder: Path, name: str, head: str = "base", lowercase: bool = True) -> None:
    """A BERT of hidden size 16 and 260 tokens, about 35 kB."""
    seed = zlib.crc32(name.encode())
    common.seed_all(seed)
    tokenizer = small_tokenizers.wordpiece(lowercase, 260)
    config = transformers.BertConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, num_labels=3, attn_implementation="eager",
    )
    model = checkpoints.AUTO_CLASSES[head].from_config(config).eval()
    checkpoints.randomise(model, seed)
    model.save_pretrained(folder)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)
    tokenizer.save(folder, 64)


def _dump(path: Path, content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_modules(folder: Path, options: dict) -> None:
    """The files as sentence-transformers 2 to 5 wrote them, which is what most of the Hub holds."""
    names = [("Transformer", ""), ("Pooling", "1_Pooling")]
    pooling = {"word_embedding_dimension": HIDDEN}
    pooling.update({key: mode in options["poolings"] for mode, key in KEYS.items()})
    _dump(folder / "1_Pooling" / "config.json", {**pooling, "include_prompt": options.get("include_prompt", True)})
    if options.get("before"):
        names += [("Normalize", "2_Normalize"), ("LayerNorm", "2_LayerNorm")]
        _dump(folder / "2_LayerNorm" / "config.json", {"dimension": HIDDEN})
        generator = torch.Generator().manual_seed(HIDDEN)
        norm = {"norm.weight": 1 + 0.3 * torch.randn(HIDDEN, generator=generator)}
        norm["norm.bias"] = 0.2 * torch.randn(HIDDEN, generator=generator)
        save_file(norm, folder / "2_LayerNorm" / "model.safetensors", metadata={"format": "pt"})
        (folder / "2_LayerNorm" / "model.safetensors").chmod(0o644)
    if "dense" in options:
        names.append(("Dense", "2_Dense"))
        activation, width, bias, kind = options["dense"]
        config = {"in_features": HIDDEN, "out_features": width, "bias": bias, "activation_function": activation}
        generator = torch.Generator().manual_seed(width)
        weights = {"linear.weight": 0.3 * torch.randn(width, HIDDEN, generator=generator)}
        if bias:
            weights["linear.bias"] = 0.2 * torch.randn(width, generator=generator)
        if options.get("residual"):
            config["use_residual"] = True
            if width != HIDDEN:
                weights["residual.weight"] = 0.3 * torch.randn(width, HIDDEN, generator=generator)
        _dump(folder / "2_Dense" / "config.json", config)
        if kind == "bin":
            torch.save(weights, folder / "2_Dense" / "pytorch_model.bin")
        else:
            save_file(weights, folder / "2_Dense" / "model.safetensors", metadata={"format": "pt"})
            (folder / "2_Dense" / "model.safetensors").chmod(0o644)
    if options.get("normalize", True):
        names.append(("Normalize", f"{len(names)}_Normalize"))
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (kind, path) in enumerate(names)
    ]
    _dump(folder / "modules.json", modules)
    window = {"max_seq_length": options.get("max_seq_length", 32), "do_lower_case": options.get("lower", False)}
    _dump(folder / "sentence_bert_config.json", window)
    config = {"__version__": {"sentence_transformers": "3.0.1", "transformers": "4.41.0", "pytorch": "2.3.0"}}
    prompts = {"prompts": options.get("prompts", {}), "default_prompt_name": options.get("default_prompt_name")}
    if "truncate_dim" in options:
        config["truncate_dim"] = options["truncate_dim"]
    _dump(folder / "config_sentence_transformers.json", {**config, **prompts, "similarity_fn_name": "cosine"})


def _resave_today(folder: Path, poolings: list[str]) -> None:
    """The files as the installed sentence-transformers writes them; poolings in the order given."""
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    model = SentenceTransformer(modules=[model[0], Pooling(HIDDEN, tuple(poolings)), Normalize()], device="cpu")
    for file in folder.rglob("*"):
        if file.is_file():
            file.unlink()
    model.save_pretrained(str(folder), create_model_card=False)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)


def build(name: str, folder: Path) -> None:
    """Makes one sentence-transformers folder without its golden.json.gz."""
    options = FOLDERS[name]
    if "base" in options:
        options["base"](folder, f"sentence-{name}")
    else:
        small_bert(folder, f"sentence-{name}", lowercase=not options.get("lower", False))
    _write_modules(folder, options)
    if options.get("today"):
        _resave_today(folder, options["poolings"])


def _unnormalised(model: SentenceTransformer, features: dict) -> np.ndarray:
    """What the modules before a Normalize at the end make."""
    features = {**features}
    modules = list(model)
    if isinstance(modules[-1], Normalize):
        modules.pop()
    with torch.no_grad():
        for module in modules:
            features = module(features)
    return features["sentence_embedding"][0].numpy()


def _calls(options: dict) -> list[dict]:
    calls = [dict(case) for case in TEXTS]
    for prompt in options.get("prompts", {}):
        calls += [{**case, "prompt_name": prompt} for case in (TEXTS[0], TEXTS[2], TEXTS[5])]
    calls.append({**TEXTS[2], "dimensions": 6, "normalize": True})
    return calls


def record(name: str, folder: Path) -> None:
    """Writes golden.json.gz with what SentenceTransformer.encode answers, one text at a time."""
    model_kwargs = {"attn_implementation": "eager", "dtype": torch.float32}
    kwargs = {"device": "cpu", "local_files_only": True, "model_kwargs": model_kwargs}
    single, double = SentenceTransformer(str(folder), **kwargs), SentenceTransformer(str(folder), **kwargs).double()
    entries = []
    for call in _calls(FOLDERS[name]):
        prompt_name = call.get("prompt_name", FOLDERS[name].get("default_prompt_name"))
        prompt = FOLDERS[name].get("prompts", {}).get(prompt_name, "")
        options = {"prompt_name": prompt_name} if prompt_name else {}
        if "dimensions" in call:
            options.update(truncate_dim=call["dimensions"], normalize_embeddings=call["normalize"])
        found = {"sentence_embedding": single.encode(call["text"], **options)}
        exact = {"sentence_embedding": double.encode(call["text"], **options)}
        features = single.preprocess([call["text"]], prompt=prompt or None)
        found["raw_sentence_embedding"] = _unnormalised(single, features)
        exact["raw_sentence_embedding"] = _unnormalised(double, features)
        difference = {key: np.abs(found[key].astype(np.float64) - exact[key]).max() for key in found}
        entries.append({
            **call, "input_ids": features["input_ids"][0].tolist(),
            "outputs": {key: common.shortest(value) for key, value in found.items()},
            "outputs_f64_maxdiff": {key: float(f"{value:.3g}") for key, value in difference.items()},
        })
    normalized = FOLDERS[name].get("normalize", True)
    head = {"head": "sentence", "max_length": single.max_seq_length, "normalized": normalized, "versions": common.versions()}
    common.write_json(folder / "golden.json.gz", head, entries)
