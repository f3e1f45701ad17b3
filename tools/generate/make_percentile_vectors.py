#!/usr/bin/env python3
"""Writes testdata/quantizers/percentile.json: ranges by pytorch-quantization's histogram rule (N3).

The rule is written down here with torch and numpy: the first batch sets 2048 bins over [0, max], a
larger value later adds bins of the same width, and the range is the left edge of the first bin at
which the cumulative share of the counts reaches the percentile. Values come from a linear
congruential generator that the test repeats.

usage: make_percentile_vectors.py  (needs torch and numpy)
"""

import json
import pathlib

import numpy as np
import torch

PERCENTILES = [50.0, 99.0, 99.9, 99.99, 99.999, 99.9999, 100.0]


def batch(seed, count, scale):
    """float32 values, the cube of a uniform draw in [-0.5, 0.5) times scale."""
    state = seed
    out = np.empty(count, np.float32)
    for i in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        u = np.float32(state >> 8) * np.float32(2.0**-24) - np.float32(0.5)
        out[i] = u * u * u * np.float32(scale)
    return out


def amax(batches):
    """The range of each percentile."""
    counts = edges = None
    for values in batches:
        x = torch.from_numpy(np.abs(values))
        if counts is None:
            edges = torch.linspace(0, x.max().item(), 2049)
            counts = torch.histc(x, bins=2048, min=0, max=edges[-1].item())
            continue
        bins = counts.numel()
        if x.max() > edges[-1]:
            width = edges[1] - edges[0]
            bins = int((x.max() / width).ceil().item())
            # torch.arange(0, max + width, width), each edge rounded once: torch's own rounds the
            # first of every vector besides, so that its last bit depends on the CPU.
            edges = (torch.arange(bins + 1).double() * width.item()).float()
        more = torch.histc(x, bins=bins, min=0, max=edges[-1].item())
        more[: counts.numel()] += counts
        counts = more
    counts = counts.int().numpy()
    shares = np.cumsum(counts / counts.sum())
    places = [np.searchsorted(shares, p / 100) for p in PERCENTILES]
    return [float(edges.numpy()[place]) for place in places]


def main():
    cases = []
    for parts in ([[1, 5000, 8.0]], [[2, 4000, 1.0], [3, 4000, 3.7], [4, 100, 0.1]],
                  [[5, 3000, 100.0], [6, 3000, 900.0], [7, 30, 4000.0]]):
        cases.append({"batches": parts, "amax": amax([batch(*part) for part in parts])})
    text = json.dumps({"percentiles": PERCENTILES, "cases": cases}, indent=1)
    folder = pathlib.Path(__file__).resolve().parents[2] / "testdata" / "quantizers"
    (folder / "percentile.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
