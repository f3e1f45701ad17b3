#!/usr/bin/env python3
"""What a Python user waits for: texts to embeddings, by this package and by the packages used instead.

usage: python_peers.py --model FOLDER --bundle BUNDLE --texts FILE.tsv [--count N] [--rounds N] [--threads N]
                       [--engines A,B] [--json FILE] [--texts-are TEXT] [--note TEXT]

Each engine embeds the same texts of mixed lengths (columns of the .tsv, over and over), each in a process
of its own, one at a time and in rotation; a round's time is that of the whole call, tokenizing and sorting
by length included. tamis: Model.embed of the checkpoint in fp32 and of the INT8 bundle.
sentence-transformers: encode() with its PyTorch, ONNX and OpenVINO INT8 (its own static quantization,
calibrated on 300 of the texts; needs sentence-transformers[openvino] and datasets) backends. onnxruntime-int8: dynamic quantization in batches of 256, as fastembed runs it. TAMIS_LIBRARY
names libtamis.
"""

import argparse
import datetime
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

import versions

PACKAGES = ["sentence-transformers", "transformers", "torch", "openvino", "onnxruntime"]
ENGINES = ["tamis-fp32", "tamis-int8", "torch-fp32", "onnx-fp32", "openvino-int8", "onnxruntime-int8"]


def texts_of(path, count):
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()[1:]
    texts = [text for line in lines for text in line.split("\t")[1:] if text]
    return [texts[i % len(texts)] for i in range(count)]


def tamis_engine(folder, threads):
    import tamis

    model = tamis.Model(folder, threads=threads)
    return lambda texts: model.embed(texts)


def quantize_for_openvino(folder, texts, target):
    """By default it calibrates on a dataset from the network; here on rows of a local one."""
    from sentence_transformers import SentenceTransformer, export_static_quantized_openvino_model

    plain = SentenceTransformer(folder, backend="openvino")
    plain.save_pretrained(str(target))
    rows = target / "calibration"
    rows.mkdir(exist_ok=True)
    (rows / "train.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    export_static_quantized_openvino_model(
        plain, None, str(target), dataset_name=str(rows), dataset_config_name="default",
        dataset_split="train", column_name="text")


def sentence_transformers_engine(folder, backend, cache, texts):
    from sentence_transformers import SentenceTransformer

    if backend == "openvino":
        target = cache / "openvino"
        file = "openvino/openvino_model_qint8_quantized.xml"
        if not (target / file).exists():
            quantize_for_openvino(folder, texts[:1000], target)
        model = SentenceTransformer(str(target), backend="openvino",
                                    model_kwargs={"file_name": file})
    else:
        model = SentenceTransformer(folder, backend=backend, device="cpu")
    return lambda texts: model.encode(texts, batch_size=32, show_progress_bar=False)


def onnxruntime_engine(folder, cache, threads):
    import numpy as np
    import onnxruntime
    import tokenizers
    from onnxruntime.quantization import quantize_dynamic

    quantized = cache / "dynamic.onnx"
    if not quantized.exists():
        from sentence_transformers import SentenceTransformer
        SentenceTransformer(folder, backend="onnx").save_pretrained(str(cache / "onnx"))
        quantize_dynamic(str(next((cache / "onnx").rglob("*.onnx"))), str(quantized))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(quantized), options, providers=["CPUExecutionProvider"])
    names = {port.name for port in session.get_inputs()}
    tokenizer = tokenizers.Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    def embed(texts):
        vectors = []
        for at in range(0, len(texts), 256):
            encoded = tokenizer.encode_batch(texts[at:at + 256])
            ids = np.array([e.ids for e in encoded], dtype=np.int64)
            mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            rows = session.run(None, {k: v for k, v in feed.items() if k in names})[0]
            vectors.append((rows * mask[..., None]).sum(1) / mask.sum(1, keepdims=True))
        return np.concatenate(vectors)

    return embed


def engine_of(name, arguments, texts):
    if name.startswith("tamis"):
        return tamis_engine(arguments.bundle if name == "tamis-int8" else arguments.model,
                            arguments.threads)
    if name == "onnxruntime-int8":
        return onnxruntime_engine(arguments.model, arguments.cache, arguments.threads)
    backend = {"torch-fp32": "torch", "onnx-fp32": "onnx", "openvino-int8": "openvino"}[name]
    if backend == "torch":
        import torch
        torch.set_num_threads(arguments.threads)
    return sentence_transformers_engine(arguments.model, backend, arguments.cache, texts)


def work(name, arguments):
    """The child: a line of JSON for each line read."""
    said = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    # Not every engine can be told how many threads it has.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:arguments.threads])
    texts = texts_of(arguments.texts, arguments.count)
    embed = engine_of(name, arguments, texts)
    first = embed(texts[:64])
    with os.fdopen(said, "w") as answers:
        print(json.dumps({"vectors": [[float(x) for x in row] for row in first]}), file=answers,
              flush=True)
        for _ in sys.stdin:
            begin = time.perf_counter()
            embed(texts)
            print(json.dumps({"seconds": time.perf_counter() - begin}), file=answers, flush=True)


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("build/bench/python"))
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--texts-are", default="texts", help="what they are, for --json")
    parser.add_argument("--note", help="of the conditions, for --json")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    if arguments.work:
        work(arguments.work, arguments)
        return
    children = {}
    vectors = {}
    for name in arguments.engines.split(","):
        child = subprocess.Popen([sys.executable, __file__, *sys.argv[1:], "--work", name],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = child.stdout.readline()
        if not line:
            print(f"{name}: does not start", file=sys.stderr)
            continue
        children[name] = child
        vectors[name] = json.loads(line)["vectors"]
    seconds = {}
    for _ in range(arguments.rounds):
        for name, child in children.items():
            print("go", file=child.stdin, flush=True)
            seconds.setdefault(name, []).append(json.loads(child.stdout.readline())["seconds"])
    for child in children.values():
        child.stdin.close()
        child.wait()
    exact = vectors.get("torch-fp32")
    rows = []
    for name, values in seconds.items():
        row = {"engine": name, "median_s": round(statistics.median(values), 3),
               "min_s": round(min(values), 3),
               "texts_per_s": round(arguments.count / statistics.median(values), 1)}
        if exact:
            row["least_cosine"] = round(min(map(cosine, vectors[name], exact)), 6)
        rows.append(row)
        print(row)
    if arguments.json:
        record = {"date": str(datetime.date.today()), "cpu": cpu_name(), "texts": arguments.count,
                  "texts_are": arguments.texts_are, "threads": arguments.threads,
                  "rounds": arguments.rounds, "rows": rows,
                  "versions": versions.versions_of(sys.executable, PACKAGES)}
        if arguments.note:
            record["note"] = arguments.note
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
