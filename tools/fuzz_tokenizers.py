#!/usr/bin/env python3
"""Compares `tamis tokenize` with Hugging Face's tokenizers on random hostile text.

Needs the Python package tokenizers (`make clients`). Prints the first difference of a tokenizer,
reduced to a short text, and exits 1 if there was any.

Example:
    tools/fuzz_tokenizers.py build/release/tamis testdata/tokenizer --texts 100000 --seed 7
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent / "testdata"))

import tokenizer_lines as lines  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

KEYS = ("input_ids", "tokens", "offsets", "token_type_ids")


def folders(paths):
    """Folders with a tokenizer.json: those named, else those below them."""
    for path in paths:
        if path.is_file():
            path = path.parent
        if (path / "tokenizer.json").is_file():
            yield path
            continue
        found = sorted(file.parent for file in path.rglob("tokenizer.json"))
        if not found:
            raise SystemExit(f"{path}: no tokenizer.json in or below it")
        yield from found


def texts(rng, tokenizer, count):
    """Random texts, some made of the tokenizer's own pieces."""
    vocabulary = sorted(tokenizer.get_vocab())
    added = sorted(token.content for token in tokenizer.get_added_tokens_decoder().values()) or [" "]
    pools = [vocabulary, vocabulary, added, lines.SPACES, lines.PUNCTUATION, lines.EMOJI, lines.MARKS, lines.CODE, "ab1"]
    makers = [
        lambda n: lines.words(rng, n), lambda n: lines.marks(rng, n), lambda n: lines.random_lines(rng, n),
        lambda n: lines.mutated(rng, 2 * n), lambda n: lines.mixture(rng, 2 * n, pools, 10),
        lambda n: lines.mixture(rng, n, [added, added, lines.SPACES, lines.PUNCTUATION, vocabulary], 6),
        lambda n: lines.mixture(rng, n, [lines.SPACES, lines.CONTROLS, lines.EDGES, "aZ\u00e9"], 14),
        lambda n: lines.mixture(rng, n, [lines.FRAGMENTS, lines.CODE, "0123456789", lines.EMOJI], 6),
    ]
    out = []
    while len(out) < count:
        out += [text for make in makers for text in make(1 + count // 12)]
    rng.shuffle(out)
    out = out[:count]
    for _ in range(count // 20):  # glued together, and long runs
        at = rng.randrange(count)
        out[at] = rng.choice((out[at] + out[rng.randrange(count)], out[at][:8] * rng.randint(2, 200)))
    return out


def expected(tokenizer, items):
    """The library's answers; None where the library itself fails."""

    def answer(encoding):
        return {
            "input_ids": encoding.ids, "tokens": encoding.tokens, "offsets": [list(span) for span in encoding.offsets],
            "token_type_ids": encoding.type_ids,
        }

    batch = [item["text"] if "text_pair" not in item else (item["text"], item["text_pair"]) for item in items]
    try:
        return [answer(encoding) for encoding in tokenizer.encode_batch(batch)]
    except BaseException as error:  # a Rust panic is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        if len(items) == 1:
            return [None]
        half = len(items) // 2
        return expected(tokenizer, items[:half]) + expected(tokenizer, items[half:])


def answered(binary, folder, items):
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "texts.jsonl"
        file.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")
        command = [str(binary), "tokenize", str(folder), "--input", str(file)]
        done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr.decode(errors='replace')}")
    rows = [json.loads(row) for row in done.stdout.decode("utf-8").split("\n") if row]
    if len(rows) != len(items):
        raise SystemExit(f"{folder}: {len(items)} texts gave {len(rows)} lines")
    return rows


def differing(binary, folder, tokenizer, items):
    """(item, expected, found) of those that differ."""
    pairs = zip(items, expected(tokenizer, items), answered(binary, folder, items))
    return [(i, e, f) for i, e, f in pairs if e is not None and any(e[key] != f.get(key) for key in KEYS)]


def shorter(item):
    """`item` with each of ever smaller stretches cut out."""
    for key in ("text", "text_pair"):
        text = item.get(key)
        if text is None:
            continue
        size = max(1, len(text) // 2)
        while text:
            for at in range(0, len(text), size):
                yield {**item, key: text[:at] + text[at + size :]}
            if size == 1:
                break
            size = max(1, size // 2)
    if "text_pair" in item:
        yield {"text": item["text"]}


def reduced(binary, folder, tokenizer, fault):
    while True:
        found = differing(binary, folder, tokenizer, list(shorter(fault[0])))
        if not found:
            return fault
        fault = min(found, key=lambda f: sum(map(len, f[0].values())))


def show(folder, fault):
    item, wanted, found = fault
    print(f"{folder}: {json.dumps(item)}")
    for key in KEYS:
        if wanted[key] != found.get(key):
            print(f"  {key}\n    expected {json.dumps(wanted[key])}\n    found    {json.dumps(found.get(key))}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path, help="the tamis program")
    parser.add_argument("paths", type=Path, nargs="+", help="folders with a tokenizer.json, or above such folders")
    parser.add_argument("--texts", type=int, default=20_000, help="texts for each tokenizer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=4000, help="texts for each run of the program")
    arguments = parser.parse_args()
    total, faults = 0, 0
    for folder in folders(arguments.paths):
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        rng = random.Random(f"{arguments.seed} {folder.name}")
        left, wrong = arguments.texts, []
        while left > 0 and not wrong:
            count = min(left, arguments.batch)
            left -= count
            items = [{"text": text} for text in texts(rng, tokenizer, count)]
            for item in items[:: 10]:
                item["text_pair"] = rng.choice(items)["text"]
            wrong = differing(arguments.binary, folder, tokenizer, items)
            total += count
        if wrong:
            faults += 1
            print(f"{len(wrong)} of {count} texts differ")
            show(folder, reduced(arguments.binary, folder, tokenizer, min(wrong, key=lambda f: len(f[0]["text"]))))
    print(f"seed {arguments.seed}: {total} texts, {faults} tokenizers differ")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
