"""Times tokenizer_bench and Hugging Face's encode_batch on the same texts, in turns, on one core.

Usage: bench/tokenizer_speed.py BENCH_BINARY TOKENIZER.json... [--data FILE.tsv...] [--runs N]

The texts are the lines of the files (default: the .tsv files of ../shared/data). Both sides make
ids, offsets and masks. Each line printed: tokenizer, tokens, median seconds of both, their ratio
and the lowest and highest ratio of the runs.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import Tokenizer  # noqa: E402  (reads the environment)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("tokenizers", nargs="+")
    parser.add_argument("--data", nargs="*")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    shared = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
    files = args.data or sorted(str(p) for p in shared.glob("*.tsv"))
    lines = [l for f in files for l in pathlib.Path(f).read_text(encoding="utf-8").splitlines() if l]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as text:
        text.write("\n".join(lines))
        text.flush()
        for path in args.tokenizers:
            compare(args, path, lines, text.name)


def compare(args, path, lines, text):
    reference = Tokenizer.from_file(path)
    reference.no_truncation()
    reference.no_padding()
    theirs, ours, tokens = [], [], 0
    for run in range(args.runs + 1):
        begin = time.perf_counter()
        encodings = reference.encode_batch(lines)
        seconds = time.perf_counter() - begin
        # The process is new each time: its first run fills the caches as the library's first did.
        out = subprocess.run([args.binary, path, text, "2"], capture_output=True, text=True, check=True)
        own, count = out.stdout.splitlines()[-1].split()
        tokens = sum(len(e.ids) for e in encodings)
        assert tokens == int(count), "token counts differ"
        if run > 0:
            theirs.append(seconds)
            ours.append(float(own))
    ratios = [a / b for a, b in zip(theirs, ours)]
    print(
        "%-28s %8d tokens   tokenizers %.4f s   tamis %.4f s   %.1fx (%.1f..%.1f)"
        % (pathlib.Path(path).name, tokens, statistics.median(theirs), statistics.median(ours),
           statistics.median(theirs) / statistics.median(ours), min(ratios), max(ratios)),
        flush=True,
    )


if __name__ == "__main__":
    main()
