#!/usr/bin/env python3
"""What published rates, this engine's machine code and its passes over memory would give, in ms.

    bench/predict_gpu.py [--table tools/check/cuda/kernels.txt]

A prediction, not a measurement: the engine has not run on a card. The model, for INT8:

  * a product takes the longer of its bytes at 85 % of the published bandwidth and its tiles, shared
    out over the multiprocessors: each does one tile after the other at a share u of the published
    dense INT8 rate, and the last tile's epilogue hides behind nothing;
  * u is what a product of this kind was seen to hold, but no more than the machine code lets it: a
    scheduler issues one instruction a clock, so many of the loop's are no tensor instructions, and
    the epilogue has its own, with GELU and without (all from the table that
    tools/check/cuda/check_cuda.py holds the code to); and what reads and fills shared memory
    (ldmatrix, wgmma, copies) has 128 bytes a clock of it;
  * where the last block of some rows quantizes or normalizes them (RowTail), those of the last row
    tile come behind the product, from the second-level cache at 64 bytes a clock;
  * attention takes its operations at a share of the 16-bit rate with float32 sums, or its bytes;
  * rows (norms, quantization) take their bytes;
  * no kernel ends sooner than a floor, and between kernels of a recorded run there is a gap.

Bytes are those of this engine: the residual stream in float32, q, k and v, contexts and the inner
layer in 16 bits, what products read in 8. Below each shape stands what would move it most.
"""

import argparse
import pathlib
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "check" / "cuda"))
import check_cuda  # noqa: E402


class Card(NamedTuple):
    """Published rates, and shares of them that a product of this kind was seen to hold."""
    target: str
    int8_tops: float
    half_tflops: float  # 16-bit products with float32 sums
    gigabytes: float    # of bandwidth a second
    processors: int
    products_a_clock: int  # multiplications of 8 bits a clock and scheduler
    product_share: float
    attention_share: float
    floor_us: float  # of a kernel
    gap_us: float    # between two

    @property
    def clock(self):
        """Hertz that the published rate is for; a multiprocessor has four schedulers."""
        return self.int8_tops * 1e12 / (self.processors * 4 * 2 * self.products_a_clock)


CARDS = {
    "T4": Card("75", 130, 65, 320, 40, 256, .45, .40, 4.5, 2.5),
    "RTX 3090": Card("86", 284, 71, 936, 82, 256, .80, .55, 2.5, 1.5),
    "A100": Card("80", 624, 312, 1555, 108, 512, .70, .50, 2.5, 1.5),
    "L4": Card("86", 242, 121, 300, 58, 256, .55, .45, 2.5, 1.5),
    "RTX 4090": Card("86", 660, 165, 1008, 128, 256, .75, .55, 2.5, 1.5),
    # The share of mma.sync, for few rows; wgmma, which reads shared memory itself, holds more of it.
    "H100": Card("90a", 1979, 989, 3350, 132, 1024, .42, .25, 2.5, 1.3),
    "H200": Card("90a", 1979, 989, 4800, 132, 1024, .42, .25, 2.5, 1.3),
}
WGMMA_SHARE = .62
# Targets whose cards run the tile with few warps, and that with wgmma from how many rows on
# (src/engines/cuda/lower_matmul.cc).
FEW_WARPS = ("80", "90a")
WGMMA_TARGET, WGMMA_ROWS = "90a", 257


class Shape(NamedTuple):
    name: str
    tokens: int
    length: int
    hidden: int
    inner: int
    layers: int


SHAPES = [Shape("RoBERTa-base 32x256", 8192, 256, 768, 3072, 12),
          Shape("BERT-base 32x128", 4096, 128, 768, 3072, 12),
          Shape("MiniLM-L6 32x128", 4096, 128, 384, 1536, 6),
          Shape("MiniLM-L6 1x16", 16, 16, 384, 1536, 6)]


class Plan(NamedTuple):
    """What the engine does, and in other rows what it might."""
    residual_bytes: int = 4       # of a value in the residual stream
    tails: bool = True            # rows of contexts and inner layers leave their kernels quantized,
    norms_in_tails: bool = True   # and of the norms behind products
    whole_waves: bool = False     # tiles that fill the multiprocessors evenly: a persistent grid
    wgmma: bool = True            # where the card has it


class Kernel(NamedTuple):
    """A product's tile, and what its machine code is made of."""
    rows: int
    columns: int
    warp_rows: int
    warp_columns: int
    split: int
    tensor_share: float  # of the main loop's instructions
    epilogue: float      # instructions a result
    wgmma: bool = False  # then a warp tile is a warpgroup's


# As src/engines/cuda/lower_matmul.cc chooses: rows up to, name, tile, warp tile, warps that share k.
KERNELS = [(64, "small", 16, 64, 16, 64, 4), (512, "middle", 64, 64, 32, 32, 1),
           (1 << 40, "large", 128, 128, 64, 32, 1)]
FEW = ("large_few", 128, 128, 64, 64, 1)


HOPPER = ("hopper", 128, 128, 64, 128, 1)


def kernel_of(card, tokens, table, plan, activation="_gelu"):
    name, *tile = next(k[1:] for k in KERNELS if tokens <= k[0])
    wgmma = plan.wgmma and card.target == WGMMA_TARGET and tokens >= WGMMA_ROWS
    if wgmma:
        name, *tile = HOPPER
    elif name == "large" and card.target in FEW_WARPS:
        name, *tile = FEW
    row = table[card.target, f"gemm_s8_{name}{activation}"]
    return Kernel(*tile, row.tensor_share, row.epilogue, wgmma)


def cycles_a_step(card, kernel, bytes_of_k=32):
    """Of a tile and so many bytes of k: a scheduler's clocks of products, its instructions, and the
    multiprocessor's clocks of shared memory."""
    products = kernel.rows * kernel.columns * bytes_of_k / 4
    tensor = products / card.products_a_clock
    # m16n8k32 is one instruction of a warp; on Turing m8n8k16, a quarter of it; of wgmma a warp has
    # 16 rows by all columns.
    by_one = 16 * kernel.columns * 32 if kernel.wgmma else 1024 if card.target == "75" else 4096
    instructions = products / by_one / kernel.tensor_share
    warps = kernel.rows * kernel.columns // (kernel.warp_rows * kernel.warp_columns)
    read = warps * (kernel.warp_rows + kernel.warp_columns) * bytes_of_k
    written = (kernel.rows + kernel.columns) * bytes_of_k
    return tensor, instructions, (read + written) / 128


def epilogue_cycles(kernel):
    """Instructions of a scheduler behind a tile's loop."""
    return kernel.rows * kernel.columns * kernel.epilogue / (32 * 4)


def ceiling(card, kernel, depth):
    """The greatest share of the tensor unit's rate that the code lets a multiprocessor hold when one
    block's epilogue hides behind another's products; and what limits it."""
    tensor, instructions, shared = (depth / 32 * c for c in cycles_a_step(card, kernel))
    limits = {"issue slots": tensor / (instructions + epilogue_cycles(kernel)),
              "shared memory": tensor / shared}
    which = min(limits, key=limits.get)
    return (limits[which], which) if limits[which] < 1 else (1.0, "")


def product_ms(card, shape, plan, kernel, product):
    """Of one product: columns, depth, bytes that a row takes beside the weight."""
    columns, depth, bytes_a_row = product
    tiles = -(-shape.tokens // kernel.rows) * -(-columns // kernel.columns)
    turns = tiles / card.processors if plan.whole_waves else -(-tiles // card.processors)
    tensor = cycles_a_step(card, kernel)[0] * depth / 32
    share = min(WGMMA_SHARE if kernel.wgmma else card.product_share,
                ceiling(card, kernel, depth)[0])
    compute = (max(turns, 1) * tensor / share + epilogue_cycles(kernel)) / card.clock
    memory = (columns * depth + shape.tokens * bytes_a_row) / (card.gigabytes * .85e9)
    return 1e3 * max(compute, memory, card.floor_us * 1e-6)


def tail_ms(card, rows, bytes_a_row):
    """Of the last rows, which nothing hides."""
    return 1e3 * rows * bytes_a_row / (64 * card.clock)


def memory_ms(card, shape, bytes_a_row):
    return 1e3 * max(shape.tokens * bytes_a_row / (card.gigabytes * .85e9), card.floor_us * 1e-6)


def predict(card, shape, plan, table):
    """Milliseconds of products, attention, rows and gaps."""
    h, f, r = shape.hidden, shape.inner, plan.residual_bytes
    gelu, none = (kernel_of(card, shape.tokens, table, plan, of) for of in ("_gelu", ""))
    last = min(shape.tokens, gelu.rows)
    inner = 3 * f if plan.tails else 2 * f
    normed = 2 * r * h + (r * h + h if plan.norms_in_tails else 0)
    products = sum(product_ms(card, shape, plan, kernel, of) for kernel, of in (
        (none, (3 * h, h, h + 6 * h)), (none, (h, h, h + normed)),
        (gelu, (f, h, h + inner)), (none, (h, f, f + normed))))
    attention = max(memory_ms(card, shape, 9 * h if plan.tails else 8 * h),
                    1e3 * 4 * shape.tokens * shape.length * h /
                    (card.half_tflops * 1e12 * card.attention_share))
    rows = 0
    launches = 5
    if plan.tails:
        products += tail_ms(card, last, 2 * f)
        attention += tail_ms(card, min(shape.length, 64), 2 * h)
    else:
        rows += memory_ms(card, shape, 3 * h) + memory_ms(card, shape, 3 * f)
        launches += 2
    if plan.norms_in_tails:
        products += 2 * tail_ms(card, last, r * h)
    else:
        rows += 2 * memory_ms(card, shape, 2 * r * h + h)
        launches += 2
    gaps = launches * card.gap_us * 1e-3
    return [shape.layers * part for part in (products, attention, rows, gaps)]


NOW = Plan()
OTHERS = {
    "without tails": NOW._replace(tails=False, norms_in_tails=False),
    "norms apart": NOW._replace(norms_in_tails=False),
    "16-bit residual": NOW._replace(residual_bytes=2),
    "whole waves": NOW._replace(whole_waves=True),
    "without wgmma": NOW._replace(wgmma=False),
}


def what_moves_most(card, shape, table):
    """Changes by what they save, most first, those that save nothing left out."""
    now = sum(predict(card, shape, NOW, table))
    saved = {name: now - sum(predict(card, shape, plan, table)) for name, plan in OTHERS.items()
             if not name.startswith("without")}
    return sorted(((ms, name) for name, ms in saved.items() if ms > .004 * now), reverse=True)


# The goals by prediction that the engine is built to: shape, card, milliseconds.
GOALS = [("RoBERTa-base 32x256", "RTX 3090", 10.0), ("RoBERTa-base 32x256", "H200", 1.95),
         ("MiniLM-L6 1x16", "T4", .32)]


def print_shape(shape, table):
    print(f"{shape.name:22s} {'all':>8s} {'products':>9s} {'attention':>9s} {'rows':>7s} "
          f"{'gaps':>6s}   " + " ".join(f"{name:>15s}" for name in OTHERS))
    for name, card in CARDS.items():
        parts = predict(card, shape, NOW, table)
        others = [sum(predict(card, shape, plan, table)) for plan in OTHERS.values()]
        print(f"  {name:20s} {sum(parts):8.2f} {parts[0]:9.2f} {parts[1]:9.2f} {parts[2]:7.2f} "
              f"{parts[3]:6.2f}   " + " ".join(f"{other:15.2f}" for other in others))
    for name, card in CARDS.items():
        moves = ", ".join(f"{change} {ms:.2f} ms" for ms, change in
                          what_moves_most(card, shape, table)[:3])
        limit, which = ceiling(card, kernel_of(card, shape.tokens, table, NOW), shape.hidden)
        code = f"; the code lets products hold {limit:.2f} ({which})" if which else ""
        print(f"  {name}: would save most: {moves or 'nothing of these'}{code}")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=pathlib.Path, default=check_cuda.TABLE)
    table = check_cuda.read_table(parser.parse_args().table.read_text())
    print("predicted, not measured; milliseconds of one batch in INT8\n")
    for shape in SHAPES:
        print_shape(shape, table)
    for name, card, goal in GOALS:
        shape = next(shape for shape in SHAPES if shape.name == name)
        got = sum(predict(CARDS[card], shape, NOW, table))
        print(f"goal: {name} on {card}: {got:.2f} ms predicted, {goal:.2f} wanted: "
              f"{'reached' if got <= goal else 'missed'}")


if __name__ == "__main__":
    main()
