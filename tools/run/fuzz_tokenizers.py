#!/usr/bin/env python3
"""Compares `tamis tokenize` with Hugging Face's tokenizers on random hostile text.

Needs the Python package tokenizers (`make clients`). Prints the first difference of a tokenizer,
reduced to a short text, and exits 1 if there was any. With --documents each folder stands for its
vocabulary alone: its components and their options are drawn anew that many times, and what the
library reads and tamis refuses counts as a difference. With --classes the folders are those of
testdata/tokenizer-classes, each vocabulary under each of its classes with and without
tokenizer.json, and transformers loads them.

Example:
    tools/run/fuzz_tokenizers.py build/release/tamis build/release/testdata/tokenizer --texts 100000 --seed 7
    tools/run/fuzz_tokenizers.py build/release/tamis build/release/testdata/tokenizer --documents 100 --texts 40
    tools/run/fuzz_tokenizers.py build/release/tamis --classes --texts 100000
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
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "generate" / "testdata"))

import random_documents  # noqa: E402
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
        if isinstance(encoding, list):
            return {"input_ids": encoding}
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
    return [(i, e, f) for i, e, f in pairs if e is not None and any(e[key] != f.get(key) for key in KEYS if key in e)]


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
        if key in wanted and wanted[key] != found.get(key):
            print(f"  {key}\n    expected {json.dumps(wanted[key])}\n    found    {json.dumps(found.get(key))}")
    sys.stdout.flush()


def plain_folders(paths):
    for folder in folders(paths):
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        yield folder, tokenizer


class PythonTokenizer:
    """A tokenizer of transformers' own making, which knows of ids alone."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def get_vocab(self):
        return self.tokenizer.get_vocab()

    def get_added_tokens_decoder(self):
        return self.tokenizer.added_tokens_decoder

    def encode_batch(self, batch):
        return [self.tokenizer(*([item] if isinstance(item, str) else item))["input_ids"] for item in batch]


def class_folders():
    """A folder for each class, with and without tokenizer.json, and what transformers makes of it."""
    import tokenizer_classes
    import transformers

    transformers.logging.set_verbosity_error()
    for kind, name, config, with_json in tokenizer_classes.cases():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / f"{kind}-{name}{'-json' if with_json else ''}"
            tokenizer_classes.make_folder(folder, kind, name, config, with_json)
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
            backend = getattr(tokenizer, "backend_tokenizer", None) or PythonTokenizer(tokenizer)
            print(f"{folder.name} {config}", flush=True)
            yield folder, backend


def document_fault(binary, folder, content, rng, count):
    """Writes what differs; None if the library refuses the document."""
    try:
        tokenizer = Tokenizer.from_str(content)
    except BaseException as error:  # a Rust panic is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return None
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    items = [{"text": text} for text in texts(rng, tokenizer, count)]
    for item in items[::3]:
        item["text_pair"] = rng.choice(items)["text"]
    # A text that either side gives up is no difference: the library panics at some.
    items = [item for item, answer in zip(items, expected(tokenizer, items)) if answer is not None]
    try:
        wrong = differing(binary, folder, tokenizer, items)
    except SystemExit as error:
        print(f"{error}\n{ {key: value for key, value in json.loads(content).items() if key not in ('model', 'added_tokens')} }")
        return True
    if not wrong:
        return False
    show(folder, reduced(binary, folder, tokenizer, min(wrong, key=lambda f: len(f[0]["text"]))))
    print({key: value for key, value in json.loads(content).items() if key not in ("model", "added_tokens")})
    return True


def fuzz_documents(arguments):
    counts = {None: 0, False: 0, True: 0}
    for source in folders(arguments.paths):
        base = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
        rng = random.Random(f"{arguments.seed} {source.name}")
        for _ in range(arguments.documents):
            with tempfile.TemporaryDirectory() as scratch:
                fault = document_fault(arguments.binary, Path(scratch), random_documents.document(rng, base), rng, arguments.texts)
            counts[fault] += 1
    print(f"seed {arguments.seed}: {counts[False]} documents alike, {counts[True]} different, {counts[None]} refused by the library")
    return 1 if counts[True] else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path, help="the tamis program")
    parser.add_argument("paths", type=Path, nargs="*", help="folders with a tokenizer.json, or above such folders")
    parser.add_argument("--texts", type=int, default=20_000, help="texts for each tokenizer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--classes", action="store_true", help="every tokenizer class, loaded by transformers")
    parser.add_argument("--documents", type=int, default=0, help="random documents for each tokenizer")
    parser.add_argument("--batch", type=int, default=4000, help="texts for each run of the program")
    arguments = parser.parse_args()
    if arguments.documents:
        return fuzz_documents(arguments)
    total, faults = 0, 0
    for folder, tokenizer in class_folders() if arguments.classes else plain_folders(arguments.paths):
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
