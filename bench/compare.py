#!/usr/bin/env python3
"""Times this tree against another commit, in turns, and exits 1 if a shape is slower than allowed.

usage: compare.py REF [--model MODEL] [--shapes 1x16,1x128,32x128,32x256r] [--precisions fp32,int8]
                  [--rounds N] [--seconds S] [--threads N] [--threshold 0.05] [--jobs N]
                  [--baseline BINARY] [--candidate BINARY] [--out FILE]

REF is built in a git worktree of its own under build/compare, this tree in build/release. Each round
runs both binaries on each shape, in an order that turns from round to round, so that a busy neighbor
slows both; a shape's ratio is the median over the rounds of (this tree / REF), each round's own. A
shape fails where that ratio and the lower quartile of the rounds' ratios are both over 1 + threshold:
one slow round is noise. Given a binary, that side is not built. `make bench-compare REF=...` calls
this.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def parse_shape(text):
    """"32x256r" -> (batch, length, ragged)."""
    ragged = text.endswith("r")
    batch, _, length = (text[:-1] if ragged else text).partition("x")
    if not (batch.isdigit() and length.isdigit() and int(batch) > 0 and int(length) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no shape; 32x256 or, ragged, 32x256r")
    return int(batch), int(length), ragged


def shape_list(text):
    return [parse_shape(item) for item in text.split(",")]


def shape_name(shape):
    return f"{shape[0]}x{shape[1]}{'r' if shape[2] else ''}"


def build(folder, jobs):
    """The release binary of the tree in `folder`."""
    subprocess.run(["cmake", "--preset", "release"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "release", "--target", "tamis", "-j", str(jobs)],
                   cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "build" / "release" / "tamis"


def check_out(ref):
    """A worktree of the commit, kept from call to call so that its build is kept too."""
    commit = subprocess.run(["git", "rev-parse", "--verify", f"{ref}^{{commit}}"], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout.strip()
    folder = ROOT / "build" / "compare" / "baseline"
    if folder.is_dir():
        subprocess.run(["git", "checkout", "--quiet", "--detach", commit], cwd=folder, check=True)
    else:
        subprocess.run(["git", "worktree", "add", "--quiet", "--force", "--detach", str(folder),
                        commit], cwd=ROOT, check=True)
    return folder


def time_once(binary, case, options):
    """Median milliseconds of one run of `tamis bench`."""
    shape, precision = case
    command = [str(binary), "bench", options.model, "--shape", f"{shape[0]}x{shape[1]}",
               "--precision", precision, "--seconds", str(options.seconds), "--no-peak", "--quiet",
               "--json"]
    if shape[2]:
        command.append("--ragged")
    if options.threads:
        command += ["--threads", str(options.threads)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"compare.py: {' '.join(command)} ended with {run.returncode}: {run.stderr.strip()}")
    return json.loads(run.stdout)["rows"][0]["median_ms"]


def measure(binaries, cases, options, time=time_once):
    """{case: [(milliseconds of REF, of this tree), ...]}, one pair a round."""
    times = {case: [] for case in cases}
    for number in range(options.rounds):
        for case in cases:
            order = (0, 1) if number % 2 == 0 else (1, 0)
            pair = [0.0, 0.0]
            for side in order:
                pair[side] = time(binaries[side], case, options)
            times[case].append(tuple(pair))
    return times


def judge(pairs, threshold):
    """(median ms of REF, of this tree, median ratio, failed)."""
    ratios = sorted(new / old for old, new in pairs)
    median = statistics.median(ratios)
    lower = ratios[len(ratios) // 4]
    limit = 1 + threshold
    return (statistics.median(old for old, _ in pairs), statistics.median(new for _, new in pairs),
            median, median > limit and lower > limit)


def report(times, ref, threshold):
    """The table as lines, and whether any shape failed."""
    lines = [f"| shape | precision | {ref} ms | this tree ms | ratio | |", "|---|---|---|---|---|---|"]
    failed = False
    for (shape, precision), pairs in times.items():
        old, new, ratio, slower = judge(pairs, threshold)
        failed = failed or slower
        verdict = "SLOWER" if slower else "faster" if ratio < 1 - threshold else ""
        lines.append(f"| {shape_name(shape)} | {precision} | {old:.3f} | {new:.3f} | {ratio:.3f} "
                     f"| {verdict} |")
    return lines, failed


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ref", metavar="REF", help="the commit to compare with")
    parser.add_argument("--model", default=str(ROOT / "build" / "models" / "minilm"))
    parser.add_argument("--shapes", type=shape_list, default=shape_list("1x16,1x128,32x128,32x256r"))
    parser.add_argument("--precisions", type=lambda text: text.split(","), default=["fp32", "int8"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="0: the program's own choice")
    parser.add_argument("--threshold", type=float, default=0.05)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--baseline", help="a binary of REF, built already")
    parser.add_argument("--candidate", help="a binary of this tree, built already")
    parser.add_argument("--out", help="a file for the table, beside standard output")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.threshold < 0:
        parser.error("--rounds must be at least 1 and --threshold not negative")
    return options


def main(arguments):
    options = parse(arguments)
    baseline = options.baseline or build(check_out(options.ref), options.jobs)
    candidate = options.candidate or build(ROOT, options.jobs)
    cases = [(shape, precision) for shape in options.shapes for precision in options.precisions]
    times = measure((baseline, candidate), cases, options)
    lines, failed = report(times, options.ref, options.threshold)
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if options.out:
        pathlib.Path(options.out).write_text(text, encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
