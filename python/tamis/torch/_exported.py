"""Models whose source cannot be rewritten, with the quantizers of their exported graph.

A model becomes a twin of a class of its own, made for it: the same modules under the same names, with
quantizers beside them, whose forward() runs the graph in place of the source. Everything else is the
class it was: config, state, save_pretrained(), train(), to().
"""

from __future__ import annotations

import copy
import functools
import inspect
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, cast

import torch

from .._errors import InvalidArgument, Unsupported
from ._families import FAMILIES
from ._graphs import MOST_GRAPHS, Program, example_of, make_program, names_at
from ._points import Point
from ._rewrite import Rules
from .quant_nn import QuantConv1d, QuantLinear, TensorQuantizer

_MAINS = ("input_ids", "inputs_embeds", "pixel_values", "input_values")


class Exported(torch.nn.Module):
    """Base of the classes of such twins."""

    _graphs: "Graphs"


class Graphs:
    """The graphs that a twin has been called with so far. Copies of the twin share them."""

    def __init__(self, original: type, rules: Sequence[Rules]) -> None:
        self.original = original
        self._rules = rules
        self._programs: Dict[Any, List[Program]] = {}
        self._forward: Any = getattr(original, "forward")
        self._signature = inspect.signature(self._forward)
        self._exporting = False

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Graphs":
        made = Graphs(self.original, self._rules)
        made._programs = {key: list(programs) for key, programs in self._programs.items()}
        return made

    def call(self, module: torch.nn.Module, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Any:
        """forward() of the twin."""
        if self._exporting:
            return self._forward(module, *args, **kwargs)
        given = self._given(module, args, kwargs)
        return self._program(module, given)(module, given)

    def discover(self, module: torch.nn.Module, example: Mapping[str, Any]) -> List[Point]:
        """The places of the graph that the example takes."""
        given = self._given(module, (), dict(example))
        program, points = self._export(module, given, exact=False)
        first = program.sizes[_main(given)]
        for dimension, size in enumerate(first[:2]):
            if size is not None and not (dimension == 0 and size == 1):
                raise Unsupported(
                    f"{type(module).__name__}: the exported graph takes {_main(given)} only with {size} for "
                    f"its dimension {dimension}; batch and sequence must stay free")
        self._programs[_key(module, given)] = [program]
        return points

    def _given(self, module: torch.nn.Module, args: Tuple[Any, ...], kwargs: Dict[str, Any]
               ) -> Dict[str, Any]:
        bound = self._signature.bind(module, *args, **kwargs)
        given: Dict[str, Any] = {}
        for name, value in list(bound.arguments.items())[1:]:
            if self._signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                given.update(value)
            else:
                given[name] = value
        if "use_cache" in self._signature.parameters and given.get("use_cache") is None:
            given["use_cache"] = False  # keys and values for later calls, which encoders have none of
        given = {name: value for name, value in given.items() if value is not None}
        for name, value in given.items():
            if not isinstance(value, (torch.Tensor, bool, int, float, str)):
                raise Unsupported(f"{name}: is a {type(value).__name__}; calls of an exported graph take "
                                  "tensors, numbers and flags by name")
        if not any(isinstance(value, torch.Tensor) for value in given.values()):
            raise InvalidArgument(f"{type(module).__name__}: is called without a tensor")
        return given

    def _program(self, module: torch.nn.Module, given: Mapping[str, Any]) -> Program:
        programs = self._programs.setdefault(_key(module, given), [])
        for program in programs:
            if program.fits(given):
                return program
        if len(programs) >= MOST_GRAPHS:
            raise Unsupported(f"{type(module).__name__}: {len(programs)} exported graphs fit none of "
                              f"{_sizes(given)}; its computation is another for each size")
        program, points = self._export(module, given, exact=bool(programs))
        if not program.fits(given) and not programs:
            program, points = self._export(module, given, exact=True)
        if not program.fits(given):
            raise InvalidArgument(f"{type(module).__name__}: its exported graph does not take "
                                  f"{_sizes(given)}")
        known = dict(module.named_modules())
        missing = [name for point in points for name in names_at(point)
                   if not isinstance(known.get(name), (TensorQuantizer, QuantLinear, QuantConv1d))]
        if missing:
            raise Unsupported(f"{type(module).__name__}: with {', '.join(sorted(given))} it reaches places that "
                              f"have no quantizers: {', '.join(missing)}; give insert() an example that does")
        programs.append(program)
        return program

    def _export(self, module: torch.nn.Module, given: Mapping[str, Any], exact: bool
                ) -> Tuple[Program, List[Point]]:
        self._exporting = True
        main = _main(given)
        try:
            made = make_program(module, example_of(given, main, exact), self._rules)
        except Unsupported:
            if exact or given[main].shape[0] != 1:
                raise
            try:  # a decoder without padding, which takes one text at a time
                made = make_program(module, example_of(given, main, exact, rows=1), self._rules)
            except Unsupported:
                made = None
            if made is None:
                raise
        finally:
            self._exporting = False
        assert made is not None
        return made.program, made.points


def _main(given: Mapping[str, Any]) -> str:
    """The tensor whose sizes are those of batch and sequence."""
    tensors = [name for name, value in given.items() if isinstance(value, torch.Tensor)]
    return next((name for name in _MAINS if name in tensors), tensors[0])


def _sizes(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {list(value.shape)}" for name, value in given.items()
                     if isinstance(value, torch.Tensor))


def _key(module: torch.nn.Module, given: Mapping[str, Any]) -> Any:
    """What a graph is one of, but for sizes."""
    first = next(module.parameters())
    kinds = tuple(sorted(
        (name, (value.dtype, value.ndim) if isinstance(value, torch.Tensor) else (type(value), value))
        for name, value in given.items()))
    return first.device, first.dtype, kinds, _dropouts(module) if module.training else None


def _dropouts(module: torch.nn.Module) -> Tuple[Any, ...]:
    """Probabilities as they are now, which stand in a graph as numbers."""
    found: List[Any] = []
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            found.append((part.p, part.training))
        elif not isinstance(part, TensorQuantizer):
            found += [value for name, value in vars(part).items()
                      if "drop" in name and isinstance(value, float)]
    return tuple(found)


def _twin_class(original: type) -> type:
    @functools.wraps(getattr(original, "forward"))
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._graphs.call(self, args, kwargs)

    made = type(original.__name__, (Exported, original), {
        "__module__": original.__module__, "__qualname__": original.__qualname__,
        "__doc__": original.__doc__, "forward": forward,
        # The graph has no layers left that could be computed twice.
        "supports_gradient_checkpointing": False})
    return made


def _default_example(model: torch.nn.Module) -> Dict[str, torch.Tensor]:
    accepted = inspect.signature(model.forward).parameters
    if "input_ids" not in accepted:
        raise Unsupported(f"{type(model).__name__}: its forward() takes no input_ids; give insert() an "
                          "example of what it takes")
    device = next(model.parameters()).device
    names = [name for name in ("input_ids", "attention_mask") if name in accepted]
    return {name: torch.ones(1, 5, dtype=torch.int64, device=device) for name in names}


def _rules_of(model: torch.nn.Module) -> List[Rules]:
    """Those of the family, of which names of layers in parts, and what is left alone, hold here too."""
    model_type = getattr(getattr(model, "config", None), "model_type", "")
    return [family.rules for family in FAMILIES.get(model_type, [])]


def _put(twin: torch.nn.Module, points: Sequence[Point]) -> None:
    for point in points:
        if point.layer:
            _quantize_layer(twin.get_submodule(point.layer), point.layer)
            continue
        for operand in point.operands:
            parent, _, name = operand.quantizer.rpartition(".")
            owner = twin.get_submodule(parent)
            if name not in owner._modules:
                owner.add_module(name, TensorQuantizer())  # its calls say their units


def _quantize_layer(layer: torch.nn.Module, path: str) -> None:
    """Makes it its quantized twin in its place: parameters that others share stay theirs."""
    if isinstance(layer, (QuantConv1d, QuantLinear)):
        return
    for plain, quantized in ((torch.nn.Linear, QuantLinear), (torch.nn.Conv1d, QuantConv1d)):
        if isinstance(layer, plain):
            if type(layer).forward is not plain.forward:
                raise Unsupported(f"{path}: {type(layer).__name__} has a forward() of its own; that of "
                                  f"nn.{plain.__name__} is accepted")
            layer.__class__ = quantized
            layer._input_quantizer = TensorQuantizer()
            layer._weight_quantizer = TensorQuantizer(layer.weight.shape[0])
            if quantized is QuantLinear:
                layer._parts = ()  # type: ignore[assignment]


def _split(twin: torch.nn.Module, rules: Sequence[Rules]) -> None:
    """Layers that hold several, as the family's rules say."""
    splits = {kind: parts for one in rules for kind, parts in one.splits.items()}
    for module in list(twin.modules()):
        for attribute, (names, heads) in splits.get(type(module).__name__, {}).items():
            layer = getattr(module, attribute, None)
            if isinstance(layer, QuantLinear):
                count = functools.reduce(getattr, heads.split(".")[1:], module) if heads else 0
                layer.split(names, int(cast(Any, count)))


def insert_in_graph(model: torch.nn.Module, example: Optional[Mapping[str, Any]]) -> torch.nn.Module:
    """A twin of the model that runs its exported graph, with quantizers, all off."""
    if isinstance(model, Exported) or any(isinstance(m, TensorQuantizer) for m in model.modules()):
        raise InvalidArgument(f"{type(model).__name__}: has quantizers already")
    if next(model.parameters(), None) is None:
        raise Unsupported(f"{type(model).__name__}: has no weights")
    given = dict(_default_example(model) if example is None else example)
    original = type(model)
    twin = copy.deepcopy(model).eval()
    config = getattr(twin, "config", None)
    if getattr(config, "_attn_implementation", None) not in (None, "eager", "sdpa"):
        config._attn_implementation = "eager"  # type: ignore[union-attr]
    rules = _rules_of(model)
    twin.__class__ = _twin_class(original)
    graphs = twin._graphs = Graphs(original, rules)  # type: ignore[assignment]
    points = graphs.discover(twin, given)
    if not points:
        raise Unsupported(f"{original.__name__}: its exported graph has no place for a quantizer")
    _put(twin, points)
    _split(twin, rules)
    twin.to(next(model.parameters()).device)
    return twin.train(model.training)
