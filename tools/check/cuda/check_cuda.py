#!/usr/bin/env python3
"""Holds the machine code of the CUDA kernels to a committed table: no GPU is needed.

usage: check_cuda.py [--targets 86,...|all] [--write] [--json FILE]

Compiles src/kernels/cuda/kernels.cu with nvcc (PATH or /usr/local/cuda/bin) and reads what nvdisasm
(PATH, or build/cuda_tools, where tools/environment/fetch_cuda_tools.sh puts it) makes of it. A fault
is:

  * a spill: bytes that ptxas reports, or an LDL or STL in the code;
  * a product of warpgroups that ptxas waits for before the next (C7510 and others);
  * more registers than the table has for the kernel, or fewer blocks of it a multiprocessor;
  * a product without tensor instructions (IMMA, HMMA, IGMMA) in a loop, or with a smaller share of them;
  * more instructions a result behind the loop of an INT8 product, with GELU or without;
  * a goal of GOALS that is missed; a kernel without a row, or a row without a kernel.

kernels.txt is the table; --write writes the targets' rows anew. Exit status: 0, 1 with faults, 77
where nvcc or nvdisasm are not at hand, with the reason.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple, Optional

import sass

ROOT = pathlib.Path(__file__).resolve().parents[3]
TABLE = pathlib.Path(__file__).with_name("kernels.txt")
TARGETS = ["75", "80", "86", "90a", "120"]
SKIPPED = 77
REGISTERS = 65536  # of a multiprocessor, in units of 256 a warp


class Tile(NamedTuple):
    """A product's tile, for what a lane has of it."""
    rows: int
    columns: int
    threads: int

    @property
    def results(self):
        return self.rows * self.columns // self.threads


TILES = {"large_few": Tile(128, 128, 128), "large": Tile(128, 128, 256),
         "middle": Tile(64, 64, 128), "small": Tile(16, 64, 128), "hopper": Tile(128, 128, 256)}
THREADS = {"attention_b16": 128}


class Goal(NamedTuple):
    """What a kernel must reach for a target, whatever the table says."""
    blocks: int = 0             # a multiprocessor's registers hold
    tensor_share: float = 0     # of the main loop
    epilogue: float = 0         # instructions a result at most


GOALS = {
    ("86", "gemm_s8_large"): Goal(2, .27), ("86", "gemm_s8_large_gelu"): Goal(2, .27, 27),
    ("86", "gemm_s8_large_few"): Goal(2, .33), ("86", "gemm_s8_large_few_gelu"): Goal(2, .33, 27),
    ("90a", "gemm_s8_hopper"): Goal(2), ("90a", "gemm_s8_hopper_gelu"): Goal(2, 0, 28),
}


class Row(NamedTuple):
    """One kernel for one target."""
    target: str
    kernel: str
    registers: int
    loop: Optional[dict]        # counts of the main loop
    tensor_share: Optional[float]
    epilogue: Optional[float]   # instructions a result
    faults: tuple = ()

    @property
    def blocks(self):
        """That a multiprocessor's registers hold; 0 where the kernel's threads are not known."""
        threads = threads_of(self.kernel)
        if not threads or not self.registers:
            return 0
        warp = -(-self.registers * 32 // 256) * 256
        return REGISTERS // (warp * (threads // 32))


def tile_of(kernel):
    match = re.match(r"gemm_(?:s8|b16)_(large_few|large|middle|small|hopper)", kernel)
    return TILES[match.group(1)] if match else None


def threads_of(kernel):
    tile = tile_of(kernel)
    if tile:
        return tile.threads
    return next((n for name, n in THREADS.items() if kernel.startswith(name)), 0)


def measure(target, report, disassembly):
    """A Row for each kernel of a cubin."""
    resources = sass.read_report(report)
    serialized = sass.read_serialized(report)
    rows = []
    for name, function in sorted(sass.read_disassembly(disassembly).items()):
        kernel = name.removeprefix("tamis_")
        loop = sass.main_loop(function)
        tile = tile_of(kernel)
        faults = []
        counts = sass.count(function.instructions)
        local = counts.get("LDL", 0) + counts.get("STL", 0)
        if name not in resources:
            faults.append("ptxas reports nothing of it")
        elif resources[name].spill_bytes:
            faults.append(f"{resources[name].spill_bytes} bytes spilled")
        if name in serialized:
            faults.append(f"ptxas: {serialized[name]}")
        if local:
            faults.append(f"{local} LDL and STL")
        if (tile or kernel.startswith("attention_b16")) and loop is None:
            faults.append("no loop with IMMA, HMMA or IGMMA")
        epilogue = None
        if loop and kernel.startswith("gemm_s8") and not kernel.endswith("_any"):
            epilogue = round(sass.longest_way(function, loop.end) / tile.results, 1)
        rows.append(Row(target, kernel, resources[name].registers if name in resources else 0,
                        loop.counts if loop else None,
                        round(loop.tensor / loop.all, 3) if loop else None, epilogue,
                        tuple(faults)))
    return rows


def read_table(text):
    """(target, kernel) -> Row of the table; ValueError for a line that is none."""
    rows = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) != 5:
            raise ValueError(f"kernels.txt:{number}: not target, kernel, registers, share, epilogue")
        share, epilogue = (None if word == "-" else float(word) for word in words[3:])
        rows[words[0], words[1]] = Row(words[0], words[1], int(words[2]), None, share, epilogue)
    return rows


def write_table(rows):
    lines = ["# What the kernels of src/kernels/cuda may take, by tools/check/cuda/check_cuda.py --write:",
             "# target, kernel, registers at most, share of tensor instructions in the main loop at least,",
             "# instructions a result behind it at most."]
    for row in sorted(rows, key=lambda row: (TARGETS.index(row.target), row.kernel)):
        share = "-" if row.tensor_share is None else f"{row.tensor_share:.3f}"
        epilogue = "-" if row.epilogue is None else f"{row.epilogue:.1f}"
        lines.append(f"{row.target:4s} {row.kernel:26s} {row.registers:4d} {share:>6s} {epilogue:>5s}")
    return "\n".join(lines) + "\n"


def faults_of(rows, table, targets):
    """What the rows miss, as lines of text."""
    faults = [f"sm_{row.target} {row.kernel}: {fault}" for row in rows for fault in row.faults]
    for row in rows:
        where = f"sm_{row.target} {row.kernel}"
        known = table.get((row.target, row.kernel))
        if known is None:
            faults.append(f"{where}: no row in kernels.txt")
            continue
        if row.registers > known.registers:
            faults.append(f"{where}: {row.registers} registers, over {known.registers}")
        if known.tensor_share is not None and (row.tensor_share or 0) < known.tensor_share:
            faults.append(f"{where}: {row.tensor_share} of the main loop are tensor instructions, "
                          f"under {known.tensor_share}")
        if known.epilogue is not None and (row.epilogue or 1e9) > known.epilogue:
            faults.append(f"{where}: {row.epilogue} instructions a result, over {known.epilogue}")
    have = {(row.target, row.kernel) for row in rows}
    faults += [f"kernels.txt: sm_{target} {kernel} is no kernel" for target, kernel in table
               if target in targets and (target, kernel) not in have]
    return faults + missed_goals(rows)


def missed_goals(rows):
    faults = []
    for row in rows:
        goal = GOALS.get((row.target, row.kernel))
        if goal is None:
            continue
        if row.blocks < goal.blocks:
            faults.append(f"goal: {row.kernel}: {row.blocks} blocks a multiprocessor, "
                          f"not {goal.blocks}")
        if (row.tensor_share or 0) < goal.tensor_share:
            faults.append(f"goal: {row.kernel}: tensor share {row.tensor_share}, "
                          f"not {goal.tensor_share}")
        if goal.epilogue and (row.epilogue or 1e9) > goal.epilogue:
            faults.append(f"goal: {row.kernel}: {row.epilogue} instructions a result, "
                          f"not {goal.epilogue}")
    return faults


def describe(row):
    text = f"sm_{row.target:4s}{row.kernel:24s} {row.registers:4d} registers"
    if row.blocks:
        text += f", {row.blocks} blocks"
    if row.loop:
        tensor = sum(row.loop.get(name, 0) for name in sass.TENSOR)
        moves = sum(row.loop.get(name, 0) for name in sass.GLOBAL)
        matrices = row.loop.get("LDSM", 0)
        total = sum(row.loop.values())
        text += (f"; loop {total}: {tensor} tensor ({100 * row.tensor_share:.0f} %), {matrices} LDSM, "
                 f"{moves} copies, {total - tensor - matrices - moves} others")
    if row.epilogue is not None:
        text += f"; {row.epilogue} a result"
    return text


def find_tools():
    """nvcc and nvdisasm, or why there is none of one."""
    nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if nvcc is None:
        return None, None, "no nvcc in PATH or /usr/local/cuda/bin"
    own = ROOT / "build/cuda_tools/nvidia/cu13/bin/nvdisasm"
    nvdisasm = shutil.which(own) or shutil.which("nvdisasm")
    if nvdisasm is None:
        return None, None, "no nvdisasm: tools/environment/fetch_cuda_tools.sh fetches it"
    return nvcc, nvdisasm, ""


def compile_target(nvcc, nvdisasm, target, folder):
    """The rows of a target; what nvcc says goes to standard error if it fails."""
    cubin = pathlib.Path(folder) / f"{target}.cubin"
    flags = ["-std=c++20", "-O3", "-fmad=false", "-Werror", "all-warnings", f"-I{ROOT}/src",
             f"-I{ROOT}/include"]
    made = subprocess.run([nvcc, "-cubin", f"-arch=sm_{target}", *flags, "-Xptxas", "-v", "-o",
                           str(cubin), str(ROOT / "src/kernels/cuda/kernels.cu")],
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        sys.exit(f"check_cuda: nvcc for sm_{target}:\n{made.stdout}{made.stderr}")
    text = subprocess.run([nvdisasm, "-c", str(cubin)], capture_output=True, text=True, check=True)
    return measure(target, made.stdout + made.stderr, text.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", default="86", help="compute capabilities, or all")
    parser.add_argument("--write", action="store_true", help="write the targets' rows of the table")
    parser.add_argument("--json", type=pathlib.Path, help="what was measured")
    arguments = parser.parse_args()
    targets = TARGETS if arguments.targets == "all" else arguments.targets.split(",")
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"--targets {','.join(sorted(unknown))}: one of {', '.join(TARGETS)}, or all")
    nvcc, nvdisasm, missing = find_tools()
    if missing:
        print(f"check_cuda: skipped: {missing}")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for target in targets
                for row in compile_target(nvcc, nvdisasm, target, folder)]
    for row in rows:
        print(describe(row))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n")
    table = read_table(TABLE.read_text()) if TABLE.exists() else {}
    if arguments.write:
        others = [row for row in table.values() if row.target not in targets]
        TABLE.write_text(write_table(others + rows))
        table = read_table(TABLE.read_text())
    faults = faults_of(rows, table, targets)
    for fault in faults:
        print(fault)
    print(f"check_cuda: {len(rows)} kernels for {', '.join(f'sm_{t}' for t in targets)}, "
          f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
