#!/usr/bin/env python3
"""Compares the answers of two tamis programs, bit for bit, over the models in testdata.

Every model answers its own task in every precision on every kernel set; bundles made by OLD (int8,
bf16, fp32, and the static and ort schemes) answer in both programs; and a bundle that NEW makes must
hold the weights and the graph of OLD's. Bundles have the checkpoint's embedding tables (--embeddings
fp32) in programs that know other forms. Exit 1 if anything differs.

usage: compare_bits.py OLD NEW [--models FOLDER...] [--quick]
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ISAS = ("reference", "avx2", "avx512", "")  # "": what the machine has
PRECISIONS = ("fp32", "bf16", "int8")
TEXTS = ("Anna sold the table in Zürich.", "A short one.", "word " * 60)
BUNDLES = (("--precision", "int8"), ("--precision", "bf16"), ("--precision", "fp32"),
           ("--precision", "int8", "--scheme", "static"),
           ("--precision", "int8", "--scheme", "ort"))
# One model of each task and family is enough for bundles, which take seconds each.
BUNDLED = ("bert-base", "bert-sequence-classification", "roberta-token-classification",
           "distilbert-question-answering", "albert-masked-lm", "roberta-rerank", "electra-base",
           "xlm-roberta-base")


def arguments_of(task, mask):
    """The command line that answers a task, behind the model."""
    if task == "qa":
        return ["--question", "Who sold the table?", "--context", TEXTS[0]]
    if task == "rerank":
        return ["--query", "Who sold it?", *TEXTS]
    if task == "fill-mask":
        return [f"{mask} sold the table.", f"A {mask} one."]
    return list(TEXTS)


def call(program, arguments):
    """Status and output of a run, as a hash; what failed, by its message."""
    done = subprocess.run([program, *arguments], capture_output=True, timeout=600)
    if done.returncode:
        return f"exit {done.returncode}: {done.stderr.decode().strip()[-200:]}"
    return hashlib.sha256(done.stdout).hexdigest()


def exact_tables(program):
    """The flags with which a bundle's embedding tables are the checkpoint's."""
    done = subprocess.run([program, "optimize", "--help"], capture_output=True, timeout=60)
    return ["--embeddings", "fp32"] if b"--embeddings" in done.stdout else []


def mask_of(folder):
    """The mask token of a checkpoint's or bundle's tokenizer."""
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        path = folder / name
        if path.exists():
            mask = json.loads(path.read_text()).get("mask_token")
            if mask:
                return mask if isinstance(mask, str) else mask["content"]
    return "[MASK]"


def task_of(program, folder):
    done = subprocess.run([program, "inspect", folder, "--json"], capture_output=True)
    return json.loads(done.stdout)["task"] if done.returncode == 0 else None


class Comparison:
    def __init__(self, old, new):
        self.old, self.new = old, new
        self.compared, self.different = 0, []

    def same(self, what, arguments):
        self.compared += 1
        old, new = call(self.old, arguments), call(self.new, arguments)
        if old != new:
            self.different.append(what)
            print(f"DIFFERENT {what}\n  old {old}\n  new {new}", flush=True)

    def answers(self, folder, isas, precisions):
        task = task_of(self.old, folder)
        if task is None:
            return
        tail = arguments_of(task, mask_of(folder)) + ["--quiet", "--threads", "2"]
        for isa in isas:
            for precision in precisions:
                extra = (["--isa", isa] if isa else []) + (
                    ["--precision", precision] if precision else [])
                self.same(f"{folder.name} {' '.join(extra)}", [task, folder, *tail, *extra])

    def bundles(self, folder, isas, scratch):
        for flags in BUNDLES:
            name = f"{folder.name}{''.join(flags)}".replace("--", "-")
            made = {}
            for side, program in (("old", self.old), ("new", self.new)):
                made[side] = scratch / f"{side}-{name}"
                call(program, ["optimize", folder, "-o", made[side], "--force", "--quiet",
                               "--threads", "2", *flags, *exact_tables(program)])
            self.compared += 1
            for file in ("model.safetensors", "graph.txt"):
                old, new = made["old"] / file, made["new"] / file
                if not old.exists() or not new.exists() or old.read_bytes() != new.read_bytes():
                    self.different.append(f"{name}/{file}")
                    print(f"DIFFERENT {name}/{file}", flush=True)
            self.answers(made["old"], isas, ("",))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--models", nargs="*", type=pathlib.Path, help="more model folders")
    parser.add_argument("--quick", action="store_true", help="one kernel set, few models")
    options = parser.parse_args()
    comparison = Comparison(options.old, options.new)
    isas = ("",) if options.quick else ISAS
    models = sorted((ROOT / "testdata/models").iterdir())
    models += sorted((ROOT / "testdata/sentence-transformers").iterdir())
    if options.quick:
        models = [folder for folder in models if folder.name in BUNDLED]
    for folder in models + list(options.models or []):
        comparison.answers(folder, isas, PRECISIONS)
    with tempfile.TemporaryDirectory() as scratch:
        for name in BUNDLED[:2] if options.quick else BUNDLED:
            comparison.bundles(ROOT / "testdata/models" / name, isas, pathlib.Path(scratch))
    print(f"compare_bits: {comparison.compared} compared, {len(comparison.different)} different")
    return 1 if comparison.different else 0


if __name__ == "__main__":
    sys.exit(main())
