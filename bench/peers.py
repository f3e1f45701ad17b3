#!/usr/bin/env python3
"""Times the same work by Tamis and by the engines a user could pick instead, in turns.

usage: peers.py --tamis BINARY --minilm FOLDER [--cache FOLDER] [--engines A,B] [--shapes NAME]
                [--rounds N] [--seconds S] [--threads N] [--out FILE] [--json FILE]
                [--note TEXT]

Every engine is a process of its own (peer_worker.py, run by --python); one runs at a time, in
rotation, for several rounds. Ragged shapes: Tamis computes the tokens that are there, a peer one call
padded to the longest. Each peer's output is held against PyTorch FP32's. `make bench-peers` makes the
virtual environment and calls this. --json keeps the figures, row by row, for tools/generate/results.py,
which writes the tables of README.md and bench/RESULTS.md from bench/results/.
"""

import argparse
import datetime
import json
import math
import pathlib
import statistics
import subprocess
import sys

import versions

PEERS = ["torch-fp32", "torch-bf16", "torch-int8", "ort-fp32", "ort-int8", "openvino-fp32",
         "openvino-default", "openvino-int8", "ctranslate2-int8"]
PACKAGES = ["torch", "transformers", "openvino", "nncf", "onnxruntime", "ctranslate2"]
TAMIS = ["tamis-fp32", "tamis-bf16", "tamis-int8"]
# What an engine multiplies in decides which peak it is held against.
PEAKS = {"fp32": "fp32_gflops", "bf16": "bf16_gflops", "default": "bf16_gflops",
         "int8": "int8_gops"}

# name: (model, batch, length, ragged)
SHAPES = {
    "dry": [("minilm", 1, 16, False)],
    "quick": [("minilm", 1, 16, False), ("minilm", 1, 128, False), ("minilm", 32, 128, False)],
    "small": [("minilm", 1, 16, False), ("minilm", 1, 128, False), ("minilm", 32, 128, False),
              ("minilm", 32, 256, True), ("roberta", 1, 16, False), ("roberta", 1, 128, False)],
    "large": [("roberta", 32, 256, False), ("roberta", 1, 384, False), ("roberta", 32, 256, True)],
    "issue": [("roberta", 32, 256, False), ("roberta", 1, 16, False), ("roberta", 1, 128, False),
              ("roberta", 1, 384, False), ("minilm", 1, 16, False), ("minilm", 1, 128, False),
              ("minilm", 32, 128, False), ("roberta", 32, 256, True), ("minilm", 32, 256, True)],
    "families": [("mpnet", 1, 16, False), ("mpnet", 1, 128, False), ("mpnet", 32, 128, False),
                 ("modernbert", 1, 16, False), ("modernbert", 1, 128, False),
                 ("modernbert", 8, 512, False), ("deberta", 1, 128, False),
                 ("deberta", 8, 256, False), ("deberta", 8, 256, True)],
    "mixed": [("minilm", 1, 16, False), ("minilm", 1, 128, False), ("minilm", 32, 128, False),
              ("minilm", 32, 256, True), ("roberta", 1, 16, False), ("roberta", 1, 128, False),
              ("roberta", 32, 256, False), ("mpnet", 1, 128, False), ("mpnet", 32, 128, False),
              ("modernbert", 1, 128, False), ("modernbert", 8, 512, False),
              ("deberta", 1, 128, False), ("deberta", 8, 256, False)],
    "decoder": [("qwen3", 1, 128, False), ("qwen3", 8, 256, False)],
    "long": [("modernbert", 1, 512, False), ("modernbert", 1, 2048, False),
             ("modernbert", 4, 2048, False), ("modernbert", 1, 8192, False)],
    "sweep": [("minilm", b, s, False) for b in (1, 8, 32) for s in (16, 64, 128, 256, 512)],
}


class Peer:
    """A worker process that answers one command at a time."""

    def __init__(self, python, engine, folder, cache, threads, worker="peer_worker.py"):
        worker = pathlib.Path(__file__).with_name(worker)
        self.process = subprocess.Popen(
            [python, str(worker), engine, str(folder), str(cache), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        first = self.process.stdout.readline()
        self.why = json.loads(first).get("missing", "") if first else "it ended as it started"
        self.alive = not self.why

    def ask(self, batch, seq, seconds):
        try:
            print(json.dumps({"batch": batch, "seq": seq, "seconds": seconds}),
                  file=self.process.stdin, flush=True)
            return json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            self.alive = False
            return None

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.terminate()
        self.process.wait()


def ask_tamis(arguments, folder, precision, shape, seconds):
    _, batch, seq, ragged = shape
    command = [arguments.tamis, "bench", str(folder), "--shape", f"{batch}x{seq}", "--precision",
               precision, "--threads", str(arguments.threads), "--seconds", str(seconds),
               "--device", arguments.device, "--no-peak", "--json"]
    command += ["--ragged"] if ragged else []
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)["rows"][0]


def measured_peak(arguments):
    result = subprocess.run([arguments.tamis, "inspect", "--cpu", "--json", "--threads",
                             str(arguments.threads)], capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    norm = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return dot / norm if norm else float("nan")


# The size of a family's usual model, as arguments of its configuration, and the class that makes it.
RANDOM = {
    "roberta": ("roberta-base", "RobertaForSequenceClassification", "RobertaConfig", {
        "num_labels": 3, "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}),
    "mpnet": ("mpnet-base", "MPNetModel", "MPNetConfig", {
        "vocab_size": 30527, "max_position_embeddings": 514}),
    "modernbert": ("modernbert-base", "ModernBertModel", "ModernBertConfig", {}),
    "deberta": ("deberta-v3-base", "DebertaV2ForSequenceClassification", "DebertaV2Config", {
        "num_labels": 3, "vocab_size": 128100, "hidden_size": 768, "num_hidden_layers": 12,
        "num_attention_heads": 12, "intermediate_size": 3072, "type_vocab_size": 0,
        "relative_attention": True, "position_buckets": 256, "norm_rel_ebd": "layer_norm",
        "share_att_key": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
        "pooler_hidden_size": 768}),
    "qwen3": ("qwen3-0.6b", "Qwen3Model", "Qwen3Config", {
        "vocab_size": 151669, "hidden_size": 1024, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
        "intermediate_size": 3072, "tie_word_embeddings": True}),
}
MAKE = ("import json, sys, transformers as t; t.set_seed(0);"
        "config = getattr(t, sys.argv[2])(**json.loads(sys.argv[3]));"
        "getattr(t, sys.argv[1])(config).save_pretrained(sys.argv[4])")


def model_folder(arguments, model):
    """The real MiniLM, or a model of the family's size with random weights, made once: speed does
    not depend on their values."""
    if model == "minilm":
        return arguments.minilm
    name, made, config, fields = RANDOM[model]
    folder = arguments.cache / name
    if not (folder / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([arguments.python, "-c", MAKE, made, config, json.dumps(fields),
                        str(folder)], check=True)
    return folder


def measure_shape(arguments, folder, peers, shape, tamis):
    """Engine -> median ms of every round; engine -> output of the first sequence; the operations
    of a call without padding."""
    _, batch, seq, ragged = shape
    times = {}
    outputs = {}
    longest = seq
    operations = 0
    for _ in range(arguments.rounds):
        for name in tamis:
            row = ask_tamis(arguments, folder, name.split("-")[1], shape, arguments.seconds)
            longest = row["longest"]
            operations = row["operations"]
            times.setdefault(name, []).append(row["median_ms"])
        for name, peer in peers.items():
            if not peer.alive:
                continue
            answer = peer.ask(batch, longest if ragged else seq, arguments.seconds)
            if answer is None:
                continue
            times.setdefault(name, []).append(statistics.median(answer["ms"]))
            outputs[name] = answer["output"]
    return times, outputs, operations


def figures_of(rows, peak):
    """A list of one object an engine and shape: times in milliseconds, `share` of the peak."""
    figures = []
    for (model, batch, seq, ragged), times, outputs, operations in rows:
        exact = outputs.get("torch-fp32", [])
        for name, values in times.items():
            median = statistics.median(values)
            of_type = peak.get(PEAKS.get(name.split("-")[1]), 0)
            figure = {"model": model, "batch": batch, "length": seq, "ragged": ragged,
                      "engine": name, "median_ms": round(median, 4),
                      "min_ms": round(min(values), 4),
                      "spread": round((max(values) - min(values)) / median, 4)}
            if of_type:
                figure["share"] = round(operations / (median * 1e6 * of_type), 4)
            # Of a classifier CTranslate2 gives the hidden states, not the logits.
            if name in outputs and len(outputs[name]) == len(exact):
                figure["cosine"] = round(cosine(outputs[name], exact), 6)
            figures.append(figure)
    return figures


def table(rows, tamis, peak):
    """Markdown: a line an engine and shape, with the ratio of its time to Tamis' own. The share of
    the peak counts the operations that the answer takes, not those on padding."""
    lines = ["| model | shape | engine | median ms | min ms | rounds' spread | share of peak | "
             + " | ".join(f"times {name}" for name in tamis) + " | cosine to PyTorch FP32 |",
             "|---" * (8 + len(tamis)) + "|"]
    for row in rows:
        figures = figures_of([row], peak)
        own = {figure["engine"]: figure["median_ms"] for figure in figures}
        for figure in figures:
            label = f"{figure['batch']}x{figure['length']}" + (" ragged" if figure["ragged"] else "")
            ratios = [f"{figure['median_ms'] / own[t]:.2f}" if t in own else "-" for t in tamis]
            share = f"{100 * figure['share']:.0f} %" if "share" in figure else "-"
            agreement = f"{figure['cosine']:.5f}" if "cosine" in figure else "-"
            lines.append(f"| {figure['model']} | {label} | {figure['engine']} | "
                         f"{figure['median_ms']:.3f} | {figure['min_ms']:.3f} | "
                         f"{100 * figure['spread']:.0f} % | {share} | " + " | ".join(ratios)
                         + f" | {agreement} |")
    return "\n".join(lines)


def record_of(arguments, peak):
    """What bench/results/ keeps, still without rows."""
    record = {"date": str(datetime.date.today()), "cpu": peak["cpu"], "threads": peak["threads"],
              "rounds": arguments.rounds, "seconds": arguments.seconds, "peak": peak["peak"],
              "versions": versions.versions_of(arguments.python, PACKAGES)}
    if arguments.note:
        record["note"] = arguments.note
    return {**record, "rows": []}


def make_parser(doc, peers, shapes):
    """The options that this and bench/peers_gpu.py share."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--tamis", required=True)
    parser.add_argument("--minilm", required=True, type=pathlib.Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("build/bench/peers"))
    parser.add_argument("--engines", default=",".join(peers))
    parser.add_argument("--tamis-precisions", default=",".join(TAMIS))
    parser.add_argument("--shapes", default=shapes, choices=sorted(SHAPES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--note", help="of the conditions, for --json")
    return parser


def run_shapes(arguments, record, peak, start_peer):
    """Times every shape and prints it, model by model; start_peer(name, folder) starts an engine.
    The rows, for table(); they are written to --json as they come."""
    arguments.cache.mkdir(parents=True, exist_ok=True)
    tamis = arguments.tamis_precisions.split(",")
    unknown = sorted(set(tamis) - set(TAMIS))
    if unknown:
        sys.exit(f"--tamis-precisions: there is no {', '.join(unknown)}; accepted are {', '.join(TAMIS)}")
    rows = []
    shapes = SHAPES[arguments.shapes]
    for model in dict.fromkeys(shape[0] for shape in shapes):
        folder = model_folder(arguments, model)
        peers = {name: start_peer(name, folder) for name in arguments.engines.split(",") if name}
        for name, peer in peers.items():
            if not peer.alive:
                print(f"{name}: does not take {model}: {peer.why}", file=sys.stderr)
                record.setdefault("missing", {})[name] = peer.why
        for shape in (s for s in shapes if s[0] == model):
            rows.append((shape, *measure_shape(arguments, folder, peers, shape, tamis)))
            print(table(rows[-1:], tamis, peak), file=sys.stderr, flush=True)
            if arguments.json:
                record["rows"] += figures_of(rows[-1:], peak)
                arguments.json.parent.mkdir(parents=True, exist_ok=True)
                arguments.json.write_text(json.dumps(record, indent=1) + "\n")
        for peer in peers.values():
            peer.close()
    return rows


def main():
    arguments = make_parser(__doc__, PEERS, "issue").parse_args()
    arguments.device = "cpu"
    peak = measured_peak(arguments)
    figures = peak["peak"]
    rows = run_shapes(arguments, record_of(arguments, peak), figures, lambda name, folder: Peer(
        arguments.python, name, folder, arguments.cache, arguments.threads))
    tamis = arguments.tamis_precisions.split(",")
    text = (f"{datetime.date.today()}, {peak['cpu']}, threads={peak['threads']}; measured peak: fp32 "
            f"{figures['fp32_gflops']:.0f} GFLOP/s, bf16 {figures['bf16_gflops']:.0f}, int8 "
            f"{figures['int8_gops']:.0f} GOP/s. Medians of {arguments.rounds} interleaved rounds.\n\n"
            + table(rows, tamis, figures) + "\n")
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
