"""Rewritten modules in the place of transformers' own, in memory, for the length of a context.

A module is compiled whole into a new module object, which stands in sys.modules, in its package and
in transformers until the context is left; then all of them are as they were. Nothing on disk and
nothing in the old module changes, so models that exist keep their classes.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import types
from dataclasses import dataclass
from typing import Any, Iterable, Iterator, List, Optional, Sequence, Tuple

import transformers

from .._errors import NotFound
from . import quant_nn
from ._rewrite import NAMESPACE, Rules, rewrite

_MISSING = object()


@dataclass(frozen=True)
class Family:
    """A module of transformers and how it is rewritten. Modules that others are made of come first
    in a list of families.
    """

    module: str
    rules: Rules


class _Attributes:
    """Attributes that are set, and put back."""

    def __init__(self) -> None:
        self._before: List[Tuple[types.ModuleType, str, Any]] = []

    def set(self, owner: types.ModuleType, name: str, value: Any) -> None:
        self._before.append((owner, name, owner.__dict__.get(name, _MISSING)))
        owner.__dict__[name] = value

    def restore(self) -> None:
        for owner, name, value in reversed(self._before):
            if value is _MISSING:
                owner.__dict__.pop(name, None)
            else:
                owner.__dict__[name] = value
        self._before.clear()


def _source_or_none(module: types.ModuleType) -> Optional[str]:
    loader: Any = module.__spec__.loader if module.__spec__ else None
    try:
        source: Optional[str] = loader.get_source(module.__name__)
    except (AttributeError, OSError):  # a loader of something else, or a file that is not there
        return None
    return source


def has_source(name: str) -> bool:
    """Whether the module of that name has a text that can be rewritten."""
    return _source_or_none(importlib.import_module(name)) is not None


def _source(module: types.ModuleType) -> str:
    source = _source_or_none(module)
    if source is None:
        raise NotFound(f"{module.__name__}: has no source text to rewrite")
    return source


def _initialize_weights(self: Any, module: Any, *rest: Any) -> None:
    """PreTrainedModel's, which leaves unset what it does not know."""
    if isinstance(module, quant_nn.TensorQuantizer):
        if not getattr(module._amax, "_is_hf_initialized", False):
            module.forget_range()
        return
    transformers.PreTrainedModel._initialize_weights(self, module, *rest)


class _Replacement:
    """One module's stand-in."""

    def __init__(self, family: Family) -> None:
        self._old = importlib.import_module(family.module)
        self._attributes = _Attributes()
        name = self._old.__name__
        self._new = types.ModuleType(name, self._old.__doc__)
        for key in ("__file__", "__spec__", "__loader__", "__package__"):
            self._new.__dict__[key] = getattr(self._old, key)
        self._new.__dict__[NAMESPACE] = quant_nn
        for key in family.rules.keep:
            self._new.__dict__[key] = getattr(self._old, key)
        filename = self._old.__file__ or f"<{name}>"
        # Without this file's own future imports: transformers reads annotations as classes.
        code = compile(rewrite(_source(self._old), family.rules, filename), filename, "exec",
                       dont_inherit=True)
        sys.modules[name] = self._new
        try:
            exec(code, self._new.__dict__)  # the installed module's own source
            self._ranges_may_be_missing()
            self._stand_in()
        except BaseException:
            self.restore()
            raise

    def _ranges_may_be_missing(self) -> None:
        """What from_pretrained() makes of ranges that a checkpoint does not have."""
        for value in list(self._new.__dict__.values()):
            if not isinstance(value, type) or value.__module__ != self._new.__name__:
                continue
            if not issubclass(value, transformers.PreTrainedModel):
                continue
            known = value._keys_to_ignore_on_load_missing or ()
            value._keys_to_ignore_on_load_missing = {*known, r"_amax$"}
            setattr(value, "_initialize_weights", _initialize_weights)

    def _stand_in(self) -> None:
        parent, _, leaf = self._old.__name__.rpartition(".")
        top = self._old.__name__.partition(".")[0]
        owners = {id(owner): owner for owner in map(sys.modules.get, (parent, top)) if owner}
        if top == transformers.__name__:
            # transformers puts another object into sys.modules once a class was asked for.
            owners[id(transformers)] = transformers
        ours = {name: value for name, value in self._new.__dict__.items()
                if getattr(value, "__module__", None) == self._new.__name__}
        if parent:
            self._attributes.set(sys.modules[parent], leaf, self._new)
        for owner in owners.values():
            known = set(dir(owner)) if owner.__name__ != parent else set(ours)
            for name, value in ours.items():
                if name in known or owner.__dict__.get(name, _MISSING) is not _MISSING:
                    self._attributes.set(owner, name, value)

    def restore(self) -> None:
        self._attributes.restore()
        sys.modules[self._old.__name__] = self._old


def _each_once(groups: Iterable[Sequence[Family]]) -> List[Family]:
    return list({family.module: family for group in groups for family in group}.values())


def _is_there(family: Family, may_be_missing: bool) -> bool:
    if importlib.util.find_spec(family.module.rpartition(".")[0]) is not None:
        return True
    if may_be_missing:
        return False
    raise NotFound(f"{family.module}: not in the installed packages")


@contextlib.contextmanager
def patched(*families: Family, skip_missing: bool = True) -> Iterator[None]:
    """Within it, transformers' classes of the families (default: FAMILIES) have quantizers.

    Load with ``attn_implementation="eager"``: other attention never reaches the rewritten functions.
    Families that the installed transformers does not have are passed over unless ``skip_missing``
    is False. Not thread-safe: it changes what ``import transformers`` gives.

        >>> with tamis.torch.patched():
        ...     model = AutoModel.from_pretrained(folder, attn_implementation="eager")
    """
    from ._families import FAMILIES

    found = [family for family in families or _each_once(FAMILIES.values())
             if _is_there(family, skip_missing)]
    for family in found:  # before any stands for another, so that none keeps a stand-in's classes
        importlib.import_module(family.module)
    done: List[_Replacement] = []
    try:
        for family in found:
            done.append(_Replacement(family))
        yield
    finally:
        for replacement in reversed(done):
            replacement.restore()
