#!/usr/bin/env python3
"""One-line mistakes in the CUDA kernels, each of which their tests must notice: part of `make soak`.

usage: mutate_cuda.py [--build build/dev] [--only WORD]

For each of MUTATIONS the test of the integer products is compiled anew with one header changed, beside
the libraries of a build folder with tests, and must fail: by a fault that the emulator reports, by
other bits than the CPU's, by a counter, or at a page that may not be read. The test without a change
must pass. Exit status: 0, or 1 where a mistake was not noticed.
"""

import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEST = "kernels_cuda_test"
PROGRAM = f"src/kernels/cuda/{TEST}"
SOURCE = "src/kernels/cuda/gemm_s8/gemm_s8_test.cc"
TIMEOUT_S = 600


class Mutation(NamedTuple):
    """`old`, which stands once in the file, becomes `new`."""
    what: str
    file: str
    old: str
    new: str


TILE = "gemm/gemm_tile-inl.h"
RESULTS = "gemm/gemm_results-inl.h"
SUMS = "gemm_s8/hopper_sums-inl.h"
HOPPER = "gemm_s8/gemm_s8_hopper-inl.h"
WORDS = "device_hopper.h"

MUTATIONS = [
    Mutation("no barrier before a stage is read", TILE,
             "        copy_wait<kTile.stages - 2>();\n        sync_block();",
             "        copy_wait<kTile.stages - 2>();"),
    Mutation("a group of copies too few is waited for", TILE,
             "copy_wait<kTile.stages - 2>();", "copy_wait<kTile.stages - 1>();"),
    Mutation("copies go to the wrong stage", TILE,
             "fetch((s + kAhead) % kTile.stages)", "fetch(s)"),
    Mutation("chunks are not mixed", TILE, "chunk ^ (row & 7)", "chunk"),
    Mutation("rows behind the last are read", TILE, "(row < last ? row : last)", "row"),
    Mutation("rows behind the last are stored", RESULTS,
             "if (row(i, half) >= m) continue;\n        TAMIS_UNROLL", "TAMIS_UNROLL"),
    Mutation("columns behind the last are stored", RESULTS,
             "if (column(j) >= p_.n) continue;", ""),
    Mutation("boxes are not waited for", SUMS, "        mbarrier_wait(ring.full(s), parity);\n", ""),
    Mutation("the parity stays", SUMS, "parity ^= 1", "(void)0"),
    Mutation("a warp less is waited for before a stage is filled", SUMS,
             "mbarrier_init(read(s), kThreads / 32)", "mbarrier_init(read(s), kThreads / 32 - 1)"),
    Mutation("a warp more is waited for", SUMS,
             "mbarrier_init(read(s), kThreads / 32)", "mbarrier_init(read(s), kThreads / 32 + 1)"),
    Mutation("a stage is filled before it was read", SUMS,
             "if (left_ > 0) mbarrier_wait(ring_.read(stage), parity);", "(void)parity;"),
    Mutation("fewer bytes are expected than come", SUMS,
             "mbarrier_arrive_expecting(full, HopperRing<kTile>::kStageBytes)",
             "mbarrier_arrive_expecting(full, HopperRing<kTile>::kStageBytes - 128)"),
    Mutation("barriers are not fenced for the copying unit", SUMS, "    fence_mbarrier_init();\n", ""),
    Mutation("products are not waited for", SUMS, "    wgmma_wait<0>();\n", ""),
    Mutation("a group of products too few is waited for", SUMS, "wgmma_wait<0>();",
             "wgmma_wait<1>();"),
    Mutation("registers are not fenced", SUMS, "    wgmma_fence();\n", ""),
    Mutation("a wrong part of k", SUMS, "advanced(w, k)", "advanced(w, k ^ 32)"),
    Mutation("a wrong group's rows", SUMS, "uniform(group()) * 64", "uniform(group()) * 32"),
    Mutation("barriers are used before they are there", HOPPER,
             "if (thread_x() == 0) ring.init();\n    sync_block();",
             "if (thread_x() == 0) ring.init();"),
    Mutation("stages are written while others read them", HOPPER,
             "    sync_block();  // stages are read no more\n", ""),
    Mutation("a box at the wrong column of k", SUMS, "byte_ += kTile.depth", "byte_ += kTile.depth / 2"),
    Mutation("a descriptor with another swizzle", WORDS, "uint64_t{1} << 62", "uint64_t{2} << 62"),
    Mutation("a descriptor with half the stride", WORDS, "kSwizzleBytes / 16} << 32",
             "kSwizzleBytes / 32} << 32"),
]


def mutated(mutation):
    """The file's text with the mistake; ValueError where `old` does not stand there once."""
    text = (ROOT / "src/kernels/cuda" / mutation.file).read_text()
    if text.count(mutation.old) != 1:
        raise ValueError(f"{mutation.file}: {mutation.old!r} stands there {text.count(mutation.old)} "
                         "times, not once")
    return text.replace(mutation.old, mutation.new)


def commands(build):
    """What compiles the test's source, and what links it alone, to be run in the build folder."""
    known = json.loads((build / "compile_commands.json").read_text())
    compiled = next(entry["command"] for entry in known if entry["file"].endswith(SOURCE))
    linked = subprocess.run(["ninja", "-t", "commands", "-s", PROGRAM], cwd=build, check=True,
                            capture_output=True, text=True).stdout.strip().splitlines()[-1]
    words = shlex.split(re.sub(r"^: && | && :$", "", linked))
    return shlex.split(compiled), [word for word in words
                                   if not (word.endswith(".cc.o") and TEST + ".dir" in word)]


def run_test(build, folder, overlay):
    """Compiles, links and runs the test with the overlay's headers first; None where all passed, else
    what it said."""
    compiled, linked = commands(build)
    made = folder / "test.o"
    program = folder / "test"
    compiled = [word for word in compiled if word not in ("-Werror",)]
    compiled[compiled.index("-o") + 1] = str(made)
    linked[linked.index("-o") + 1] = str(program)
    subprocess.run([compiled[0], f"-I{overlay}", *compiled[1:], "-w"], cwd=build, check=True)
    subprocess.run([linked[0], str(made), *linked[1:]], cwd=build, check=True)
    try:
        ran = subprocess.run([program, "--gtest_filter=GemmS8.*", "--gtest_fail_fast"],
                             capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return "it did not end"
    if ran.returncode == 0:
        return None
    said = next((line for line in ran.stdout.splitlines()
                 if re.search(r"block \(|description|Expected|Value of", line)), "")
    return f"status {ran.returncode} {said.strip()[:100]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/dev")
    parser.add_argument("--only", default="", help="those whose description has this in it")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    missed = 0
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        if said := run_test(build, folder, folder / "none"):
            sys.exit(f"mutate_cuda: the tests fail without a mistake: {said}")
        for i, mutation in enumerate(m for m in MUTATIONS if arguments.only in m.what):
            overlay = folder / str(i)
            file = overlay / "kernels/cuda" / mutation.file
            file.parent.mkdir(parents=True)
            file.write_text(mutated(mutation))
            said = run_test(build, folder, overlay)
            print(f"{mutation.what}: {said or 'NOT NOTICED'}", flush=True)
            missed += said is None
    print(f"mutate_cuda: {missed} mistakes were not noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
