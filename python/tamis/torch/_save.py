"""Models with quantizers from folders and to folders."""

from __future__ import annotations

import copy
import json
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union, cast

import torch
import transformers

from .._errors import InvalidArgument, Unsupported
from ._exported import insert_in_graph
from ._families import FAMILIES, families_of
from ._patching import has_source, patched
from .quant_nn import TensorQuantizer

Folder = Union[str, "os.PathLike[str]"]


_FRONTS = ("source", "export")
_OF_THE_HUB = ("trust_remote_code", "revision", "token", "cache_dir", "local_files_only", "subfolder")
_WEIGHTS = re.compile(r"model(-ranges|-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?")


def load(folder: Folder, kind: Optional[str] = None, *, front: str = "source", **options: Any
         ) -> torch.nn.Module:
    """A model of transformers with quantizers, from a folder or the hub's id. Those that the
    checkpoint has ranges of are on, all others off; without ranges the outputs are, bit for bit,
    those of the plain class.

    ``kind``: a class of transformers, such as "AutoModelForSequenceClassification"; default: what
    config.json's architectures says. ``options`` go to from_pretrained(); dtype is float32 unless
    they say otherwise.

    ``front``: "source", or "export", as insert() has them; the latter takes code of the folder's own with
    ``trust_remote_code=True``.
    """
    if front not in _FRONTS:
        raise InvalidArgument(f'front "{front}": must be "source" or "export"')
    options.setdefault("dtype", torch.float32)
    folder = os.fspath(folder)
    hub = {name: options[name] for name in _OF_THE_HUB if name in options}
    config = options.pop("config", None) or transformers.AutoConfig.from_pretrained(folder, **hub)
    if kind is None:
        if not config.architectures:
            raise Unsupported(f"{folder}: config.json names no architecture; say kind=")
        kind = config.architectures[0]
    options.update(config=config, attn_implementation="eager")
    if front == "export":
        return _load_plain(folder, kind, options, hub).eval()
    with patched(*families_of(config.model_type)):
        return cast(torch.nn.Module, _class_of(folder, kind).from_pretrained(folder, **options).eval())


def _class_of(folder: str, kind: str) -> Any:
    made = getattr(transformers, kind, None)
    if made is None:
        raise Unsupported(f'{folder}: transformers has no class "{kind}"')
    return made


def _load_plain(folder: str, kind: str, options: Dict[str, Any], hub: Dict[str, Any]) -> torch.nn.Module:
    """With the quantizers of its exported graph, and the ranges that lie beside the weights."""
    own = getattr(options["config"], "auto_map", None) or {}
    if hub.get("trust_remote_code") and not hasattr(transformers, kind):
        named = [face for face, path in own.items() if path.rpartition(".")[2] == kind]
        kind = named[0] if named else kind
    model = _class_of(folder, kind).from_pretrained(folder, **options)
    twin = insert_in_graph(model, None)
    known = dict(twin.named_modules())
    for name, amax in _ranges_of(folder, hub).items():
        place = known.get(name.rpartition(".")[0])
        if isinstance(place, TensorQuantizer):
            place.set_range(amax)
    return twin


def _ranges_of(folder: str, hub: Dict[str, Any]) -> Dict[str, torch.Tensor]:
    from safetensors import safe_open
    from transformers.utils import cached_file  # type: ignore[attr-defined]

    where = {name: value for name, value in hub.items() if name != "trust_remote_code"}

    def file_of(name: str) -> Optional[str]:
        found: Optional[str] = cached_file(folder, name, _raise_exceptions_for_missing_entries=False, **where)
        return found

    index = file_of("model.safetensors.index.json")
    names = ["model.safetensors"] if index is None else sorted(
        set(json.loads(Path(index).read_text())["weight_map"].values()))
    ranges: Dict[str, torch.Tensor] = {}
    for path in filter(None, map(file_of, names)):
        with safe_open(path, "pt") as opened:
            ranges.update({key: opened.get_tensor(key) for key in opened.keys() if key.endswith("._amax")})
    return ranges


def _why_not_source(model: torch.nn.Module) -> Optional[str]:
    """What keeps a model's source from being rewritten."""
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    if model_type not in FAMILIES:
        return f'there are no rules for the sources of model_type "{model_type}"'
    module = type(model).__module__
    modules = [family.module for family in families_of(model_type)]
    if module not in modules:
        return f'its class is not of {" or ".join(modules)}, but of {module}'
    missing = [name for name in modules if not has_source(name)]
    return f"{missing[0]} has no source text" if missing else None


def insert(model: torch.nn.Module, *, front: Optional[str] = None,
           example: Optional[Mapping[str, Any]] = None) -> torch.nn.Module:
    """A twin of a live model of transformers, with its weights, types and devices tensor by tensor, and
    with quantizers, all off.

    ``front``: "source" rewrites the source of the model's class; "export" puts the quantizers into the
    graph that torch.export makes of the model, which needs no source. Default: the first where that can
    be, otherwise, with a warning that says why, the second. Names are the same.

    ``example``: of "export", what forward() takes, by name: tensors whose first dimension is the batch;
    default int64 ``input_ids`` and ``attention_mask`` [batch, sequence]. It decides which places get
    quantizers; each other set of arguments, type or device gets a graph of its own at its first call,
    which takes seconds. Raises Unsupported with the reason where torch.export cannot follow the model.
    """
    if front is not None and front not in _FRONTS:
        raise InvalidArgument(f'front "{front}": must be "source" or "export"')
    why = None if front == "export" else _why_not_source(model)
    if front == "source" and why is not None:
        raise Unsupported(f"{type(model).__name__}: its source cannot be rewritten, as {why}")
    if front != "export" and why is None:
        return _insert_in_source(model)
    if why is not None:
        warnings.warn(f"{type(model).__name__}: its source cannot be rewritten, as {why}; its quantizers "
                      "stand in its exported graph", stacklevel=2)
    return insert_in_graph(model, example)


def _insert_in_source(model: torch.nn.Module) -> torch.nn.Module:
    config: Any = copy.deepcopy(model.config)
    families = families_of(config.model_type)
    module = type(model).__module__
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
