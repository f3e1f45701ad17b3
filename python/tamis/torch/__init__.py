"""Quantizers in models of transformers: calibrated, switched, trained, and handed to Tamis.

    >>> from tamis import torch as tq
    >>> model = tq.load("roberta-mnli")                      # the sources are rewritten in memory
    >>> tq.calibrate(model, tq.batches(tokenizer, texts))    # every quantizer gets its range
    >>> tq.disable(model, "*.output.layernorm_quantizer_*")
    >>> tq.save(model, "calibrated", tokenizer)
    >>> tamis.optimize("calibrated", "bundle", scheme="static")

Needs torch and transformers, which the rest of the package does not.
"""

from ._calibrate import batches, calibrate, calibrating
from ._export import export_onnx
from ._families import FAMILIES, families_of
from ._measure import Agreement, Sensitivity, agreement, float_logits, logits_of, sensitivity
from ._patching import Family, patched
from ._rewrite import (
    PATCHERS,
    MatrixProduct,
    NormOfASum,
    Patcher,
    Renamed,
    Rules,
    TwoOperands,
    rewrite,
)
from ._save import insert, known_families, load, save
from ._switches import disable, enable, names_of, only, quantizers
from ._training import (
    QatTrainer,
    distillation_loss,
    float_twin,
    training_ranges,
    without_dropout,
)
from .quant_nn import QuantLinear, TensorQuantizer, fake_quantize

__all__ = [
    "FAMILIES",
    "PATCHERS",
    "Agreement",
    "Family",
    "MatrixProduct",
    "NormOfASum",
    "Patcher",
    "QatTrainer",
    "QuantLinear",
    "Renamed",
    "Rules",
    "Sensitivity",
    "TensorQuantizer",
    "TwoOperands",
    "agreement",
    "batches",
    "calibrate",
    "calibrating",
    "disable",
    "distillation_loss",
    "enable",
    "export_onnx",
    "fake_quantize",
    "families_of",
    "float_logits",
    "float_twin",
    "insert",
    "known_families",
    "load",
    "logits_of",
    "names_of",
    "only",
    "patched",
    "quantizers",
    "rewrite",
    "save",
    "sensitivity",
    "training_ranges",
    "without_dropout",
]
