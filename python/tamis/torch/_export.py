"""To ONNX, with QuantizeLinear and DequantizeLinear where quantizers are on."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import Any, Dict, Iterator, List, Mapping, Tuple, Union

import torch

from .._errors import InvalidArgument
from ._calibrate import check_reached, evaluating
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
    """Inputs and outputs in a row: what a trace can follow."""

    def __init__(self, model: torch.nn.Module, names: List[str], outputs: List[str]) -> None:
        super().__init__()
        self.model, self._names, self._outputs = model, names, outputs

    def forward(self, *inputs: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        outputs = self.model(**dict(zip(self._names, inputs)))
        return tuple(outputs[name] for name in self._outputs)


def export_onnx(
    model: torch.nn.Module,
    path: Union[str, "os.PathLike[str]"],
    example: Mapping[str, torch.Tensor],
    *,
    opset: int = OPSET,
) -> None:
    """Writes the model to an .onnx file whose ranges stand in Q/DQ pairs: int8, symmetric, weights
    with an axis. ``example`` has what forward() takes, int64 [batch, sequence]; both sizes stay
    free. Outputs have transformers' names: "logits", "start_logits" and "end_logits", or
    "last_hidden_state". Weights and computations are fp32. Needs the package onnx.
    """
    if opset < 13:
        raise InvalidArgument(f"opset {opset}: must be at least 13, where Q/DQ have an axis")
    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        raise InvalidArgument("export: the model must be in float32")
    check_reached(model)
    names = list(example)
    with evaluating(model):
        found = model(**example)
    outputs = ["start_logits", "end_logits"] if "start_logits" in found else [next(iter(found))]
    axes: Dict[str, Any] = {name: {0: "batch_size", 1: "sequence_length"} for name in names}
    for name in outputs:
        by_token = name in ("start_logits", "end_logits") or found[name].ndim > 2
        axes[name] = {0: "batch_size", **({1: "sequence_length"} if by_token else {})}
    wrapped = _Positional(model, names, outputs)
    with _native(model), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about sizes that it takes for constants
        torch.onnx.export(wrapped, tuple(example.values()), os.fspath(path), input_names=names,
                          output_names=outputs, dynamic_axes=axes, opset_version=opset,
                          dynamo=False)
