"""How far a quantized model is from its float self, and which part of it costs what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Sequence, Tuple

import torch

from .._errors import InvalidArgument
from ._calibrate import Batch, check_reached, evaluating, on_device
from ._switches import only, quantizers

Logits = List[torch.Tensor]


@dataclass(frozen=True)
class Agreement:
    """``kl`` is the mean over rows of KL(float, quantized) of the softmax of the logits, in nats;
    ``flips`` the share of rows whose greatest logit is another."""

    kl: float
    flips: float
    rows: int


@dataclass(frozen=True)
class Sensitivity:
    """The agreement with float where only this part rounds."""

    name: str
    quantizers: int
    agreement: Agreement


def answer(outputs: Any) -> torch.Tensor:
    """What a model's outputs are judged by, [.., n] of softmaxes over n: its logits, of question
    answering [batch, 2, tokens], start and end; of a model without a head its hidden states.
    """
    if "start_logits" in outputs:
        return torch.stack((outputs["start_logits"], outputs["end_logits"]), 1)
    first: torch.Tensor = outputs[0]
    return first


def logits_of(model: torch.nn.Module, data: Iterable[Batch]) -> Logits:
    """answer() of the model for each batch, on the CPU."""
    check_reached(model)
    with evaluating(model):
        return [answer(model(**on_device(model, batch))).float().cpu() for batch in data]


def float_logits(model: torch.nn.Module, data: Iterable[Batch]) -> Logits:
    """As logits_of(), with every quantizer off."""
    with only(model):
        return logits_of(model, data)


def agreement(reference: Logits, other: Logits) -> Agreement:
    """Of logits [.., n] with those of the float model."""
    kl, flips, rows = 0.0, 0, 0
    for left, right in zip(reference, other):
        if left.shape != right.shape:
            raise InvalidArgument(f"logits of {tuple(left.shape)} and {tuple(right.shape)}: they must "
                                  "come from the same batches")
        log_p, log_q = left.log_softmax(-1), right.log_softmax(-1)
        kl += float((log_p.exp() * (log_p - log_q)).sum(-1).sum())
        flips += int((left.argmax(-1) != right.argmax(-1)).sum())
        rows += left.shape[:-1].numel()
    return Agreement(kl / max(1, rows), flips / max(1, rows), rows)


def _layer_of(name: str) -> str:
    found = re.search(r"\.(block|layers?|albert_layers|transformer_encoder)\.(\d+)\.", name)
    if not found:
        return "outside the layers"
    side = "decoder " if re.search(r"\bdecoder\.", name[: found.start() + 1]) else ""
    return f"{side}layer {found.group(2)}"


def _operator_of(name: str) -> str:
    last = name.rpartition(".")[2]
    if last in ("_input_quantizer", "_weight_quantizer"):
        return "linear"
    return last.rpartition("_quantizer_")[0]


def sensitivity(
    model: torch.nn.Module, data: Sequence[Batch], by: str = "layer"
) -> List[Sensitivity]:
    """What each part costs if it alone rounds, most expensive first: each "layer", or each
    "operator" ("linear", "matmul", "layernorm"). Quantizers that are off or have no range stay off.
    """
    kinds = {"layer": _layer_of, "operator": _operator_of}
    if by not in kinds:
        raise InvalidArgument(f'by "{by}": must be "layer" or "operator"')
    check_reached(model)
    groups: Dict[str, List[str]] = {}
    for name, quantizer in quantizers(model).items():
        if quantizer.enabled:
            groups.setdefault(kinds[by](name), []).append(name)
    reference = float_logits(model, data)
    rows: List[Tuple[float, Sensitivity]] = []
    for group, names in groups.items():
        with only(model, *names):
            found = agreement(reference, logits_of(model, data))
        rows.append((found.kl, Sensitivity(group, len(names), found)))
    return [row for _, row in sorted(rows, key=lambda item: -item[0])]
