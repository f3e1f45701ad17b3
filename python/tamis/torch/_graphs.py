"""Exported graphs of a module, with its quantizers in them, as functions that run on the module.

A graph is made for what a call is given: its tensors' names, ranks and types, its other arguments, the
module's device and type, whether it trains. The sizes of batch and sequence stay free; where the module
branches on them, a graph is one of the sizes that take its branch.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, cast

import torch
from torch import fx
from torch.export import Dim, ExportedProgram, ShapesCollection
from torch.export.graph_signature import InputKind
from torch.nn import functional
from torch.utils import _pytree as pytree

from .._errors import Unsupported
from ._points import ATTENTION, PROBABILITIES, Point, Points, Values, aten
from ._rewrite import Rules
from .quant_nn import TensorQuantizer

BATCH, SEQUENCE = 3, 7
"""Sizes that a graph is exported with: not 0 or 1, which export would take for constants, and not each
other's."""
MOST_GRAPHS = 16
"""Of one kind of call. Modules that branch on lengths need a handful; one for each length is none."""

# What the trace took for granted: types, which are others under autocast, and counts of 2 and more.
_ASSUMED = (aten._assert_tensor_metadata.default, aten._assert_scalar.default)
Quantizers = Tuple[TensorQuantizer, ...]


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Optional[torch.Tensor],
           settings: Tuple[float, bool, Optional[float], bool], quantizers: Quantizers,
           units: Sequence[float]) -> torch.Tensor:
    """scaled_dot_product_attention, whose operands pass quantizers: of queries, keys, probabilities,
    values. The op itself where all of them are off. ``settings``: dropout, causal, scale, groups.
    """
    dropout, causal, scale, groups = settings
    if all(q.calibrator is None and not q.enabled for q in quantizers):
        return functional.scaled_dot_product_attention(
            query, key, value, mask, dropout, causal, scale=scale, enable_gqa=groups)
    if groups:
        key = key.repeat_interleave(query.size(-3) // key.size(-3), -3)
        value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
    scale = query.size(-1) ** -0.5 if scale is None else scale
    left, right = quantizers[0](query, units[0]), quantizers[1](key.transpose(-2, -1), units[1])
    scores = torch.matmul(left, right) * scale
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    shares = torch._safe_softmax(scores, -1)  # 0 where a query sees nothing, as the op has it
    shares = functional.dropout(shares, dropout, dropout > 0)
    return torch.matmul(quantizers[2](shares), quantizers[3](value, units[3]))


@dataclass
class Program:
    """One graph."""

    run: Callable[..., List[Any]]
    constants: List[Any]
    order: List[str]
    """Arguments by name, in the order that run() takes them."""
    sizes: Dict[str, Tuple[Optional[int], ...]]
    """Of each tensor: sizes that are fixed, None where they are free."""
    guards: List[Any]
    most: List[Tuple[str, int, int]]
    """(tensor, dimension, size): the greatest size."""
    outputs: Any
    names: Tuple[str, ...]

    def fits(self, given: Mapping[str, Any]) -> bool:
        """Whether the graph is one of tensors of these sizes."""
        for name, sizes in self.sizes.items():
            if any(size not in (None, there) for size, there in zip(sizes, given[name].shape)):
                return False
        if any(given[name].shape[dimension] > size for name, dimension, size in self.most):
            return False
        # Written by torch.export, of sizes alone.
        return all(eval(guard, {"L": given}) for guard in self.guards)

    def __call__(self, module: torch.nn.Module, given: Mapping[str, Any]) -> Any:
        found = self.run(module, *self.constants, *[given[name] for name in self.order])
        return pytree.tree_unflatten(found, self.outputs)


class _Writer:
    """The graph with quantizers, as a function of the module."""

    def __init__(self, program: ExportedProgram, weights: Mapping[str, str], constants: Sequence[str],
                 inputs: Sequence[str]) -> None:
        self._old = program.graph
        self._root = program.graph_module
        self._weights = weights
        self._new = fx.Graph()
        self._map: Dict[fx.Node, Any] = {}
        self._heads = {name: self._new.placeholder(name) for name in [*constants, *inputs]}
        self.parts: List[Any] = []  # graphs within the graph

    def write(self, points: Sequence[Point]) -> Callable[..., List[Any]]:
        places = {point.node: point for point in points}
        for node in self._old.nodes:
            if node.op == "placeholder":
                target = self._weights.get(node.name)
                self._map[node] = self._heads[node.name] if target is None else (
                    self._new.get_attr(target) if node.users else None)
            elif node.op == "get_attr":
                self._map[node] = self._part(node)
            elif node.target in _ASSUMED:
                continue
            elif node in places:
                self._map[node] = self._rounded(node, places[node])
            else:
                self._map[node] = self._new.node_copy(node, lambda old: self._map[old])
        code = self._new.python_code("self")
        scope: Dict[str, Any] = dict(code.globals)
        exec(compile(code.src, "<exported graph>", "exec"), scope)
        made: Callable[..., List[Any]] = scope["forward"]
        return made

    def _part(self, node: fx.Node) -> fx.Node:
        """A graph that runs under other settings: rotations, without gradients."""
        name = f"part_{len(self.parts)}"
        self.parts.append(getattr(self._root, str(node.target)))
        with self._new.inserting_before(next(iter(self._new.nodes))):
            return self._new.placeholder(name)

    def _rounded(self, node: fx.Node, point: Point) -> fx.Node:
        arguments = list(fx.node.map_arg(node.args, lambda old: self._map[old]))
        if point.layer:
            return self._new.call_module(point.layer, (arguments[0],))
        if node.target is ATTENTION:
            return self._attention(node, point, arguments)
        of_list = node.target is aten.einsum.default
        operands: List[Any] = list(cast(Any, arguments[1])) if of_list else arguments
        for operand in point.operands:
            extra = () if operand.unit == 1.0 else (operand.unit,)
            operands[operand.place] = self._new.call_module(
                operand.quantizer, (operands[operand.place], *extra))
        if of_list:
            arguments[1] = operands
        keywords = fx.node.map_arg(node.kwargs, lambda old: self._map[old])
        return self._new.call_function(cast(Any, node.target), tuple(arguments), keywords)

    def _attention(self, node: fx.Node, point: Point, arguments: List[Any]) -> fx.Node:
        defaults: List[Any] = [None, 0.0, False]
        mask, dropout, causal = [*arguments[3:], *defaults[len(arguments) - 3:]]
        keywords = fx.node.map_arg(node.kwargs, lambda old: self._map[old])
        mask = keywords.get("attn_mask", mask)
        settings = (keywords.get("dropout_p", dropout), keywords.get("is_causal", causal),
                    keywords.get("scale"), keywords.get("enable_gqa", False))
        assert point.operands[2].place == PROBABILITIES
        quantizers = tuple(self._new.get_attr(operand.quantizer) for operand in point.operands)
        units = tuple(operand.unit for operand in point.operands)
        return self._new.call_function(attend, (*arguments[:3], mask, settings, quantizers, units))


def example_of(given: Mapping[str, Any], main: str, exact: bool, rows: int = BATCH) -> Dict[str, Any]:
    """Tensors like the given, whose batch and sequence have sizes that export leaves free. ``main`` is the
    tensor whose sizes are those; ``exact``: theirs stay as they are, and with them the branches taken.
    """
    first = given[main]
    length = first.shape[1] if first.ndim > 1 else 0
    made: Dict[str, Any] = {}
    for name, value in given.items():
        if not isinstance(value, torch.Tensor):
            made[name] = value
            continue
        sizes = list(value.shape)
        of_tokens = not value.is_floating_point() or name.endswith(("embeds", "mask"))
        for place, size in enumerate(sizes):
            if exact and size > 1:
                continue
            if place == 0 and size == first.shape[0]:
                sizes[place] = rows
            elif place > 0 and of_tokens and size == length and not exact:
                sizes[place] = SEQUENCE
        made[name] = torch.zeros(sizes, dtype=value.dtype, device=value.device)
    return made


class _Never:
    """A probability of dropping a layer that no number is below: comparing a number would not be
    exported."""

    def __gt__(self, other: object) -> bool:
        return False

    __lt__ = __ge__ = __le__ = __gt__


@contextlib.contextmanager
def _as_written(module: torch.nn.Module) -> Iterator[None]:
    """Within it, quantizers let everything pass, and no layer is dropped. After it, modules have the
    attributes that they had: what forward() sets meanwhile is none of real tensors.
    """
    before = [(part, dict(vars(part)), dict(part._buffers)) for part in module.modules()]
    quantizers = [part for part in module.modules() if isinstance(part, TensorQuantizer)]
    dropping = {path: part for path, part in module.named_modules()
                if isinstance(vars(part).get("layerdrop"), (int, float))} if module.training else {}
    for path, part in dropping.items():
        if part.layerdrop != 0:
            raise Unsupported(f"{path}.layerdrop: is {part.layerdrop}; layers that are dropped at random cannot "
                              "be exported, 0 is accepted")
    try:
        for q in quantizers:
            q._on, q.calibrator = False, None
        for part in dropping.values():
            part.layerdrop = _Never()
        yield
    finally:
        for part, attributes, buffers in before:
            vars(part).clear()
            vars(part).update(attributes)
            part._buffers.clear()
            part._buffers.update(buffers)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch.export says about sizes that it fixes, which are looked at afterwards."""
    logger = logging.getLogger("torch._export.non_strict_utils")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _why(error: BaseException) -> str:
    """The first lines of what torch.export says, without its advice."""
    text = str(error).strip() or type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[:2])[:400]


def _exported(module: torch.nn.Module, example: Mapping[str, Any]) -> ExportedProgram:
    shapes = ShapesCollection()  # type: ignore[no-untyped-call]
    for value in example.values():
        if isinstance(value, torch.Tensor):
            shapes[value] = {place: Dim.AUTO for place in range(value.ndim)}
    kind = next(module.parameters()).device.type
    with _as_written(module), torch.inference_mode(False), torch.enable_grad(), _quiet():
        with torch.autocast(kind, enabled=False):
            try:
                return torch.export.export(module, (), dict(example), dynamic_shapes=shapes, strict=False)
            except Unsupported:
                raise
            except Exception as error:  # whatever the module's own code raises under it
                raise Unsupported(f"{type(module).__name__}: torch.export cannot follow it: "
                                  f"{_why(error)}") from error


@dataclass
class Made:
    """A program, and what it found."""

    program: Program
    points: List[Point] = field(default_factory=list)


def make_program(module: torch.nn.Module, example: Mapping[str, Any], rules: Sequence[Rules]) -> Made:
    """Exports the module, as it was written, for calls like the example; quantizers that the graph needs
    may not be there yet.
    """
    found = _exported(module, example)
    weights: Dict[str, str] = {}
    constants: Dict[str, Any] = {}
    inputs: List[str] = []
    for spec in found.graph_signature.input_specs:
        name = getattr(spec.arg, "name", "")
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
            weights[name] = str(spec.target)
        elif spec.kind == InputKind.CONSTANT_TENSOR:
            constants[name] = found.constants[str(spec.target)]
        elif spec.kind == InputKind.USER_INPUT:
            inputs.append(name)
        else:
            raise Unsupported(f"{type(module).__name__}: the exported graph reads {spec.target}, which is "
                              "neither a tensor nor a weight")
    values = Values(found.graph, set(weights), set(inputs), constants)
    points = Points(found.graph, module, values, weights, rules).find()
    return Made(_program(found, points, weights, constants, inputs), points)


def _program(found: ExportedProgram, points: Sequence[Point], weights: Mapping[str, str],
             constants: Mapping[str, Any], inputs: Sequence[str]) -> Program:
    places = pytree.tree_unflatten(list(range(len(inputs))), found.call_spec.in_spec)[1]
    names: Dict[int, str] = {place: name for name, place in places.items()}
    shown = {node.name: node.meta.get("val") for node in found.graph.nodes if node.op == "placeholder"}
    sizes: Dict[str, Tuple[Optional[int], ...]] = {}
    most: List[Tuple[str, int, int]] = []
    for place, name in names.items():
        value = shown.get(inputs[place])
        if not isinstance(value, torch.Tensor):
            continue
        sizes[name] = tuple(size if isinstance(size, int) else None for size in value.shape)
        for dimension, size in enumerate(value.shape):
            limits = found.range_constraints.get(getattr(getattr(size, "node", None), "expr", None))
            if limits is not None and limits.upper.is_Integer:  # not infinite
                most.append((name, dimension, int(limits.upper)))
    writer = _Writer(found, weights, list(constants), inputs)
    run = writer.write(points)
    guards = [compile(guard, "<guard>", "eval") for guard in getattr(found, "_guards_code", [])]
    quantizers = {name: None for point in points for name in names_at(point)}
    return Program(run, [*reversed(writer.parts), *constants.values()], [names[i] for i in range(len(inputs))],
                   sizes, guards, most, found.call_spec.out_spec, tuple(quantizers))


def names_at(point: Point) -> List[str]:
    """Modules that the place calls: its layer, or its quantizers."""
    return [point.layer] if point.layer else [operand.quantizer for operand in point.operands]
