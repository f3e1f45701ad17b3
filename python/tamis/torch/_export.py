"""To ONNX, with QuantizeLinear and DequantizeLinear where quantizers are on."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import Any, Dict, Iterator, List, Mapping, Optional, Union

import torch

from .._errors import InvalidArgument
from ._switches import quantizers

OPSET = 17


@contextlib.contextmanager
def _native(model: torch.nn.Module) -> Iterator[None]:
    every = list(quantizers(model).values())
    for quantizer in every:
        quantizer.native = True
        quantizer.enabled  # looked at before the trace, which could not look
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
        for quantizer in every:
            quantizer.native = False


class _Positional(torch.nn.Module):
    """Inputs in a row, the first output alone: what a trace can follow."""

    def __init__(self, model: torch.nn.Module, names: List[str]) -> None:
        super().__init__()
        self.model, self._names = model, names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.model(**dict(zip(self._names, inputs)))[0]


def export_onnx(
    model: torch.nn.Module,
    path: Union[str, "os.PathLike[str]"],
    example: Mapping[str, torch.Tensor],
    *,
    opset: int = OPSET,
    output: Optional[str] = None,
) -> None:
    """Writes the model to an .onnx file whose ranges stand in Q/DQ pairs: int8, symmetric, weights
    with an axis. ``example`` has what forward() takes, int64 [batch, sequence]; both sizes stay
    free. Weights and computations are fp32. ``output``: default "logits", "last_hidden_state" for
    models without a head. Needs the package onnx.
    """
    if opset < 13:
        raise InvalidArgument(f"opset {opset}: must be at least 13, where Q/DQ have an axis")
    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        raise InvalidArgument("export: the model must be in float32")
    names = list(example)
    if output is None:
        first = model(**example)
        output = next(iter(first.keys()))
    axes: Dict[str, Any] = {name: {0: "batch_size", 1: "sequence_length"} for name in names}
    shape = model(**example)[0].shape
    axes[output] = {0: "batch_size"}
    if len(shape) > 2:
        axes[output][1] = "sequence_length"
    wrapped = _Positional(model, names)
    with _native(model), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about sizes that it takes for constants
        torch.onnx.export(wrapped, tuple(example.values()), os.fspath(path), input_names=names,
                          output_names=[output], dynamic_axes=axes, opset_version=opset,
                          dynamo=False)
