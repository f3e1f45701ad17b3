"""What a quantizer's range is, from the values that pass by.

Rule N3 of pytorch-quantization for histograms, the same as src/quant/observers/histogram.cc: 2048
bins over [0, max] of the first batch; a larger value later adds bins of the same width. On whatever
device the values are.
"""

from __future__ import annotations

from typing import Any, Optional

import torch

from .._errors import InvalidArgument

FIRST_BINS = 2048
MOST_BINS = 1 << 20
# torch.histc counts in float32, where 2^24 + 1 is 2^24.
MOST_COUNTED = 1 << 24
METHODS = ("histogram", "max", "mse")


class MaxCalibrator:
    """The running greatest |x| that is finite; of each row for weights, all of whose values count."""

    def __init__(self, by_row: bool = False) -> None:
        self._by_row = by_row
        self._most: Optional[torch.Tensor] = None

    def collect(self, x: torch.Tensor) -> None:
        x = x.float().abs()
        if not self._by_row:
            x = x[torch.isfinite(x)]
        if x.numel() == 0:
            return
        most = x.amax(1, keepdim=True) if self._by_row else x.max()
        self._most = most if self._most is None else torch.maximum(self._most, most)

    def amax(self) -> Optional[torch.Tensor]:
        """None if nothing was seen."""
        return self._most


class Histogram:
    """Counts of |x|."""

    def __init__(self) -> None:
        self.counts: Optional[torch.Tensor] = None  # float64, on the values' device
        self.edges = torch.empty(0)

    def collect(self, x: torch.Tensor) -> None:
        x = x.float().abs().flatten()
        x = x[torch.isfinite(x)]
        if x.numel() == 0:
            return
        most = x.max().item()
        if self.counts is None or self.edges[-1] == 0:
            zeros = 0 if self.counts is None else self.counts[0]
            self.edges = torch.linspace(0, most, FIRST_BINS + 1)
            self.counts = self._count(x, FIRST_BINS)
            self.counts[0] += zeros
            return
        bins = self.counts.numel()
        if most > self.edges[-1]:
            width = self.edges[1] - self.edges[0]
            while (torch.tensor(most) / width).ceil().item() > MOST_BINS:  # each two bins become one
                self.counts = torch.nn.functional.pad(self.counts, (0, bins % 2)).view(-1, 2).sum(1)
                bins, width = self.counts.numel(), width * 2
            bins = max(bins, int((torch.tensor(most) / width).ceil().item()))
            self.edges = (torch.arange(bins + 1).double() * width.item()).float()
        more = self._count(x, bins)
        more[: self.counts.numel()] += self.counts
        self.counts = more

    def _count(self, x: torch.Tensor, bins: int) -> torch.Tensor:
        top = self.edges[-1].item()
        counts = torch.zeros(bins, dtype=torch.float64, device=x.device)
        if top == 0:  # only zeros so far
            counts[0] = x.numel()
            return counts
        for begin in range(0, x.numel(), MOST_COUNTED):
            part = x[begin : begin + MOST_COUNTED].clamp(max=top)
            counts += torch.histc(part, bins=bins, min=0, max=top).double()
        return counts


class PercentileCalibrator(Histogram):
    """The left edge of the first bin at which the cumulative share reaches the percentile."""

    def __init__(self, percentile: float) -> None:
        super().__init__()
        self._share = percentile / 100

    def amax(self) -> Optional[torch.Tensor]:
        """None if nothing was seen."""
        if self.counts is None:
            return None
        counts = self.counts.cpu()
        shares = torch.cumsum(counts / counts.sum(), 0)
        place = int(torch.searchsorted(shares, torch.tensor(self._share, dtype=torch.float64)))
        return self.edges[place]


class MseCalibrator(Histogram):
    """The clip at which rounding and clipping together lose least: from 1/16 of the first batch's
    range up, a 32nd of it apart.
    """

    def amax(self) -> Optional[torch.Tensor]:
        """None if nothing was seen."""
        if self.counts is None:
            return None
        counts = self.counts.cpu()
        width = float(self.edges[1] - self.edges[0])
        middles = (torch.arange(counts.numel(), dtype=torch.float64) + 0.5) * width
        best, least = self.edges[0].clone(), float("inf")
        for clip in range(FIRST_BINS // 16, counts.numel() + 1, FIRST_BINS // 32):
            edge = torch.tensor(clip * width, dtype=torch.float32)
            scale = float(edge) / 127
            if scale <= 0:
                continue
            back = torch.clamp(torch.round(middles / scale), max=127) * scale
            loss = float((counts * (middles - back) ** 2).sum())
            if loss < least:
                best, least = edge, loss
        return best


def make_calibrator(method: str, percentile: float, is_weight: bool) -> Any:
    """Weights take their maxima whatever the method, a range for each row."""
    if method not in METHODS:
        raise InvalidArgument(f'method "{method}": must be one of {", ".join(METHODS)}')
    if not 0 < percentile <= 100:
        raise InvalidArgument(f"percentile {percentile}: must be above 0, and at most 100")
    if is_weight or method == "max":
        return MaxCalibrator(is_weight)
    return PercentileCalibrator(percentile) if method == "histogram" else MseCalibrator()
