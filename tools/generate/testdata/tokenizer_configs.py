"""Small tokenizers that together use every component and option of tokenizer.json.

MAIN holds the shapes of well-known checkpoints, answered for all lines; VARIANTS one option each over
one small vocabulary, answered for a sample of the lines.
"""

import base64
import json
import random
import struct
from functools import lru_cache

import corpus
import small_tokenizers
import tokenizer_lines
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
HAN = r"[\p{Han}]|\p{Thai}+|[\p{Hiragana}\p{Katakana}]+"
BEHAVIORS = ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")


@lru_cache(None)
def training_text():
    rng = random.Random(5)
    return corpus.lines() + list(tokenizer_lines.words(rng, 900)) + tokenizer_lines.CODE * 3


def added(content, index, special=True, **options):
    token = {"id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False}
    return {**token, "normalized": not special, "special": special, **options}


EXTRA = (  # content and options of tokens every tokenizer here gets behind its vocabulary
    ("lefty", {"special": False, "lstrip": True}),
    ("righty", {"special": False, "rstrip": True, "normalized": False}),
    ("both", {"lstrip": True, "rstrip": True}),
    ("single", {"special": False, "single_word": True, "normalized": False}),
    ("Normal \u00c9t\u00e9", {"special": False}),
    ("e\u0301t", {"special": False, "single_word": True}),
    ("<|endoftext|>", {}),
    ("[unused1]", {"special": False, "normalized": False}),
)


def document(model, specials, **parts):
    """A tokenizer.json; `specials` are (content, options) of tokens the vocabulary has."""
    vocab = model["vocab"]
    ids = vocab if isinstance(vocab, dict) else {piece: i for i, (piece, _) in enumerate(vocab)}
    tokens = [added(content, ids[content], **options) for content, options in specials]
    tokens += [added(content, len(ids) + i, **options) for i, (content, options) in enumerate(EXTRA)]
    tokens.sort(key=lambda token: token["id"])
    empty = {"normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens, **empty, **parts, "model": model}


def component(thing):
    return json.loads(thing.__getstate__())


# --- vocabularies -----------------------------------------------------------------------------------


@lru_cache(None)
def _wordpiece(lowercase, size):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(training_text(), trainer)
    return tokenizer.to_str()


def wordpiece(lowercase=True, size=1400, **options):
    model = json.loads(_wordpiece(lowercase, size))["model"]
    model["vocab"] = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
    return {**model, **options}


@lru_cache(None)
def _bpe(kind):
    options = {"show_progress": False, "vocab_size": 1300}
    tokenizer = Tokenizer(models.BPE())
    if kind == "bytes":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        options["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
        options["special_tokens"] = ["<s>", "<pad>", "</s>", "<unk>"]
    elif kind == "llama":
        tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
        tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
        options["special_tokens"] = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
        options["limit_alphabet"] = 300
    elif kind == "clip":
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)])
        options["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
        options["special_tokens"] = ["<s>", "</s>"]
        options["end_of_word_suffix"] = "</w>"
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        options["special_tokens"] = ["[UNK]", "[CLS]", "[SEP]"]
        options["continuing_subword_prefix"] = "##"
        options["limit_alphabet"] = 200
    tokenizer.train_from_iterator(training_text(), trainers.BpeTrainer(**options))
    return tokenizer.to_str()


def bpe(kind, **options):
    model = json.loads(_bpe(kind))["model"]
    model["vocab"] = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
    if kind == "bytes":
        model["vocab"]["<mask>"] = len(model["vocab"])
    return {**model, **options}


@lru_cache(None)
def _unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = ["<s>", "<pad>", "</s>", "<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.UnigramTrainer(vocab_size=1500, special_tokens=specials, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(training_text(), trainer)
    return tokenizer.to_str()


def unigram(byte_fallback):
    model = json.loads(_unigram())["model"]
    vocab = [[piece, round(score, 6)] for piece, score in model["vocab"]]
    if not byte_fallback:
        vocab = [row for row in vocab if not (row[0].startswith("<0x") and len(row[0]) == 6)]
    vocab += [["<mask>", 0.0]]
    return {"type": "Unigram", "unk_id": 3, "vocab": vocab, "byte_fallback": byte_fallback}


def word_level():
    words = sorted({w for line in training_text() for w, _ in pre_tokenizers.Whitespace().pre_tokenize_str(line.lower())})
    random.Random(3).shuffle(words)
    vocab = {w: i for i, w in enumerate(["[UNK]", "[CLS]", "[SEP]", "[MASK]"] + sorted(words[:900]))}
    return {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}


# --- parts ------------------------------------------------------------------------------------------


def template(cls, sep, ids, pair_type=1):
    piece = lambda name, kind: {"SpecialToken": {"id": name, "type_id": kind}}
    text = lambda name, kind: {"Sequence": {"id": name, "type_id": kind}}
    return {
        "type": "TemplateProcessing",
        "single": [piece(cls, 0), text("A", 0), piece(sep, 0)],
        "pair": [piece(cls, 0), text("A", 0), piece(sep, 0), text("B", pair_type), piece(sep, pair_type)],
        "special_tokens": {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in (cls, sep)},
    }


def byte_level(prefix=False, trim=True, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": regex}


def metaspace(scheme="always", split=True, replacement="\u2581"):
    return {"type": "Metaspace", "replacement": replacement, "prepend_scheme": scheme, "split": split}


def sequence(kind, *parts):
    return {"type": "Sequence", {"n": "normalizers", "p": "pretokenizers", "d": "decoders", "x": "processors"}[kind]: list(parts)}


def split(pattern, behavior, invert=False, literal=False):
    return {"type": "Split", "pattern": {"String" if literal else "Regex": pattern}, "behavior": behavior, "invert": invert}


def replace(pattern, content, literal=False):
    return {"type": "Replace", "pattern": {"String" if literal else "Regex": pattern}, "content": content}


def bert_normalizer(lowercase=True, strip=None, chinese=True, clean=True):
    return {
        "type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese, "strip_accents": strip,
        "lowercase": lowercase,
    }


def small_charsmap():
    """A charsmap with two-character keys, an empty value and keys of one to four bytes."""
    rules = {
        "\u00a0": " ", "\u3000": " ", "\t": " ", "\ufb01": "fi", "e\u0301": "\u00e9", "a\u0300": "\u00e0", "\u00ad": "", "\ufeff": "",
        "\uff21": "A", "\u2026": "...", "\u304b\u3099": "\u304c", "\u1100\u1161": "\uac00", "\U0001d400": "A", "\u0915\u093c": "\u0958",
    }
    keys = sorted((key.encode(), value.encode()) for key, value in rules.items())
    units, texts = _double_array(keys)
    trie = struct.pack("<%dI" % len(units), *units)
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(struct.pack("<I", len(trie)) + trie + texts).decode()}


def _double_array(keys):
    """Units of a double-array trie as the charsmap format has them, and the values, NUL-ended."""
    texts, places = b"", {}
    for key, value in keys:
        places[key] = len(texts)
        texts += value + b"\0"
    tree = {}
    for key, _ in keys:
        node = tree
        for byte in key:
            node = node.setdefault(byte, {})
        node[None] = places[key]
    units, used, origins = [0], {0}, set()

    def place(node, at):
        labels = sorted(0 if label is None else label for label in node)
        base = 1  # children lie at (at ^ base) ^ label; 0 is the value
        while (at ^ base) in origins or any((at ^ base ^ label) in used for label in labels):
            base += 1
        origins.add(at ^ base)
        used.update(at ^ base ^ label for label in labels)
        units.extend([0] * ((at ^ base | 255) + 1 - len(units)))  # any byte may be looked up
        units[at] = (units[at] & 0xFF) | base << 10 | (1 << 8 if None in node else 0)
        for label, child in node.items():
            if label is None:
                units[at ^ base] = child | 1 << 31
            else:
                units[at ^ base ^ label] = label
        for label, child in node.items():
            if label is not None:
                place(child, at ^ base ^ label)

    place(tree, 0)
    return units, texts


def full_charsmap():
    backend = small_tokenizers.xlm_roberta(full_charsmap=True).fast.backend_tokenizer
    found = json.loads(backend.to_str())["normalizer"]
    stack = [found]
    while stack:
        part = stack.pop()
        if part["type"] == "Precompiled":
            return part
        stack += part.get("normalizers", [])
    raise SystemExit("XLM-R's converter gives no charsmap")


BERT = [(name, {}) for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")]
BART = [(name, {}) for name in ("<s>", "<pad>", "</s>", "<unk>")] + [("<mask>", {"lstrip": True})]
WORDPIECE_DECODER = {"type": "WordPiece", "prefix": "##", "cleanup": True}
METASPACE_DECODER = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
FALLBACK, FUSE = {"type": "ByteFallback"}, {"type": "Fuse"}
STRIP_DECODER = {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def roberta(ids, prefix, trim):
    return {
        "type": "RobertaProcessing", "sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]], "trim_offsets": trim,
        "add_prefix_space": prefix,
    }


def main_documents():
    """{name: tokenizer.json} of the shapes that checkpoints have."""
    out = {}
    model = wordpiece()
    out["bert-uncased"] = document(
        model, BERT, normalizer=bert_normalizer(), pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor=template("[CLS]", "[SEP]", model["vocab"]), decoder=WORDPIECE_DECODER,
    )
    model = wordpiece(False, 1600, max_input_chars_per_word=20)
    out["bert-cased"] = document(
        model, BERT, normalizer=bert_normalizer(False, False), pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor={"type": "BertProcessing", "sep": ["[SEP]", model["vocab"]["[SEP]"]], "cls": ["[CLS]", model["vocab"]["[CLS]"]]},
        decoder={**WORDPIECE_DECODER, "cleanup": False},
    )
    model = bpe("bytes")
    out["gpt2"] = document(
        model, BART, pre_tokenizer=byte_level(), post_processor=byte_level(trim=True), decoder=byte_level(),
    )
    out["roberta"] = document(
        model, BART, pre_tokenizer=byte_level(True), post_processor=roberta(model["vocab"], True, True), decoder=byte_level(),
    )
    model = bpe("llama", byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    llama = [(name, {}) for name in ("<unk>", "<s>", "</s>")]
    out["llama"] = document(
        model, llama, normalizer=sequence("n", {"type": "Prepend", "prepend": "\u2581"}, replace(" ", "\u2581", True)),
        post_processor=template("<s>", "</s>", model["vocab"], 0),
        decoder=sequence("d", replace("\u2581", " ", True), FALLBACK, FUSE, STRIP_DECODER),
    )
    model = bpe("bytes", ignore_merges=True)
    out["cl100k"] = document(
        model, BART, normalizer={"type": "NFC"}, pre_tokenizer=sequence("p", split(CL100K, "Isolated"), byte_level(regex=False, trim=False)),
        post_processor=sequence("x", byte_level(trim=False), template("<s>", "</s>", model["vocab"])), decoder=byte_level(),
    )
    model = unigram(False)
    ids = {piece: i for i, (piece, _) in enumerate(model["vocab"])}
    out["xlm-roberta"] = document(
        model, BART, normalizer=full_charsmap(), pre_tokenizer=sequence("p", {"type": "WhitespaceSplit"}, metaspace()),
        post_processor=template("<s>", "</s>", ids, 0), decoder=METASPACE_DECODER,
    )
    out["albert"] = document(
        model, BART,
        normalizer=sequence(
            "n", replace("``", '"', True), replace("''", '"', True), {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
            small_charsmap(), replace(" {2,}", " "),
        ),
        pre_tokenizer=metaspace(), post_processor=template("<s>", "</s>", ids), decoder=METASPACE_DECODER,
    )
    model = unigram(True)
    out["unigram-bytes"] = document(
        model, BART, normalizer=sequence("n", {"type": "Strip", "strip_left": False, "strip_right": True}, replace(" {2,}", "\u2581")),
        pre_tokenizer=metaspace("first"), post_processor=template("<s>", "</s>", ids, 0),
        decoder=sequence("d", FALLBACK, METASPACE_DECODER),
    )
    model = bpe("clip", unk_token="</s>")
    out["clip"] = document(
        model, [("<s>", {}), ("</s>", {})],
        normalizer=sequence("n", {"type": "NFC"}, replace(r"\s+", " "), {"type": "Lowercase"}),
        pre_tokenizer=sequence("p", split(CLIP, "Removed", True), byte_level()),
        post_processor=roberta(model["vocab"], False, False), decoder=byte_level(),
    )
    model = word_level()
    specials = [(name, {}) for name in ("[UNK]", "[CLS]", "[SEP]")] + [("[MASK]", {"normalized": True})]
    out["word-level"] = document(
        model, specials, normalizer=sequence("n", {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}),
        pre_tokenizer={"type": "Whitespace"}, post_processor=template("[CLS]", "[SEP]", model["vocab"]),
    )
    model = bpe("prefix", unk_token="[UNK]", fuse_unk=True)
    out["bpe-prefix"] = document(
        model, [(name, {}) for name in ("[UNK]", "[CLS]", "[SEP]")], normalizer={"type": "NFKC"}, pre_tokenizer={"type": "Whitespace"},
        post_processor=template("[CLS]", "[SEP]", model["vocab"]), decoder=WORDPIECE_DECODER,
    )
    return out


def variant_documents():
    """{name: tokenizer.json}: one option after the other."""
    out = {}
    bert = wordpiece(True, 420)
    bert_post = template("[CLS]", "[SEP]", bert["vocab"])
    byte = bpe("bytes")
    byte["merges"] = byte["merges"][:120]
    kept = {a + b for a, b in byte["merges"]} | set(list(byte["vocab"])[:260])
    byte["vocab"] = {token: i for i, token in enumerate(t for t in byte["vocab"] if t in kept or t == "<mask>")}
    uni = unigram(False)
    uni["vocab"] = uni["vocab"][:400] + uni["vocab"][-1:]
    ids = {piece: i for i, (piece, _) in enumerate(uni["vocab"])}

    def wordpiece_with(name, **parts):
        out[name] = document(bert, BERT, **{"post_processor": bert_post, "decoder": WORDPIECE_DECODER, **parts})

    def bytes_with(name, model=byte, **parts):
        out[name] = document(model, BART, **{"decoder": byte_level(), **parts})

    def unigram_with(name, **parts):
        out[name] = document(uni, BART, **{"post_processor": template("<s>", "</s>", ids), "decoder": METASPACE_DECODER, **parts})

    for behavior in BEHAVIORS:
        name = behavior.lower()
        wordpiece_with(f"punctuation-{name}", pre_tokenizer=sequence("p", {"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": behavior}))
        wordpiece_with(f"split-{name}", normalizer={"type": "Lowercase"}, pre_tokenizer=split(r"\s+|\p{P}|[0-9a-c]", behavior))
        wordpiece_with(f"split-{name}-invert", pre_tokenizer=split(r"\w+|[^\w\s]", behavior, True))
        wordpiece_with(f"split-{name}-literal", pre_tokenizer=split(" ", behavior, behavior == "Removed", True))
    wordpiece_with("digits", pre_tokenizer=sequence("p", {"type": "WhitespaceSplit"}, {"type": "Digits", "individual_digits": False}))
    wordpiece_with("digits-individual", pre_tokenizer={"type": "Digits", "individual_digits": True})
    wordpiece_with("scripts-regex", pre_tokenizer=sequence("p", split(HAN, "Isolated"), {"type": "Whitespace"}))
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        wordpiece_with(form.lower(), normalizer={"type": form}, pre_tokenizer={"type": "BertPreTokenizer"})
    wordpiece_with("strip", normalizer=sequence("n", {"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "StripAccents"}), pre_tokenizer={"type": "Whitespace"})
    wordpiece_with("bert-no-clean", normalizer=bert_normalizer(True, True, False, False), pre_tokenizer={"type": "BertPreTokenizer"})
    wordpiece_with("bert-keep-accents", normalizer=bert_normalizer(True, False), pre_tokenizer={"type": "BertPreTokenizer"})
    wordpiece_with("replace-regex", normalizer=sequence("n", replace(r"[\p{P}\d]+", " # "), replace("a", "", True)), pre_tokenizer={"type": "WhitespaceSplit"})
    wordpiece_with("no-pre-tokenizer", normalizer=bert_normalizer())
    wordpiece_with("small-charsmap", normalizer=small_charsmap(), pre_tokenizer={"type": "BertPreTokenizer"})
    for prefix in (False, True):
        for trim in (False, True):
            tail = ("-prefix" if prefix else "") + ("-trim" if trim else "")
            bytes_with("bytes-roberta" + tail, pre_tokenizer=byte_level(prefix, trim), post_processor=roberta(byte["vocab"], prefix, trim))
            bytes_with("bytes-post" + tail, pre_tokenizer=byte_level(prefix, trim), post_processor=byte_level(prefix, trim))
    bytes_with("o200k", pre_tokenizer=sequence("p", split(O200K, "Isolated"), byte_level(False, False, False)), post_processor=byte_level(True, False))
    bytes_with("bytes-digits", pre_tokenizer=sequence("p", {"type": "Digits", "individual_digits": True}, byte_level(False)))
    bytes_with("bytes-lower", normalizer=sequence("n", {"type": "NFKC"}, {"type": "Lowercase"}), pre_tokenizer=byte_level(True), post_processor=roberta(byte["vocab"], True, True))
    for scheme in ("always", "never", "first"):
        unigram_with(f"metaspace-{scheme}", pre_tokenizer=metaspace(scheme), decoder={**METASPACE_DECODER, "prepend_scheme": scheme})
        unigram_with(f"metaspace-{scheme}-whole", pre_tokenizer=metaspace(scheme, False), decoder={**METASPACE_DECODER, "prepend_scheme": scheme, "split": False})
    unigram_with("metaspace-other", normalizer={"type": "NFKC"}, pre_tokenizer=metaspace("first", True, "_"), decoder={**METASPACE_DECODER, "replacement": "_"})
    unigram_with("unigram-raw", normalizer=replace(" ", "\u2581", True))
    fallback = bpe("llama", byte_fallback=True, fuse_unk=False, unk_token="<unk>")
    fallback["merges"] = fallback["merges"][:60]
    kept = {a + b for a, b in fallback["merges"]} | {t for t in fallback["vocab"] if t[0] == "<" or len(t) == 1}
    fallback["vocab"] = {token: i for i, token in enumerate(t for t in fallback["vocab"] if t in kept)}
    llama = [(name, {}) for name in ("<unk>", "<s>", "</s>")]
    tail = sequence("d", FALLBACK, FUSE, replace("\u2581", " ", True), {"type": "Strip", "content": " ", "start": 2, "stop": 1})
    out["bpe-bytes-metaspace"] = document(fallback, llama, pre_tokenizer=metaspace("first", False), decoder=tail)
    for fuse in (False, True):
        model = {**fallback, "byte_fallback": False, "fuse_unk": fuse}
        out["bpe-unk" + ("-fused" if fuse else "")] = document(model, llama, pre_tokenizer=metaspace(), decoder=METASPACE_DECODER)
    clip = bpe("clip", unk_token="</s>")
    clip["merges"] = clip["merges"][:100]
    kept = {a + b for a, b in clip["merges"]} | set(list(clip["vocab"])[:530])
    clip["vocab"] = {token: i for i, token in enumerate(t for t in clip["vocab"] if t in kept)}
    out["bpe-suffix"] = document(clip, [("<s>", {}), ("</s>", {})], normalizer={"type": "Lowercase"}, pre_tokenizer={"type": "WhitespaceSplit"}, decoder={"type": "BPEDecoder", "suffix": "</w>"})
    return out
