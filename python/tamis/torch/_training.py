"""Quantization-aware training: the float model is the teacher."""

from __future__ import annotations

import contextlib
import copy
from typing import Any, Iterator

import torch
import transformers

from ._calibrate import check_attention
from ._measure import answer
from ._save import save
from ._switches import quantizers
from .quant_nn import QuantConv1d, QuantLinear


@contextlib.contextmanager
def training_ranges(model: torch.nn.Module) -> Iterator[None]:
    """Within it, weights' ranges are their present maxima at each step; after it, their last. Those
    of activations stay. Gradients pass straight through within a range and are 0 outside (N9).
    """
    layers = [module for module in model.modules() if isinstance(module, (QuantConv1d, QuantLinear))]
    weights = [q for layer in layers for q, _ in layer.weight_quantizers() if q.enabled]
    for quantizer in weights:
        quantizer.follows = True
    try:
        yield
    finally:
        follow_weights(model)  # the last step moved them once more
        for quantizer in weights:
            quantizer.follows = False


def follow_weights(model: torch.nn.Module) -> None:
    """Gives weights that are in training_ranges() their present maxima."""
    for layer in model.modules():
        if isinstance(layer, (QuantConv1d, QuantLinear)):
            for quantizer, rows in layer.weight_quantizers():
                if quantizer.follows:
                    quantizer.follow(rows)


def without_dropout(model: torch.nn.Module) -> None:
    """Sets every dropout of the model to 0: with a teacher there is nothing to regularize."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, 0.0)


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Mean over rows of KL(teacher, student) of the softmax of logits [.., n]."""
    log_q, log_p = student.float().log_softmax(-1), teacher.float().log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()


class QatTrainer(transformers.Trainer):
    """transformers' Trainer whose loss is the distance to ``teacher``: a float model with the same
    outputs, which needs no labels. Ranges of weights follow them (training_ranges()).

        >>> trainer = QatTrainer(model, teacher=float_model, args=TrainingArguments(
        ...     out, max_steps=100, learning_rate=2e-5, per_device_train_batch_size=32,
        ...     lr_scheduler_type="constant"), train_dataset=data, data_collator=collate)
        >>> trainer.train()
    """

    def __init__(self, model: torch.nn.Module, *args: Any, teacher: torch.nn.Module,
                 **kwargs: Any) -> None:
        check_attention(model)
        without_dropout(model)
        super().__init__(model, *args, **kwargs)
        self._teacher = teacher.eval().to(self.args.device)
        # The loss is a mean already, so that steps of several batches are averaged by the Trainer.
        self.model_accepts_loss_kwargs = False

    def compute_loss(self, model: torch.nn.Module, inputs: Any, return_outputs: bool = False,
                     num_items_in_batch: Any = None) -> Any:
        del num_items_in_batch  # the loss is a mean
        inputs = {key: value for key, value in inputs.items() if key != "labels"}
        outputs = model(**inputs)
        with torch.no_grad():
            expected = answer(self._teacher(**inputs))
        loss = distillation_loss(answer(outputs), expected)
        return (loss, outputs) if return_outputs else loss

    def _save(self, output_dir: Any = None, state_dict: Any = None) -> None:
        """Checkpoints have the ranges of the weights that they hold: the optimizer has moved those."""
        assert isinstance(self.model, torch.nn.Module)
        follow_weights(self.model)
        super()._save(output_dir, state_dict)
        save(self.model, str(output_dir if output_dir is not None else self.args.output_dir))

    def train(self, *args: Any, **kwargs: Any) -> Any:
        assert isinstance(self.model, torch.nn.Module)
        with training_ranges(self.model):
            return super().train(*args, **kwargs)


def float_twin(model: torch.nn.Module) -> torch.nn.Module:
    """A copy of the model with its quantizers off: a teacher."""
    twin = copy.deepcopy(model).eval()
    for quantizer in quantizers(twin).values():
        quantizer.enabled = False
    for parameter in twin.parameters():
        parameter.requires_grad_(False)
    return twin

