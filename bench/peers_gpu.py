#!/usr/bin/env python3
"""Times the same work on a CUDA device by Tamis and by what a user could run instead, in turns.

usage: peers_gpu.py --tamis BINARY --minilm FOLDER [--device cuda:0] [--engines A,B] [--shapes NAME]
                    [--rounds N] [--seconds S] [--out FILE] [--json FILE] [--dry-run]

As bench/peers.py, whose runs, tables and JSON these are: every engine is a process of its own
(peer_worker_gpu.py, run by --python), one runs at a time, in rotation. PyTorch in float32, TF32,
float16 and bfloat16, eager and compiled; ONNX Runtime on CUDA and on TensorRT. What is not installed
or finds no device is left out and named, with the reason, under "missing". --json keeps the figures,
by default in bench/results/gpu.json; the card and its clocks stand in it.

--dry-run measures nothing: one round of the shortest shape with engines that only answer, so that a
test runs all of this without a card, Tamis on the double of NVIDIA's driver.
"""

import datetime
import json
import pathlib
import subprocess

import gpu_check
import peers
import versions

# LIBRARY-NUMBERS, then how, where there are several.
ENGINES = [*(f"torch-{numbers}{how}" for how in ("", "-compiled")
             for numbers in ("fp32", "tf32", "fp16", "bf16")),
           "ort-fp32-cuda", "ort-fp32-tensorrt", "ort-fp16-tensorrt"]
PACKAGES = ["torch", "transformers", "onnxruntime-gpu", "onnxruntime", "tensorrt"]


# Of a dry run the one that is started all the same, to be measured or named as missing.
STARTED = "torch-fp32-compiled"


class DryPeer:
    """Answers as a worker does, at once."""
    alive = True
    why = ""

    def ask(self, batch, seq, _seconds):
        return {"ms": [float(batch * seq)], "output": [1.0, 0.0]}

    def close(self):
        pass


def device_of(arguments):
    """What `tamis inspect --devices` says of the card that is timed."""
    result = subprocess.run([arguments.tamis, "inspect", "--devices", "--json"],
                            capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def record_of(arguments):
    record = {"date": str(datetime.date.today()), "device": arguments.device,
              "devices": device_of(arguments), "clocks": gpu_check.clocks(),
              "rounds": arguments.rounds, "seconds": arguments.seconds,
              "versions": versions.versions_of(arguments.python, PACKAGES)}
    if arguments.dry_run:
        record["dry_run"] = True
    if arguments.note:
        record["note"] = arguments.note
    return {**record, "rows": []}


def main():
    parser = peers.make_parser(__doc__, ENGINES, "issue")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args()
    if arguments.json is None and not arguments.dry_run:
        arguments.json = pathlib.Path(__file__).with_name("results") / "gpu.json"
    if arguments.dry_run:
        arguments.shapes, arguments.rounds, arguments.seconds = "dry", 1, 0
    record = record_of(arguments)

    def start_peer(name, folder):
        if arguments.dry_run and name != STARTED:
            return DryPeer()
        return peers.Peer(arguments.python, name, folder, arguments.cache, arguments.threads,
                          "peer_worker_gpu.py")

    rows = peers.run_shapes(arguments, record, {}, start_peer)
    text = (f"{record['date']}, {arguments.device}. Medians of {arguments.rounds} interleaved "
            f"rounds.\n\n{peers.table(rows, arguments.tamis_precisions.split(','), {})}\n")
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
