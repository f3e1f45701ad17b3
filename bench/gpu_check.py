#!/usr/bin/env python3
"""Checks and times the CUDA engine on the card that is here, in under ten minutes.

    bench/gpu_check.sh build/release/tamis MODEL [MODEL ...] --output check.json

In order: what the card is; the answers of each model in fp32, bf16 and int8 against the CPU's, with
the compiled kernels and, by CUDA_FORCE_PTX_JIT, with those that the driver makes of PTX; the same
answers twice, bit for bit; each shape timed (`tamis bench`, medians). One JSON comes out, with the
command, the program's version and the card's clocks where nvidia-smi tells them. Exit 1 if an answer
is wrong. With --dry-run nothing is timed for longer than it must run: for the double of the driver.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time

TEXTS = ["A text.", "Another one, which is somewhat longer than the first.", "GPU",
         "The quick brown fox jumps over the lazy dog while nobody is looking at it."]
SHAPES = ["1x16", "1x128", "32x128", "32x256", "16x384", "128x32"]
PRECISIONS = ["fp32", "bf16", "int8"]
# Cosines with the CPU's answers in the same precision that are far too low for rounding alone: what
# rounding gives depends on the model and stands in the JSON.
LEAST_COSINE = {"fp32": 0.99999, "bf16": 0.99, "int8": 0.95}


def run(program, *arguments, **environment):
    """Standard output; ends the check with what the program said if it fails."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, **environment})
    if done.returncode != 0:
        sys.exit(f"{' '.join([program, *arguments])}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def embeddings(program, model, precision, device, **environment):
    out = run(program, "embed", model, *TEXTS, "--precision", precision, "--device", device,
              "--json", "--quiet", **environment)
    return [json.loads(line)["embedding"] for line in out.splitlines()]


def cosine(left, right):
    product = sum(a * b for a, b in zip(left, right))
    return product / math.sqrt(sum(a * a for a in left) * sum(b * b for b in right))


def agreement(program, model, precision, device):
    """How near the device's answers are to the CPU's, and whether they repeat."""
    want = embeddings(program, model, precision, "cpu")
    got = embeddings(program, model, precision, device)
    again = embeddings(program, model, precision, device)
    from_ptx = embeddings(program, model, precision, device, CUDA_FORCE_PTX_JIT="1")
    row = {"model": model, "precision": precision,
           "least_cosine": min(map(cosine, want, got)),
           "least_cosine_from_ptx": min(map(cosine, want, from_ptx)), "repeats": got == again}
    row["good"] = row["repeats"] and min(row["least_cosine"], row["least_cosine_from_ptx"]) >= \
        LEAST_COSINE[precision]
    return row


def clocks():
    """What nvidia-smi says, or why it says nothing."""
    query = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit,temperature.gpu"
    try:
        done = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv"],
                              capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stdout.strip() or done.stderr.strip()


def times(program, models, precision, device, dry_run):
    shapes = SHAPES[:1] if dry_run else SHAPES
    arguments = [word for shape in shapes for word in ("--shape", shape)]
    seconds = "0" if dry_run else "2"
    return json.loads(run(program, "bench", *models, *arguments, "--precision", precision,
                          "--device", device, "--seconds", seconds, "--json", "--quiet"))["rows"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("models", nargs="+", help="checkpoints that embed")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--output", required=True)
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    start = time.monotonic()
    result = {"version": run(options.program, "--version").strip(),
              "devices": json.loads(run(options.program, "inspect", "--devices", "--json")),
              "clocks_before": clocks(), "dry_run": options.dry_run, "agreement": [], "times": []}
    for precision in PRECISIONS:
        for model in options.models:
            result["agreement"].append(agreement(options.program, model, precision,
                                                 options.device))
    for precision in PRECISIONS:
        result["times"] += times(options.program, options.models, precision, options.device,
                                 options.dry_run)
    result["clocks_after"] = clocks()
    result["seconds"] = round(time.monotonic() - start, 1)
    with open(options.output, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    bad = [row for row in result["agreement"] if not row["good"]]
    for row in bad:
        print(f"{row['model']} in {row['precision']}: {row}", file=sys.stderr)
    print(f"gpu_check: {len(result['agreement'])} comparisons, {len(bad)} bad, "
          f"{len(result['times'])} times, {result['seconds']} s: {options.output}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
