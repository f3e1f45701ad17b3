#!/usr/bin/env python3
"""What published rates and the CUDA engine's passes over memory would give, in milliseconds.

    bench/predict_gpu.py

A prediction, not a measurement: the engine has not run on a card. The model, for INT8:

  * a product takes its operations at a share u of the card's published dense INT8 rate, spread over
    tiles that fill its multiprocessors in waves, or its bytes at 85 % of the published bandwidth,
    whichever is longer;
  * attention takes its operations at a share of the 16-bit rate with float32 sums, or its bytes;
  * rows (norms, quantization) take their bytes;
  * no kernel ends sooner than a floor, and between kernels of a recorded run there is a gap.

Bytes are those of this engine: the residual stream in float32, q, k and v, contexts and the inner
layer in 16 bits, what products read in 8. The last columns say what would move the sum most: a
residual stream in 16 bits, and the inner layer quantized by the product that makes it.
"""

from typing import NamedTuple


class Card(NamedTuple):
    """Published rates, and shares of them that a product of this kind was seen to hold."""
    int8_tops: float
    half_tflops: float  # 16-bit products with float32 sums
    gigabytes: float    # of bandwidth a second
    processors: int
    product_share: float
    attention_share: float
    floor_us: float  # of a kernel
    gap_us: float    # between two


CARDS = {
    "T4": Card(130, 65, 320, 40, .45, .40, 4.5, 2.5),
    "RTX 3090": Card(284, 71, 936, 82, .80, .55, 2.5, 1.5),
    "A100": Card(624, 312, 1555, 108, .70, .50, 2.5, 1.5),
    "L4": Card(242, 121, 300, 58, .55, .45, 2.5, 1.5),
    "RTX 4090": Card(660, 165, 1008, 128, .75, .55, 2.5, 1.5),
    # mma.sync alone: wgmma would feed .62 of it.
    "H100": Card(1979, 989, 3350, 132, .42, .25, 2.5, 1.3),
    "H200": Card(1979, 989, 4800, 132, .42, .25, 2.5, 1.3),
}


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
    """Bytes of a value in the residual stream, and whether the inner layer leaves as integers."""
    residual_bytes: int = 4
    inner_quantized: bool = False


def tile(tokens):
    """Rows and columns, as src/engines/cuda/lower_matmul.cc chooses."""
    return (128, 128) if tokens > 512 else (64, 64) if tokens > 64 else (16, 64)


def product_ms(card, shape, columns, depth, bytes_a_row):
    rows, across = tile(shape.tokens)
    tiles = -(-shape.tokens // rows) * -(-columns // across)
    places = card.processors * 2
    filled = tiles / (-(-tiles // places) * places)
    operations = 2 * -(-shape.tokens // rows) * rows * columns * depth
    compute = operations / (card.int8_tops * 1e12 * card.product_share * max(filled, .05))
    memory = (columns * depth + shape.tokens * bytes_a_row) / (card.gigabytes * .85e9)
    return 1e3 * max(compute, memory, card.floor_us * 1e-6)


def memory_ms(card, shape, bytes_a_row):
    return 1e3 * max(shape.tokens * bytes_a_row / (card.gigabytes * .85e9), card.floor_us * 1e-6)


def predict(card, shape, plan):
    """Milliseconds of products, attention, rows and gaps."""
    h, f, r = shape.hidden, shape.inner, plan.residual_bytes
    inner = f if plan.inner_quantized else 2 * f
    products = sum(product_ms(card, shape, *of) for of in (
        (3 * h, h, h + 6 * h), (h, h, h + 2 * r * h), (f, h, h + inner), (h, f, f + 2 * r * h)))
    attention = max(memory_ms(card, shape, 8 * h),
                    1e3 * 4 * shape.tokens * shape.length * h /
                    (card.half_tflops * 1e12 * card.attention_share))
    rows = memory_ms(card, shape, 3 * h) + 2 * memory_ms(card, shape, 2 * r * h + h)
    if not plan.inner_quantized:
        rows += memory_ms(card, shape, 3 * f)
    launches = 8 if plan.inner_quantized else 9
    gaps = launches * card.gap_us * 1e-3
    return [shape.layers * part for part in (products, attention, rows, gaps)]


def main():
    print("predicted, not measured; milliseconds of one batch in INT8\n")
    for shape in SHAPES:
        print(f"{shape.name:22s} {'all':>8s} {'products':>9s} {'attention':>9s} {'rows':>7s} "
              f"{'gaps':>6s}   {'16-bit residual':>15s} {'inner quantized':>15s} {'both':>7s}")
        for name, card in CARDS.items():
            parts = predict(card, shape, Plan())
            others = [sum(predict(card, shape, plan))
                      for plan in (Plan(2), Plan(4, True), Plan(2, True))]
            print(f"  {name:20s} {sum(parts):8.2f} {parts[0]:9.2f} {parts[1]:9.2f} "
                  f"{parts[2]:7.2f} {parts[3]:6.2f}   {others[0]:15.2f} {others[1]:15.2f} "
                  f"{others[2]:7.2f}")
        print()


if __name__ == "__main__":
    main()
