"""Ranges from the values that pass by."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Union

import torch

from .._errors import InvalidArgument, Unsupported
from ._calibrators import make_calibrator
from ._exported import Exported
from ._switches import quantizers
from .quant_nn import TensorQuantizer

Batch = Mapping[str, torch.Tensor]


def check_attention(model: torch.nn.Module) -> None:
    """Refuses attention that never reaches the quantizers of its products (rule A4)."""
    if isinstance(model, Exported):
        return  # whose products are those of its graph
    config = getattr(model, "config", None)
    kind = getattr(config, "_attn_implementation", None)
    if kind not in (None, "eager"):
        raise Unsupported(f'the model was loaded with attn_implementation="{kind}", whose attention '
                          'never reaches its quantizers; load it with "eager"')


def check_reached(model: torch.nn.Module) -> None:
    """As check_attention(), of a model whose quantizers are on: those of its products would be passed
    over."""
    if any(isinstance(module, TensorQuantizer) and module.enabled for module in model.modules()):
        check_attention(model)


@contextlib.contextmanager
def calibrating(model: torch.nn.Module, method: str = "histogram", percentile: float = 99.99
                ) -> Iterator[List[str]]:
    """Within it, quantizers watch and round nothing; after it they have their ranges and are on.
    The list that it gives holds, after it, the names of those that saw nothing finite, and of those
    whose weight is not; they stay off. An exception leaves the model as it was.

    ``method``: "histogram" (the magnitude that ``percentile`` percent of the values stay below),
    "max" or "mse". Weights take their greatest magnitude, row by row, whatever the method.
    """
    every = quantizers(model)
    check_attention(model)
    for quantizer in every.values():
        quantizer.calibrator = make_calibrator(method, percentile, quantizer.is_weight)
    silent: List[str] = []
    try:
        yield silent
        for name, quantizer in every.items():
            amax = quantizer.calibrator.amax()
            quantizer.set_range(torch.full_like(quantizer.amax, float("nan"))
                                if amax is None else amax)
            if not quantizer.enabled:
                silent.append(name)
    finally:
        for quantizer in every.values():
            quantizer.calibrator = None


def batches(
    tokenizer: Any,
    texts: Sequence[Any],
    batch_size: int = 32,
    max_length: Optional[int] = None,
) -> List[Dict[str, torch.Tensor]]:
    """Texts, or (text, pair) tuples, as inputs of equal length each, so that there is no padding
    whose values would count: sorted by their number of tokens.
    """
    encoded = []
    for text in texts:
        parts = (text,) if isinstance(text, str) else tuple(text)
        encoded.append(tokenizer(*parts, truncation=max_length is not None, max_length=max_length))
    encoded.sort(key=lambda item: len(item["input_ids"]))
    groups: List[List[Any]] = []
    for item in encoded:
        last = groups[-1] if groups else None
        fits = (last is not None and len(last) < batch_size
                and len(last[0]["input_ids"]) == len(item["input_ids"]))
        if fits and last is not None:
            last.append(item)
        else:
            groups.append([item])
    return [{key: torch.tensor([item[key] for item in group]) for key in group[0].keys()}
            for group in groups]


def on_device(model: torch.nn.Module, batch: Batch) -> Dict[str, torch.Tensor]:
    """The batch where the model is."""
    device = next(model.parameters()).device
    return {key: value.to(device) for key, value in batch.items()}


@contextlib.contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Without gradients and without dropout."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def calibrate(
    model: torch.nn.Module,
    data: Iterable[Batch],
    *,
    method: str = "histogram",
    percentile: float = 99.99,
    progress: Union[None, Callable[[int], object]] = None,
) -> List[str]:
    """Runs the batches (what the model's forward() takes, by name, on any device) and gives every
    quantizer its range. Values that are not finite do not count. Names of quantizers that saw nothing
    else come back; they stay off.
    """
    count = 0
    with calibrating(model, method, percentile) as silent, evaluating(model):
        for count, batch in enumerate(data, 1):
            model(**on_device(model, batch))
            if progress is not None:
                progress(count)
        if count == 0:
            raise InvalidArgument("calibrate: there are no batches; at least one is needed")
    return silent
