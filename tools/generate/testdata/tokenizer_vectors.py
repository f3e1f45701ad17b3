"""Records what Hugging Face's tokenizers answer for the lines of tokenizer_lines.py.

testdata/tokenizer/README.md describes the files and the hash.
"""

import fnmatch
import json
import random
import struct

import tokenizer_configs
import tokenizer_lines
import tokenizers
from tokenizers import Tokenizer

SAMPLE = 7  # a variant answers every 7th line
FULL_LINES = 300
MASK = 0xFFFFFFFFFFFFFFFF
PRIME, BASIS = 0x100000001B3, 0xCBF29CE484222325


def _hash_words(words, value=BASIS):
    for word in words:
        value = (value ^ word) * PRIME & MASK
    return value


def _words(encoding, by_type=False):
    """The 32-bit words of one encoding, as README.md lays them out."""
    ids = encoding.ids
    out = [len(ids)]
    sequences = encoding.type_ids if by_type else encoding.sequence_ids
    rows = zip(ids, encoding.offsets, encoding.type_ids, encoding.special_tokens_mask, sequences, encoding.word_ids)
    for token, (start, end), kind, special, part, word in rows:
        out += (
            token, start, end, kind | special << 8 | (0 if part is None else part + 1) << 16, 0 if word is None else word + 1,
        )
    return out


def encoding_hash(encoding, by_type=False):
    """`by_type`: windows of a pair lose their sequence ids where there is no post-processor, so the
    type ids, which then count the texts, stand for them."""
    words = _words(encoding)
    for window in encoding.overflowing:
        words += _words(window, by_type)
    return _hash_words(words)


def text_hash(text):
    return _hash_words(text.encode())


def all_lines():
    texts = tokenizer_lines.lines()
    rules = [{"repeat": piece, "count": count} for piece, count in tokenizer_lines.repeated()]
    return texts, rules, texts + [rule["repeat"] * rule["count"] for rule in rules]


def record(folder, name, document, texts, every):
    """Writes one configuration. A tokenizer.json that is there is kept: the library's trainers break
    ties differently from run to run."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "tokenizer.json").exists():
        content = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        (folder / "tokenizer.json").write_text(content + "\n", encoding="utf-8")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    chosen = texts[::every]
    # The upper half of each: an answer that differs is missed once in four billion times.
    hashes = [encoding_hash(tokenizer.encode(text)) >> 32 for text in chosen]
    (folder / "hashes.bin").write_bytes(struct.pack("<%dI" % len(hashes), *hashes))
    rng = random.Random(name)
    short = [i for i, text in enumerate(texts) if len(text) < 70]
    count = FULL_LINES if every == 1 else FULL_LINES // SAMPLE
    rows = [full_row(tokenizer, i, texts[i]) for i in sorted(rng.sample(short, count))]
    parts = {
        "every": every,
        "vocab": vocabulary_facts(tokenizer),
        "full": rows,
        "pairs": pairs(tokenizer, texts, short, rng, count),
        "truncated": truncated(tokenizer, texts, short, rng, 2 * count),
        "decoded": decoded(tokenizer, texts, short, rng, count),
    }
    lines = []
    for key, value in parts.items():
        if isinstance(value, list):
            body = ",\n".join(json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in value)
            lines.append(f'"{key}":[\n{body}\n]')
        else:
            lines.append(f'"{key}":{json.dumps(value, ensure_ascii=True)}')
    (folder / "cases.json").write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")


def vocabulary_facts(tokenizer):
    size = tokenizer.get_vocab_size()
    tokens = [tokenizer.id_to_token(i) for i in range(size)]
    joined = "\n".join("" if token is None else token for token in tokens)
    return {"size": size, "hash": "%016x" % text_hash(joined)}


def full_row(tokenizer, index, text):
    encoding = tokenizer.encode(text)
    flat = [number for span in encoding.offsets for number in span]
    return {"line": index, "ids": encoding.ids, "offsets": flat, "tokens": encoding.tokens}


def pairs(tokenizer, texts, short, rng, count):
    """[first line, second line, add_special_tokens, hash]"""
    rows = []
    for _ in range(count):
        first, second, special = rng.choice(short), rng.choice(short), rng.random() < 0.8
        encoding = tokenizer.encode(texts[first], texts[second], add_special_tokens=special)
        rows.append([first, second, int(special), "%016x" % encoding_hash(encoding)])
    return rows


def truncated(tokenizer, texts, short, rng, count):
    """[first, second or -1, special, max_length, stride, strategy, side, hash or null for an error]"""
    rows = []
    while len(rows) < count:
        first, second = rng.choice(short), rng.choice(short + [-1] * len(short))
        special = rng.random() < 0.8
        added = tokenizer.num_special_tokens_to_add(second >= 0) if special else 0
        length = added + rng.randint(1, 14)
        stride = rng.choice((0, 0, 1, 2, 5))
        strategy = rng.choice(("longest_first", "longest_first", "only_first") + (("only_second",) if second >= 0 else ()))
        side = rng.choice(("left", "right"))
        if stride >= length - max(added, tokenizer.num_special_tokens_to_add(False)):
            continue  # the library refuses to be set so
        tokenizer.enable_truncation(length, stride=stride, strategy=strategy, direction=side)
        pair = texts[second] if second >= 0 else None
        try:
            encoding = tokenizer.encode(texts[first], pair, add_special_tokens=special)
            found = "%016x" % encoding_hash(encoding, tokenizer.post_processor is None)
        except BaseException as error:
            # The other text alone is too long (a bare Exception), or what is left for this text is
            # not longer than the stride (a Rust panic).
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            found = None
        rows.append([first, second, int(special), length, stride, strategy, side, found])
    tokenizer.no_truncation()
    return rows


def decoded(tokenizer, texts, short, rng, count):
    """{ids, skip_special_tokens, text}: of encoded lines, and of ids drawn blindly."""
    rows = []
    size = tokenizer.get_vocab_size()
    for index in range(count):
        if index % 3:
            ids = tokenizer.encode(texts[rng.choice(short)]).ids
        else:
            ids = [rng.randrange(size + 2) for _ in range(rng.randint(0, 12))]
        skip = rng.random() < 0.5
        try:
            rows.append({"ids": ids, "skip": skip, "text": tokenizer.decode(ids, skip_special_tokens=skip)})
        except BaseException as error:  # a Rust panic: the Strip decoder on an empty token
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
    return rows


def write(root, pattern="*"):
    """All of testdata/tokenizer, or the configurations whose names match."""
    texts, rules, every_text = all_lines()
    root.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps(text, ensure_ascii=False) for text in texts] + [json.dumps(rule, ensure_ascii=False) for rule in rules]
    (root / "lines.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8", newline="\n")
    (root / "version.txt").write_text(f"tokenizers {tokenizers.__version__}\n")
    for every, documents in ((1, tokenizer_configs.main_documents()), (SAMPLE, tokenizer_configs.variant_documents())):
        for name, document in documents.items():
            if fnmatch.fnmatch(name, pattern):
                record(root / name, name, document, every_text, every)
                print(f"testdata/tokenizer/{name}", flush=True)
