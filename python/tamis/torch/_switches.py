"""The quantizers of a model: which there are, which are on."""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
from typing import Dict, Iterable, Iterator, List

import torch

from .._errors import InvalidArgument
from .quant_nn import TensorQuantizer


def quantizers(model: torch.nn.Module) -> Dict[str, TensorQuantizer]:
    """Every quantizer by its name, in the order of the model's modules. Names are Tamis': what
    `tamis inspect --quantizers` lists for the saved checkpoint.
    """
    prefix = getattr(model, "base_model_prefix", "")
    # Tamis names modules as classes with a head do; of T5 it reads the encoder that stands alone.
    alone = getattr(getattr(model, "config", None), "model_type", "") in ("mt5", "t5")
    start = f"{prefix}." if prefix and not alone and not hasattr(model, prefix) else ""
    found = {start + name: module for name, module in model.named_modules()
             if isinstance(module, TensorQuantizer)}
    if not found:
        raise InvalidArgument(f"{type(model).__name__} has no quantizers; load it within "
                              "tamis.torch.patched(), or with tamis.torch.load()")
    return found


def _fits(glob: str, name: str) -> bool:
    return fnmatch.fnmatchcase(name, glob) or fnmatch.fnmatchcase(name.partition(".")[2], glob)


def names_of(model: torch.nn.Module, globs: Iterable[str]) -> List[str]:
    """Names that one of the globs fits, each once; one that fits none is an error with near names.

    A glob has ``*``, ``?`` and ``[..]`` and must match the whole name, with or without its first
    component, as in `--enable` and `--disable`.
    """
    every = list(quantizers(model))
    chosen: Dict[str, None] = {}
    for glob in globs:
        found = [name for name in every if _fits(glob, name)]
        if not found:
            near = difflib.get_close_matches(glob.replace("*", ""), every, 3, 0)
            raise InvalidArgument(f'quantizers: "{glob}" matches nothing; near names are '
                                  + ", ".join(near))
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def enable(model: torch.nn.Module, *globs: str) -> None:
    """Switches quantizers on; each must have a range."""
    every = quantizers(model)
    for name in names_of(model, globs or ("*",)):
        try:
            every[name].enabled = True
        except InvalidArgument as error:
            raise InvalidArgument(f"{name}: {error}") from None


def disable(model: torch.nn.Module, *globs: str) -> None:
    """Switches quantizers off; their places run in float. They keep their ranges until the model is
    saved.
    """
    every = quantizers(model)
    for name in names_of(model, globs or ("*",)):
        every[name].enabled = False


@contextlib.contextmanager
def only(model: torch.nn.Module, *globs: str) -> Iterator[None]:
    """Within it, of the quantizers that have a range those that a glob fits are on, all others off;
    none are on without a glob.
    """
    chosen = set(names_of(model, globs))
    every = quantizers(model)
    before = {name: quantizer.enabled for name, quantizer in every.items()}
    try:
        for name, quantizer in every.items():
            quantizer.enabled = name in chosen and quantizer.has_range
        yield
    finally:
        for name, quantizer in every.items():
            quantizer.enabled = before[name]
