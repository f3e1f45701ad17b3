#!/usr/bin/env python3
"""Exports the committed checkpoints and holds the files against onnx.checker and ONNX Runtime.

Usage: build/clients/bin/python tools/run/interop_onnx.py [TAMIS]   (default build/release/tamis)

Each checkpoint of testdata/models is exported; the file must pass onnx.checker with full shape
inference, and ONNX Runtime without optimizations must answer the cases of golden.json.gz, alone and as
a padded batch, within TOLERANCE of what Hugging Face's model answered. In the batch ride cases that are
cut shorter, which must be answered as alone.
"""
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime

# Two float32 computations of some ten layers, of the greatest output if that is above 1.
TOLERANCE = 2e-5
# What a model puts in place of an answer that may not be.
MASKED = 1e5


def open_session(path):
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def padded(cases, key, longest):
    rows = [case.get(key, [0] * len(case["input_ids"])) for case in cases]
    return numpy.array([row + [0] * (longest - len(row)) for row in rows], dtype=numpy.int64)


def feeds(session, cases):
    """The batch of all cases; padding ids are 1, which no mask may let through."""
    longest = max(len(case["input_ids"]) for case in cases)
    mask = numpy.zeros((len(cases), longest), dtype=numpy.int64)
    for row, case in enumerate(cases):
        mask[row, : len(case["input_ids"])] = 1
    arrays = {
        "input_ids": padded(cases, "input_ids", longest) * mask + (1 - mask),
        "attention_mask": mask,
        "token_type_ids": padded(cases, "token_type_ids", longest),
    }
    return {item.name: arrays[item.name] for item in session.get_inputs()}


def answers(session, cases):
    """Per case: one array, as golden.json.gz has it."""
    names = [item.name for item in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, feeds(session, cases))))
    results = []
    for row, case in enumerate(cases):
        tokens = len(case["input_ids"])
        if "start_logits" in outputs:
            pair = (outputs["start_logits"], outputs["end_logits"])
            results.append(numpy.stack([item[row, :tokens] for item in pair], axis=-1))
        elif "sentence_embedding" in outputs:
            results.append(outputs["sentence_embedding"][row])
        elif "last_hidden_state" in outputs:
            results.append(outputs["last_hidden_state"][row, :tokens])
        elif "logits_rows" in case:
            results.append(outputs["logits"][row, case["logits_rows"]])
        elif outputs["logits"].ndim == 3:
            results.append(outputs["logits"][row, :tokens])
        else:
            results.append(outputs["logits"][row])
    return results


def cut(case):
    """The case without the second half of its tokens but the last two, which may end a text."""
    count = len(case["input_ids"])
    kept = list(range(count // 2)) + [count - 2, count - 1]
    keys = ("input_ids", "token_type_ids")
    return {key: [case[key][place] for place in kept] for key in keys if key in case}


def distance(row, want):
    """The greatest difference, as a share of the greatest answer or of a masked number itself."""
    size = numpy.abs(want)
    scale = size[size < MASKED].max(initial=1.0)
    return (numpy.abs(row - want) / numpy.maximum(size, scale)).max()


def farthest(session, cases):
    wanted = []
    for case in cases:
        key = next(iter(case["outputs"]))
        wanted.append(numpy.array(case["outputs"][key], dtype=numpy.float64))
    shorter = [cut(case) for case in cases]
    alone = [answers(session, [case])[0] for case in cases + shorter]
    wanted += alone[len(cases):]
    most = 0.0
    for got in (alone, answers(session, cases + shorter)):
        for row, want in zip(got, wanted):
            most = numpy.maximum(most, distance(row, want.reshape(row.shape)))  # NaN stays
    return float(most)


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    tamis = sys.argv[1] if len(sys.argv) > 1 else str(root / "build/release/tamis")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for checkpoint in sorted((root / "testdata/models").iterdir()):
            # A mixture of experts is not written.
            if not (checkpoint / "golden.json.gz").exists() or "-experts" in checkpoint.name:
                continue
            out = pathlib.Path(folder) / checkpoint.name
            done = subprocess.run([tamis, "export", str(checkpoint), "--format", "onnx", "-o", str(out)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                failed += 1
                print(f"{checkpoint.name:40} {done.stderr.strip()}")
                continue
            cases = json.loads(gzip.decompress((checkpoint / "golden.json.gz").read_bytes()))["cases"]
            most = farthest(open_session(out / "model.onnx"), cases)
            failed += not most <= TOLERANCE
            print(f"{checkpoint.name:40} {most:.1e}{'' if most <= TOLERANCE else '  TOO FAR'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
