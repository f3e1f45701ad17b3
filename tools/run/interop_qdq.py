#!/usr/bin/env python3
"""Quantized exports against our own simulation: onnx.checker, ONNX Runtime at levels 0 and all.

Usage: build/clients/bin/python tools/run/interop_qdq.py [TAMIS]   (default build/release/tamis)

Checkpoints of testdata/models become bundles (--precision int8), the bundles files of each flavor.
A file must pass onnx.checker with full shape inference. ONNX Runtime without optimizations must
answer as `tamis classify` and `tamis embed` simulate the bundle, but where a value lies on the
border of two steps: the median difference is held to EXACT, every difference to STEP. With all
optimizations every difference is held to STEP. In half precision values cross borders everywhere:
such a file may lie no farther from the simulation than 3 times what quantizing changed. Where the
CPU has no VNNI, ONNX Runtime multiplies integers by instructions that saturate (its documentation
on quantization says so); what it then answers with optimizations is printed and not held.
"""
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime

LEVELS = onnxruntime.GraphOptimizationLevel
MODELS = ("bert-sequence-classification", "roberta-base", "distilbert-sequence-classification",
          "albert-base", "mpnet-sequence-classification",
          "modernbert-sequence-classification", "gte-sequence-classification",
          "eurobert-sequence-classification", "qwen3-base", "t5-base",
          "t5-sequence-classification", "bart-sequence-classification",
          "deberta-base", "deberta-sequence-classification", "deberta-v2-base",
          "deberta-v2-sequence-classification", "bert-relative-key-query")
# Of a convolution the plain plan leaves the quantizers off.
FLAGS = {"deberta-v2-sequence-classification": ["--enable", "*conv.conv.*"]}
# Scheme of the bundle, flavor and float type of the file.
FILES = (("trt", "trt", "fp32"), ("trt", "trt", "fp16"), ("static", "portable", "fp32"),
         ("ort", "ort-cpu", "fp32"))
# What all of these models take.
MOST_TOKENS = 40
TEXTS = ["A fine film.", "Où est-il ? 42", "The match went to penalties, and nobody knew why.",
         "Short.", "It was the best of times, long ago."]
EXACT = 5e-6
HAS_VNNI = re.search(r"avx512_vnni|avx_vnni", pathlib.Path("/proc/cpuinfo").read_text()) is not None
# What a few values that cross a border change in an answer of these models, by trial.
STEP = 0.05


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def open_session(path, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def simulated(tamis, bundle, folder, kind):
    """What the bundle answers, by text: logits, or embeddings."""
    if kind == "embed":
        out = folder / "rows.npy"
        run(tamis, "embed", str(bundle), "--output", str(out), *TEXTS)
        return list(numpy.load(out))
    rows = []
    for line in run(tamis, kind, str(bundle), *TEXTS).splitlines():
        rows.append(json.loads(line))
    return rows


def answers(session, all_tokens):
    results = []
    for tokens in all_tokens:
        count = len(tokens["input_ids"])
        arrays = {"input_ids": tokens["input_ids"], "attention_mask": [1] * count,
                  "token_type_ids": tokens["token_type_ids"]}
        feeds = {item.name: numpy.array([arrays[item.name]], dtype=numpy.int64)
                 for item in session.get_inputs()}
        names = [item.name for item in session.get_outputs()]
        outputs = dict(zip(names, session.run(names, feeds)))
        results.append(outputs)
    return results


def differences(session, wanted, all_tokens, kind):
    most = []
    for want, outputs in zip(wanted, answers(session, all_tokens)):
        if kind == "embed":
            most.append(float(numpy.abs(outputs["sentence_embedding"][0] - want).max()))
        elif kind == "classify":
            most.append(float(numpy.abs(outputs["logits"][0] - want["logits"]).max()))
    return most


def kind_of(name):
    return "embed" if name.endswith("-base") else "classify"


def own_loss(tamis, checkpoint, wanted, folder, kind):
    """The greatest difference that quantizing makes to an answer."""
    pairs = zip(simulated(tamis, checkpoint, folder, kind), wanted)
    if kind == "classify":
        pairs = ((numpy.array(a["logits"]), numpy.array(b["logits"])) for a, b in pairs)
    return max(float(numpy.abs(a - b).max()) for a, b in pairs)


def check_file(tamis, checkpoint, bundle, folder, flavor, floats):
    name = checkpoint.name
    out = folder / f"{name}-{flavor}-{floats}"
    run(tamis, "export", str(bundle), "--format", "onnx-qdq", "--flavor", flavor, "--float", floats,
        "-o", str(out))
    path = out / "model.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    kind = kind_of(name)
    wanted = simulated(tamis, bundle, folder, kind)
    cut = ("--max-length", str(MOST_TOKENS))
    lines = run(tamis, "tokenize", str(bundle), *cut, *TEXTS).splitlines()
    all_tokens = [json.loads(line) for line in lines]
    allowed = 3 * own_loss(tamis, checkpoint, wanted, folder, kind) if floats == "fp16" else STEP
    failed = 0
    for level in (LEVELS.ORT_DISABLE_ALL, LEVELS.ORT_ENABLE_ALL):
        found = differences(open_session(path, level), wanted, all_tokens, kind)
        exact = level == LEVELS.ORT_DISABLE_ALL and floats == "fp32"
        saturates = level == LEVELS.ORT_ENABLE_ALL and floats == "fp32" and not HAS_VNNI
        good = saturates or max(found) <= allowed and (not exact or statistics.median(found) <= EXACT)
        failed += not good
        print(f"{name:36} {flavor:9} {floats} {str(level).rsplit('.', 1)[-1]:16} "
              f"median {statistics.median(found):.1e} most {max(found):.1e}"
              f"{'' if good else '  TOO FAR'}{'  (no VNNI)' if saturates else ''}")
    return failed


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    tamis = sys.argv[1] if len(sys.argv) > 1 else str(root / "build/release/tamis")
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name in MODELS:
            for scheme in sorted({row[0] for row in FILES}):
                run(tamis, "optimize", str(root / "testdata/models" / name), "-o",
                    str(folder / f"{name}-{scheme}"), "--scheme", scheme, "--precision", "int8",
                    *(["--without", "columns"] if scheme == "static" else []),
                    *FLAGS.get(name, []), "--quiet")
            for scheme, flavor, floats in FILES:
                failed += check_file(tamis, root / "testdata/models" / name,
                                     folder / f"{name}-{scheme}", folder, flavor, floats)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
