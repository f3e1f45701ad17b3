"""Models with quantizers from folders and to folders."""

from __future__ import annotations

import copy
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

import torch
import transformers

from .._errors import Unsupported
from ._families import FAMILIES, families_of
from ._patching import patched

Folder = Union[str, "os.PathLike[str]"]


_WEIGHTS = re.compile(r"model(-ranges|-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?")


def load(folder: Folder, kind: Optional[str] = None, **options: Any) -> torch.nn.Module:
    """A model of transformers with quantizers, from a folder or the hub's id. Those that the
    checkpoint has ranges of are on, all others off; without ranges the outputs are, bit for bit,
    those of the plain class.

    ``kind``: a class of transformers, such as "AutoModelForSequenceClassification"; default: what
    config.json's architectures says. ``options`` go to from_pretrained(); dtype is float32 unless
    they say otherwise.
    """
    options.setdefault("dtype", torch.float32)
    folder = os.fspath(folder)
    config = options.pop("config", None) or transformers.AutoConfig.from_pretrained(folder)
    if kind is None:
        if not config.architectures:
            raise Unsupported(f"{folder}: config.json names no architecture; say kind=")
        kind = config.architectures[0]
    with patched(*families_of(config.model_type)):
        made = getattr(transformers, kind, None)
        if made is None:
            raise Unsupported(f'{folder}: transformers has no class "{kind}"')
        model: torch.nn.Module = made.from_pretrained(
            folder, config=config, attn_implementation="eager", **options)
    return model.eval()


def insert(model: torch.nn.Module) -> torch.nn.Module:
    """A twin of a live model of transformers, with its weights, types and devices tensor by tensor, and
    with quantizers, all off."""
    config = copy.deepcopy(getattr(model, "config", None))
    if config is None:
        raise Unsupported(f"{type(model).__name__}: has no config; a model of transformers is "
                          "expected")
    module = type(model).__module__
    families = families_of(config.model_type)
    if module not in [family.module for family in families]:
        raise Unsupported(f"{module}.{type(model).__name__}: not a class of the family "
                          f'"{config.model_type}"')
    config._attn_implementation = "eager"
    with patched(*families):
        twin: torch.nn.Module = getattr(sys.modules[module], type(model).__name__)(config)
    twin.load_state_dict(model.state_dict())
    twin.to(next(model.parameters()).device)
    # A model in half precision has tables, and some weights, in float32, and not all are in its state.
    theirs = dict([*model.named_parameters(), *model.named_buffers()])
    for name, mine in [*twin.named_parameters(), *twin.named_buffers()]:
        if name in theirs:
            mine.data = theirs[name].detach().clone()
            mine.requires_grad_(theirs[name].requires_grad)
    return twin.train(model.training)


def save(model: torch.nn.Module, folder: Folder, tokenizer: Any = None) -> None:
    """Writes config, weights and, as `<quantizer>._amax`, the ranges of the quantizers that are on;
    those that are off are NaN. `tamis optimize FOLDER --scheme static` takes the ranges.

    Not the same as the model's save_pretrained() in families whose files hold other weights than
    their modules do (nomic_bert, gte, jina_embeddings_v3): that joins ranges as it joins weights.
    """
    path = Path(folder)
    state = model.state_dict()
    ranges = {name: value.detach().cpu().contiguous() for name, value in state.items()
              if name.endswith("._amax")}
    weights = {name: value for name, value in state.items() if name not in ranges}
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path, prefix=".tamis-") as made:
        model.save_pretrained(made, state_dict=weights)  # type: ignore[operator]
        _add_tensors(Path(made), ranges)
        new = {item.name for item in Path(made).iterdir()}
        for name in sorted(new):
            os.replace(Path(made) / name, path / name)
    # Of another save: a reader would take one of these for the weights, or for their index.
    for old in path.glob("model*.safetensors*"):
        if old.name not in new and _WEIGHTS.fullmatch(old.name):
            old.unlink()
    if tokenizer is not None:
        tokenizer.save_pretrained(os.fspath(path))


def _add_tensors(folder: Path, tensors: Dict[str, torch.Tensor]) -> None:
    """Into model.safetensors, or as a file of their own where an index names several."""
    from safetensors.torch import load_file, save_file

    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        whole = folder / "model.safetensors"
        save_file({**load_file(whole), **tensors}, whole, metadata={"format": "pt"})
        return
    name = "model-ranges.safetensors"
    save_file(tensors, folder / name, metadata={"format": "pt"})
    written = json.loads(index.read_text())
    written["weight_map"].update(dict.fromkeys(tensors, name))
    index.write_text(json.dumps(written, indent=2) + "\n")


def known_families() -> List[str]:
    """The model_types whose sources are rewritten."""
    return list(FAMILIES)
