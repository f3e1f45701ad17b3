#!/usr/bin/env python3
"""Compares `tamis tokenize` with transformers on folders with random files beside the vocabulary.

Needs the Python package transformers (`make clients`). Each folder is one of testdata/models, or a
vocabulary of testdata/tokenizer-classes under one of its classes, with tokenizer_config.json, special_tokens_map.json, added_tokens.json and tokenizer.json drawn anew:
classes, options, flags, tokens that no other file names, parts left out. A folder that either side
refuses is counted, and none of it is compared. Prints what differs and exits 1 if anything did.

Example:
    tools/run/fuzz_side_files.py build/release/tamis --folders 1000 --seed 7
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "generate" / "testdata"))

import tokenizer_classes  # noqa: E402
import tokenizer_lines as lines  # noqa: E402
import transformers  # noqa: E402

transformers.logging.set_verbosity_error()

MODELS = {
    "bert-base": ["BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "ElectraTokenizer", "MPNetTokenizer"],
    "roberta-base": ["RobertaTokenizer", "RobertaTokenizerFast", "LongformerTokenizer", "BartTokenizer"],
    "xlm-roberta-base": ["XLMRobertaTokenizer", "XLMRobertaTokenizerFast"],
    "camembert-base": ["CamembertTokenizer", "CamembertTokenizerFast"],
    "albert-base": ["AlbertTokenizer", "AlbertTokenizerFast"],
}
GENERIC = ["PreTrainedTokenizerFast", "TokenizersBackend", "ClassOfNoLibrary"]
OPTIONS = [
    "do_lower_case", "strip_accents", "tokenize_chinese_chars", "keep_accents", "add_prefix_space", "trim_offsets", "add_bos_token",
    "add_eos_token", "legacy", "split_by_punct", "clean_text",
]
MODEL_TYPES = ["", "bert", "xlm-roberta", "t5", "qwen2", "qwen3", "mistral", "modernbert", "deberta-v2", "llama", "gemma3_text", "esm", "herbert"]
ROLES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]
NEW = ["[ENT]", "<ent>", "NEWCO", "caf\u00e9", "x y", "the", "a", "\u6771", "<s>NOTUSED", "[E2]"]


def flags(rng, content):
    token = {"content": content}
    for flag in ("single_word", "lstrip", "rstrip", "normalized", "special"):
        if rng.random() < 0.6:
            token[flag] = rng.random() < 0.4
    return token


def some_token(rng, vocabulary):
    return rng.choice(NEW if rng.random() < 0.7 else vocabulary)


def drawn_config(rng, classes, vocabulary, config, generic=True):
    """tokenizer_config.json with each key drawn."""
    kind = rng.random()
    config.pop("tokenizer_class", None)
    if kind < 0.85 or not generic:
        config["tokenizer_class"] = rng.choice(GENERIC if kind < 0.2 and generic else classes)
    for option in OPTIONS:
        if rng.random() < 0.4:
            config[option] = rng.random() < 0.5
        elif rng.random() < 0.3:
            config.pop(option, None)
    for role in ROLES:
        draw = rng.random()
        if draw < 0.3:
            config.pop(role, None)
        elif draw < 0.36:
            config[role] = some_token(rng, vocabulary)
        elif draw < 0.42:
            config[role] = {"__type": "AddedToken", **flags(rng, some_token(rng, vocabulary))}
    for key in ("additional_special_tokens", "extra_special_tokens"):
        if rng.random() < 0.25:
            config[key] = [some_token(rng, vocabulary) for _ in range(rng.randrange(3))]
    if rng.random() < 0.1:
        config["extra_special_tokens"] = {"tag_token": some_token(rng, vocabulary)}
    if rng.random() < 0.15:
        config["tag_token"] = some_token(rng, vocabulary)
    if rng.random() < 0.4:
        ids = rng.sample(range(len(vocabulary) + 4), rng.randrange(1, 5))
        config["added_tokens_decoder"] = {str(i): flags(rng, some_token(rng, vocabulary)) for i in ids}
    for side in ("truncation_side", "padding_side"):
        if rng.random() < 0.2:
            config[side] = rng.choice(["left", "right"])
    return config


def drawn_map(rng, vocabulary):
    out = {}
    for role in ROLES:
        if rng.random() < 0.2:
            token = some_token(rng, vocabulary)
            out[role] = flags(rng, token) if rng.random() < 0.5 else token
    for key in ("additional_special_tokens", "extra_special_tokens"):
        if rng.random() < 0.3:
            out[key] = [some_token(rng, vocabulary) for _ in range(rng.randrange(3))]
    return out


def drawn_json(rng, tokenizer):
    """tokenizer.json with other normalizers and added tokens."""
    if rng.random() < 0.3:
        tokenizer["normalizer"] = rng.choice([
            None, {"type": "Lowercase"}, {"type": "NFC"}, {"type": "Strip", "strip_left": True, "strip_right": False},
            {"type": "BertNormalizer", "clean_text": False, "handle_chinese_chars": False, "strip_accents": None, "lowercase": False},
        ])
    for token in tokenizer["added_tokens"]:
        if rng.random() < 0.2:
            token["normalized"] = not token["normalized"]
        if rng.random() < 0.1:
            token["lstrip"] = not token["lstrip"]
    if rng.random() < 0.2:
        tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if rng.random() < 0.6]
    return tokenizer


def make_class_folder(rng, folder, kind):
    """One of testdata/tokenizer-classes."""
    _, classes = tokenizer_classes.KINDS[kind]
    name = rng.choice(classes)
    with_json = kind != "letters" and (name in tokenizer_classes.ONLY_JSON or rng.random() < 0.6)
    tokenizer_classes.make_folder(folder, kind, name, {}, with_json, rng.choice(MODEL_TYPES) if rng.random() < 0.4 else "")
    vocabulary = class_vocabulary(kind)
    write = lambda file, value: (folder / file).write_text(json.dumps(value), encoding="utf-8")  # noqa: E731
    write("tokenizer_config.json", drawn_config(rng, [name, name + "Fast", name], vocabulary, {}, generic=with_json))
    if rng.random() < 0.3:
        write("special_tokens_map.json", drawn_map(rng, vocabulary))
    if rng.random() < 0.1:
        write("added_tokens.json", {token: len(vocabulary) + i for i, token in enumerate(rng.sample(NEW, 2))})
    if with_json:
        write("tokenizer.json", drawn_json(rng, json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))))
    return f"{kind} {name}{' json' if with_json else ''}"


def class_vocabulary(kind):
    if kind == "letters":
        return tokenizer_classes.LETTERS
    vocab = json.loads((tokenizer_classes.HERE / kind / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return sorted(vocab) if isinstance(vocab, dict) else [piece[0] for piece in vocab]


def make_folder(rng, folder, models, kinds):
    name = rng.choice(kinds)
    if name in tokenizer_classes.KINDS:
        return make_class_folder(rng, folder, name)
    source = models / name
    folder.mkdir()
    for file in source.iterdir():
        if file.suffix in (".json", ".txt", ".model"):
            shutil.copy(file, folder / file.name)
    read = lambda file: json.loads((folder / file).read_text(encoding="utf-8"))  # noqa: E731
    write = lambda file, value: (folder / file).write_text(json.dumps(value), encoding="utf-8")  # noqa: E731
    tokenizer = read("tokenizer.json")
    vocab = tokenizer["model"]["vocab"]
    vocabulary = sorted(vocab) if isinstance(vocab, dict) else [piece[0] for piece in vocab]
    write("tokenizer_config.json", drawn_config(rng, MODELS[name], vocabulary, read("tokenizer_config.json")))
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    if rng.random() < 0.5:
        write("special_tokens_map.json", drawn_map(rng, vocabulary))
    if rng.random() < 0.2:
        write("added_tokens.json", {token: len(vocabulary) + i for i, token in enumerate(rng.sample(NEW, 2))})
    if rng.random() < 0.15:
        (folder / "tokenizer.json").unlink()
    else:
        write("tokenizer.json", drawn_json(rng, tokenizer))
    return name


def drawn_texts(rng, count):
    pools = [NEW, NEW, lines.SPACES, lines.PUNCTUATION, ["[CLS]", "[SEP]", "[MASK]", "<mask>", "<s>", "</s>", "<unk>", "[UNK]"],
             ["<|endoftext|>", "<extra_id_1>", "<bos>", "<cls>", "MKTAY", "(", "e.g."], ["Ada", "\u00c9mile", "the", "\u6771\u4eac", "1,000", "Caf\u00e9", "``", "\u2581a"]]
    texts = [*lines.mixture(rng, count, pools, 8), *lines.random_lines(rng, count)]
    items = [{"text": text} for text in texts]
    for item in items[::4]:
        item["text_pair"] = rng.choice(texts)
    return items


def expected(folder, items):
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:  # a class in Python
        return type(tokenizer).__name__, [tokenizer(item["text"], item.get("text_pair"))["input_ids"] for item in items]
    backend.no_padding()
    backend.no_truncation()
    return type(tokenizer).__name__, [backend.encode(item["text"], item.get("text_pair")).ids for item in items]


def answered(binary, folder, items):
    file = folder / "texts.jsonl"
    file.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    done = subprocess.run([str(binary), "tokenize", str(folder), "--input", str(file)], capture_output=True, check=False)
    if done.returncode != 0:
        return done.stderr.decode(errors="replace").strip(), None
    return "", [json.loads(row)["input_ids"] for row in done.stdout.decode("utf-8").split("\n") if row]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path, help="the tamis program")
    parser.add_argument("--models", type=Path, default=ROOT / "testdata" / "models")
    parser.add_argument("--folders", type=int, default=200)
    parser.add_argument("--texts", type=int, default=12, help="texts for each folder, twice")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="*", default=sorted(MODELS) + sorted(tokenizer_classes.KINDS), help="vocabularies to draw from")
    arguments = parser.parse_args()
    counts = {"compared": 0, "refused by transformers": 0, "refused by tamis": 0, "different": 0}
    for number in range(arguments.folders):
        rng = random.Random(f"{arguments.seed} {number}")
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model"
            name = make_folder(rng, folder, arguments.models, arguments.kinds)
            items = drawn_texts(rng, arguments.texts)
            try:
                kind, wanted = expected(folder, items)
            except BaseException as error:  # a Rust panic is no Exception
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
                counts["refused by transformers"] += 1
                continue
            refusal, found = answered(arguments.binary, folder, items)
            if found is None:
                counts["refused by tamis"] += 1
                print(f"{number} {name}: {refusal}")
                continue
            counts["compared"] += 1
            wrong = [(i, w, f) for i, w, f in zip(items, wanted, found) if w != f]
            if wrong or len(found) != len(wanted):
                counts["different"] += 1
                item, want, got = min(wrong, key=lambda w: len(w[0]["text"]))
                print(f"{number} {name} {kind}: {json.dumps(item)}\n  expected {want}\n  found    {got}")
                for file in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
                    if (folder / file).exists():
                        print(f"  {file} {(folder / file).read_text()}")
    print(f"seed {arguments.seed}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
