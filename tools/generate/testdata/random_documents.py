"""Random tokenizer.json documents: every component of tokenizers 0.23 with every option drawn."""

import copy
import json

from tokenizer_configs import BEHAVIORS, CL100K, CLIP, HAN, O200K, small_charsmap

PATTERNS = [
    CL100K, CLIP, HAN, O200K, r"\s+", r"\w+|[^\w\s]+", r"\d{1,3}(?=(?:\d{3})*\b)", r"[^\r\n\p{L}\p{N}]?\p{L}+", r" ?\p{N}+", r"(?i)a|e",
    r"\p{N}{1,3}", r"\s+(?!\S)|\s+", r"[A-Z]+(?=[A-Z][a-z])", r"", r"^.", r".$", r"\b", r"(?<=\s)\S", r"[\u4e00-\u9fff]", r"[[:punct:]]+", r"\X",
]
LITERALS = [" ", "", "\u2581", "a", "e\u0301", "  ", "\n", "th"]


def pattern(rng):
    return {"String": rng.choice(LITERALS)} if rng.random() < 0.4 else {"Regex": rng.choice(PATTERNS)}


def flag(rng):
    return rng.random() < 0.5


def normalizer(rng, depth=0):
    kinds = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "Bert", "Strip", "Prepend", "Replace", "Precompiled", "ByteLevel"]
    kind = rng.choice(kinds + ["Sequence"] * (5 if depth < 2 else 0))
    if kind == "Sequence":
        return {"type": "Sequence", "normalizers": [normalizer(rng, depth + 1) for _ in range(rng.randrange(4))]}
    if kind == "Bert":
        accents = rng.choice([None, True, False])
        return {"type": "BertNormalizer", "clean_text": flag(rng), "handle_chinese_chars": flag(rng), "strip_accents": accents, "lowercase": flag(rng)}
    if kind == "Strip":
        return {"type": "Strip", "strip_left": flag(rng), "strip_right": flag(rng)}
    if kind == "Prepend":
        return {"type": "Prepend", "prepend": rng.choice(["\u2581", " ", "ab", "\u00e9"])}
    if kind == "Replace":
        return {"type": "Replace", "pattern": pattern(rng), "content": rng.choice(["", " ", "\u2581", "x", "\u6771e\u0301"])}
    if kind == "Precompiled":
        return small_charsmap()
    return {"type": kind}


def pre_tokenizer(rng, depth=0):
    kinds = ["Bert", "ByteLevel", "Delimiter", "Digits", "FixedLength", "Metaspace", "Punctuation", "Split", "Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit"]
    kind = rng.choice(kinds + ["Sequence"] * (6 if depth < 2 else 0))
    if kind == "Sequence":
        return {"type": "Sequence", "pretokenizers": [pre_tokenizer(rng, depth + 1) for _ in range(rng.randrange(4))]}
    if kind == "Bert":
        return {"type": "BertPreTokenizer"}
    if kind == "ByteLevel":
        out = {"type": "ByteLevel", "add_prefix_space": flag(rng), "trim_offsets": flag(rng)}
        return out if rng.random() < 0.2 else {**out, "use_regex": flag(rng)}
    if kind == "Delimiter":
        return {"type": "CharDelimiterSplit", "delimiter": rng.choice([" ", "-", "\u00e9", "a"])}
    if kind == "Digits":
        return {"type": "Digits", "individual_digits": flag(rng)}
    if kind == "FixedLength":
        return {"type": "FixedLength", "length": rng.choice([1, 2, 5, 100])}
    if kind == "Metaspace":
        scheme = {"prepend_scheme": rng.choice(["always", "never", "first"])} if rng.random() < 0.8 else {}
        if rng.random() < 0.2:
            scheme["add_prefix_space"] = rng.random() < 0.8
        if rng.random() < 0.7:
            scheme["split"] = flag(rng)
        return {"type": "Metaspace", "replacement": rng.choice(["\u2581", "\u2581", "_", "\u00e9"]), **scheme}
    if kind == "Punctuation":
        return {"type": "Punctuation"} if rng.random() < 0.2 else {"type": "Punctuation", "behavior": rng.choice(BEHAVIORS)}
    if kind == "Split":
        return {"type": "Split", "pattern": pattern(rng), "behavior": rng.choice(BEHAVIORS), "invert": flag(rng)}
    return {"type": kind}


def post_processor(rng, ids, depth=0):
    names = rng.sample(sorted(ids), 2)
    kind = rng.choice(["Bert", "Roberta", "ByteLevel", "Template", "Template"] + ["Sequence"] * (2 if depth < 1 else 0))
    if kind == "Sequence":
        steps = [post_processor(rng, ids, depth + 1) for _ in range(rng.randrange(4))]
        adding = [step for step in steps if step["type"] != "ByteLevel"][:1]  # tamis takes one
        return {"type": "Sequence", "processors": [step for step in steps if step["type"] == "ByteLevel" or step in adding]}
    if kind == "ByteLevel":
        return {"type": "ByteLevel", "add_prefix_space": flag(rng), "trim_offsets": flag(rng), "use_regex": flag(rng)}
    if kind == "Template":
        return template(rng, names, ids)
    ends = {"sep": [names[0], ids[names[0]]], "cls": [names[1], ids[names[1]]]}
    if kind == "Bert":
        return {"type": "BertProcessing", **ends}
    return {"type": "RobertaProcessing", **ends, "trim_offsets": flag(rng), "add_prefix_space": flag(rng)}


def template(rng, names, ids):
    special = lambda: {"SpecialToken": {"id": rng.choice(names), "type_id": rng.randrange(3)}}  # noqa: E731
    text = lambda name: {"Sequence": {"id": name, "type_id": rng.randrange(3)}}  # noqa: E731
    parts = lambda *texts: [p for t in texts for p in ([special()] * rng.randrange(2) + [text(t)])] + [special()] * rng.randrange(3)  # noqa: E731
    pair = parts("A", "B") if rng.random() < 0.8 else parts("B", "A")
    tokens = {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in names}
    if rng.random() < 0.2:
        first = names[0]
        tokens[first] = {"id": first, "ids": [ids[first], ids[names[1]]], "tokens": [first, names[1]]}
    return {"type": "TemplateProcessing", "single": parts("A"), "pair": pair, "special_tokens": tokens}


def document(rng, base):
    """`base` with its parts drawn anew."""
    out = copy.deepcopy(base)
    vocab = out["model"]["vocab"]
    ids = vocab if isinstance(vocab, dict) else {piece: i for i, (piece, _) in enumerate(vocab)}
    if rng.random() < 0.7:
        out["normalizer"] = normalizer(rng) if rng.random() < 0.9 else None
    if rng.random() < 0.7:
        out["pre_tokenizer"] = pre_tokenizer(rng) if rng.random() < 0.9 else None
    if rng.random() < 0.7:
        out["post_processor"] = post_processor(rng, ids) if rng.random() < 0.9 else None
    model = out["model"]
    if model["type"] == "BPE":
        for option in ("fuse_unk", "byte_fallback", "ignore_merges"):
            if rng.random() < 0.4:
                model[option] = flag(rng)
        if rng.random() < 0.2:
            model["unk_token"] = rng.choice([None, sorted(ids)[0]])
        if rng.random() < 0.1:
            model["dropout"] = rng.choice([None, 0.0])
    if model["type"] == "WordPiece" and rng.random() < 0.3:
        model["max_input_chars_per_word"] = rng.choice([0, 1, 7, 100])
    if model["type"] == "Unigram" and rng.random() < 0.3:
        model["byte_fallback"] = flag(rng)
    for token in out["added_tokens"]:
        for option in ("lstrip", "rstrip", "single_word", "normalized", "special"):
            if rng.random() < 0.15:
                token[option] = not token[option]
    return json.dumps(out, ensure_ascii=False)
