"""Modules that round as integers would: what the rewritten sources of transformers are made of.

The arithmetic is that of pytorch-quantization and of `--scheme static`: signed 8 bits, symmetric,
scale = amax / 127, q = clamp(round half to even(x / scale), -128, 127); an amax below 2^-24 makes
everything 0. Activations have one range, weights one for each output row.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import torch
from torch import nn
from torch.nn import functional

from .._errors import InvalidArgument

LEAST_AMAX = 2.0**-24
LARGEST = 127.0


class _FakeQuantize(torch.autograd.Function):
    """x to the nearest level; the gradient passes where |x| <= amax, and is 0 beyond."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, amax: torch.Tensor) -> torch.Tensor:
        scale, dead = amax.float() / LARGEST, amax < LEAST_AMAX
        levels = x.float() / scale.masked_fill(dead, 1.0)
        levels.round_().clamp_(-128.0, LARGEST).mul_(scale.masked_fill(dead, 0.0))
        if x.requires_grad:
            context.save_for_backward(x.abs() <= amax)
        return levels.to(x.dtype)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> Tuple[torch.Tensor, None]:
        (inside,) = context.saved_tensors
        return gradient * inside, None


def fake_quantize(x: torch.Tensor, amax: torch.Tensor) -> torch.Tensor:
    """``x`` rounded to 8 bits of the range ``amax`` (a scalar, or [rows, 1] for a weight)."""
    rounded: torch.Tensor = _FakeQuantize.apply(x, amax)
    return rounded


def _native_fake_quantize(x: torch.Tensor, amax: torch.Tensor) -> torch.Tensor:
    """The same by PyTorch's own op, which exporters write as QuantizeLinear, DequantizeLinear."""
    scale = (amax.clamp(min=LEAST_AMAX) / LARGEST).detach()  # what is dead there is next to 0 here
    if amax.ndim == 0:
        zero = torch.zeros((), dtype=torch.int32, device=amax.device)
        return torch.fake_quantize_per_tensor_affine(x, scale, zero, -128, 127)
    zeros = torch.zeros(scale.numel(), dtype=torch.int32, device=amax.device)
    return torch.fake_quantize_per_channel_affine(x, scale.flatten(), zeros, 0, -128, 127)


class TensorQuantizer(nn.Module):
    """Rounds one tensor, or watches it, or lets it pass.

    The range is the buffer ``_amax``: a scalar, or [rows, 1] for the rows of a weight. NaN says that
    there is none; a quantizer that is off is saved as NaN, and one that is loaded with a range is
    on. The range is one of ``unit`` times the tensor, for sources that scale it before they multiply.
    """

    _amax: torch.Tensor

    def __init__(self, rows: Optional[int] = None, unit: float = 1.0) -> None:
        super().__init__()
        shape = () if rows is None else (rows, 1)
        self.register_buffer("_amax", torch.full(shape, float("nan"), dtype=torch.float32))
        self.unit = float(unit)
        self._on: Optional[bool] = None  # not known before the range was looked at
        self.calibrator: Any = None
        self.follows = False
        self.native = False

    @property
    def is_weight(self) -> bool:
        """Whether it has a range for each row."""
        return self._amax.ndim == 2

    @property
    def amax(self) -> torch.Tensor:
        """The range; NaN if there is none."""
        return self._amax

    @property
    def has_range(self) -> bool:
        """Whether the range is there; a GPU is waited for."""
        return bool(torch.isfinite(self._amax).all())

    @property
    def enabled(self) -> bool:
        """Whether it rounds."""
        if self._on is None:
            self._on = self.has_range
        return self._on

    @enabled.setter
    def enabled(self, on: bool) -> None:
        if on and not self.has_range:
            raise InvalidArgument("a quantizer without a range cannot be switched on; calibrate it")
        self._on = on

    def forget_range(self) -> None:
        """As it was made."""
        with torch.no_grad():
            self._amax.fill_(float("nan"))
        self._on = None

    def set_range(self, amax: torch.Tensor) -> None:
        """Takes the range and rounds from now on; NaN switches it off."""
        with torch.no_grad():
            self._amax.copy_(amax.reshape(self._amax.shape))
        self._on = self.has_range

    def follow(self, weight: torch.Tensor) -> None:
        """Takes the rows' maxima for the range."""
        with torch.no_grad():
            self._amax.copy_(weight.detach().float().abs().amax(1, keepdim=True))

    def forward(self, x: torch.Tensor, unit: Optional[float] = None) -> torch.Tensor:
        """``unit``: that of this tensor, where it is not the usual one."""
        unit = self.unit if unit is None else unit
        if self.calibrator is not None:
            self.calibrator.collect(x.detach() * unit)
            return x
        if not self.enabled:
            return x
        if self.follows:
            self.follow(x)
        rounded = _native_fake_quantize if self.native else fake_quantize
        if unit == 1.0:
            return rounded(x, self._amax)
        return rounded(x * unit, self._amax) / unit

    def extra_repr(self) -> str:
        state = "calibrating" if self.calibrator is not None else "on" if self.enabled else "off"
        return f"{state}, amax={self._amax.max().item():.6g}"

    def _save_to_state_dict(self, destination: Dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not self._amax.is_meta and not self.enabled:
            destination[prefix + "_amax"] = torch.full_like(self._amax, float("nan"))

    def _load_from_state_dict(self, state: Dict[str, Any], prefix: str, *rest: Any) -> None:
        # A checkpoint without ranges leaves those that are there alone.
        state.setdefault(prefix + "_amax", self._amax.detach().clone())
        if state[prefix + "_amax"].shape != self._amax.shape and (
                state[prefix + "_amax"].numel() == self._amax.numel()):
            state[prefix + "_amax"] = state[prefix + "_amax"].reshape(self._amax.shape)
        super()._load_from_state_dict(state, prefix, *rest)
        self._on = None


class LinearPart(nn.Module):
    """The quantizers of some rows of a linear layer that holds several layers in one."""

    def __init__(self, rows: List[int]) -> None:
        super().__init__()
        self.rows = rows
        self._input_quantizer = TensorQuantizer()
        self._weight_quantizer = TensorQuantizer(len(rows))


class QuantLinear(nn.Linear):
    """nn.Linear with a quantizer on its input and one on its weight; bit-equal to it when both are
    off. Weights load by the names of nn.Linear.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._input_quantizer = TensorQuantizer()
        self._weight_quantizer = TensorQuantizer(self.out_features)
        self._parts: Tuple[str, ...] = ()

    def split(self, names: Sequence[str], heads: int = 0) -> None:
        """Makes the layer count as several, one for each of ``names``, its rows shared out evenly:
        one behind the other, or ``heads`` times in turns. Each part has quantizers of its own, under
        its name.
        """
        if self.out_features % (len(names) * max(1, heads)):
            raise InvalidArgument(f"{self.out_features} rows do not go into {len(names)} parts")
        del self._input_quantizer, self._weight_quantizer
        run = self.out_features // len(names) // max(1, heads)
        period = run * len(names)
        for place, name in enumerate(names):
            starts = range(place * run, self.out_features, period)
            self.add_module(name, LinearPart([start + i for start in starts for i in range(run)]))
        self._parts = tuple(names)

    def weight_quantizers(self) -> Iterator[Tuple[TensorQuantizer, torch.Tensor]]:
        """The quantizer of each part's weight, with the rows [n, k] that it is of."""
        if not self._parts:
            yield self._weight_quantizer, self.weight
        for name in self._parts:
            part = self._part(name)
            yield part._weight_quantizer, self.weight[part.rows]

    def _part(self, name: str) -> LinearPart:
        part = self.get_submodule(name)
        assert isinstance(part, LinearPart)
        return part

    def _idle(self) -> bool:
        every = (module for module in self.modules() if isinstance(module, TensorQuantizer))
        return all(q.calibrator is None and not q.enabled for q in every)

    def plain(self, x: torch.Tensor) -> torch.Tensor:
        """What nn.Linear gives, whatever the quantizers do: for constants that Tamis computes in
        float."""
        return functional.linear(x, self.weight, self.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self._parts:
            weight = self._weight_quantizer(self.weight)
            return functional.linear(self._input_quantizer(x), weight, self.bias)
        if self._idle():
            return self.plain(x)
        return self._in_parts(x)

    def _in_parts(self, x: torch.Tensor) -> torch.Tensor:
        outputs, order = [], []
        for name in self._parts:
            part = self._part(name)
            rows = torch.as_tensor(part.rows, device=self.weight.device)
            weight = part._weight_quantizer(self.weight[rows])
            bias = None if self.bias is None else self.bias[rows]
            outputs.append(functional.linear(part._input_quantizer(x), weight, bias))
            order.append(rows)
        place = torch.argsort(torch.cat(order))
        return torch.cat(outputs, -1)[..., place]


class QuantConv1d(nn.Conv1d):
    """nn.Conv1d as QuantLinear is nn.Linear; a range for each output channel."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._input_quantizer = TensorQuantizer()
        self._weight_quantizer = TensorQuantizer(self.out_channels)

    def weight_quantizers(self) -> Iterator[Tuple[TensorQuantizer, torch.Tensor]]:
        """As QuantLinear's."""
        yield self._weight_quantizer, self.weight.flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight
        if self._weight_quantizer.calibrator is not None or self._weight_quantizer.enabled:
            weight = self._weight_quantizer(weight.flatten(1)).view_as(weight)
        y: torch.Tensor = self._conv_forward(self._input_quantizer(x), weight, self.bias)
        return y
