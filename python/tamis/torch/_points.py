"""Where the quantizers of an exported graph stand, and what they are called.

The graph is what torch.export makes of a module before any decomposition; its nodes know the module
that they come from. The rules are those of the sources, as the graph shows them:

linear    aten.linear and aten.conv1d of a module's own weight, on values that come from the inputs
products  aten.matmul, bmm, baddbmm, mm, einsum of two, scaled_dot_product_attention: both operands, if both
          come from the inputs by way of a weight
sums      aten.add whose only reader is a LayerNorm, in one op or in a module of its own, behind a
          linear layer or a product
positions a product with a side that no input reaches is float there; its other side is rounded where
          it is an operand of a product of that module

Names are `<module>.<operator>_quantizer_<number>`, in the order of the graph, from 0 at each call of the
module. A range is one of the tensor before it is scaled by a constant, wherever the source does that.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

import torch
from torch import fx

from .._errors import Unsupported
from ._rewrite import Rules

aten = torch.ops.aten

_PRODUCTS: Dict[Any, Tuple[int, int]] = {
    aten.matmul.default: (0, 1), aten.bmm.default: (0, 1), aten.mm.default: (0, 1),
    aten.baddbmm.default: (1, 2)}
PROBABILITIES = -1
"""The place of the operand that attention in one op makes by itself."""
ATTENTION = aten.scaled_dot_product_attention.default
_LAYERS = (aten.linear.default, aten.conv1d.default)
# What moves values, or takes some of them.
_SHAPES = {aten.view.default, aten.reshape.default, aten._unsafe_view.default, aten.transpose.int,
           aten.permute.default, aten.contiguous.default, aten.clone.default, aten.expand.default,
           aten.unsqueeze.default, aten.squeeze.dim, aten.squeeze.default, aten.flatten.using_ints,
           aten.unflatten.int, aten.to.dtype, aten.to.dtype_layout, aten.to.device, aten.type_as.default,
           aten.dropout.default, aten.alias.default, aten.t.default, aten.numpy_T.default, aten.mT.default,
           aten._to_copy.default, aten.movedim.int, aten.swapaxes.default, aten.swapdims.default}
_PARTS = {aten.slice.Tensor, aten.select.int, aten.chunk.default, aten.split.Tensor, aten.split.sizes,
          aten.split_with_sizes.default, aten.unbind.int, aten.neg.default, operator.getitem,
          aten.index_select.default, aten.roll.default, aten.repeat_interleave.self_int}
_JOINS = {aten.cat.default, aten.stack.default, aten.add.Tensor, aten.sub.Tensor}


@dataclass
class Operand:
    """An argument of a node that passes a quantizer; ``unit`` undoes a scale of the source."""

    place: int
    quantizer: str
    unit: float = 1.0


@dataclass
class Point:
    """A node whose operands are rounded."""

    node: fx.Node
    operands: List[Operand] = field(default_factory=list)
    layer: str = ""
    """The module with the weight, of linear layers: it is called in the node's place."""


def _stack(node: fx.Node) -> Dict[str, Tuple[str, Any]]:
    """By the call: path and class of the modules that the node runs in, outermost first."""
    found = node.meta.get("nn_module_stack") or {}
    return {key: value for key, value in found.items() if not key.startswith("_empty_nn_module")}


class Values:
    """What is known about the nodes of a graph before it is looked through: ``weights`` and
    ``inputs`` by the name of their placeholder, ``constants`` likewise."""

    def __init__(self, graph: fx.Graph, weights: Set[str], inputs: Set[str],
                 constants: Mapping[str, torch.Tensor]) -> None:
        self._constants = constants
        self.given: Set[fx.Node] = set()  # depend on the inputs' values
        self.weighted: Set[fx.Node] = set()  # and on a weight
        self.deep: Set[fx.Node] = set()  # and on a linear layer or product
        of_weights: Set[fx.Node] = set()
        for node in graph.nodes:
            if node.op == "placeholder":
                if node.name in inputs:
                    self.given.add(node)
                    if node.name.endswith("embeds"):
                        self.weighted.add(node)
                elif node.name in weights:
                    of_weights.add(node)
                continue
            if node.target is aten.sym_size.int:
                continue
            read = set(node.all_input_nodes)
            if read & of_weights:
                of_weights.add(node)
            if not read & self.given:
                continue
            self.given.add(node)
            if read & of_weights:
                self.weighted.add(node)
            if read & self.deep or node in self.weighted and (
                    node.target in _PRODUCTS or node.target in _LAYERS or node.target is ATTENTION):
                self.deep.add(node)

    def number(self, node: Any) -> Optional[float]:
        """The value of a scalar that neither inputs nor sizes decide; None for anything else."""
        if isinstance(node, (int, float)):
            return float(node)
        value = self._constant(node) if isinstance(node, fx.Node) else None
        if isinstance(value, torch.Tensor) and value.numel() == 1:
            return float(value)
        return float(value) if isinstance(value, (int, float)) else None

    def _constant(self, node: fx.Node) -> Any:
        if node.name in self._constants:
            return self._constants[node.name].detach().clone()
        shown = node.meta.get("val")
        small = isinstance(shown, torch.Tensor) and shown.ndim == 0 or isinstance(shown, (int, float))
        if node.op != "call_function" or not small:
            return None
        if node in self.given or node.target is aten.sym_size.int or node.kwargs.get("device"):
            return None
        arguments = [self._constant(a) if isinstance(a, fx.Node) else a for a in node.args]
        if any(argument is None for argument in arguments):
            return None
        assert callable(node.target)
        return node.target(*arguments, **node.kwargs)

    def scale(self, node: Any) -> float:
        """What constants have multiplied the operand by since it left a layer: 1 where the paths to it
        do not agree."""
        found = {round(math.log(factor), 9): factor for factor in self._scales(node, 1.0, 0)}
        return next(iter(found.values())) if len(found) == 1 else 1.0

    def _scales(self, node: Any, factor: float, depth: int) -> Iterator[float]:
        if factor <= 0 or not isinstance(node, fx.Node) or node not in self.weighted or depth > 40:
            yield factor if factor > 0 else 1.0
            return
        if node.target in _SHAPES or node.target in _PARTS:
            yield from self._scales(node.args[0], factor, depth + 1)
        elif node.target in (aten.mul.Tensor, aten.mul.Scalar, aten.div.Tensor, aten.div.Scalar):
            yield from self._scales_of_product(node, factor, depth)
        elif node.target in _JOINS:
            listed = node.args[0] if isinstance(node.args[0], (list, tuple)) else node.args[:2]
            if not all(part in self.weighted for part in listed if isinstance(part, fx.Node)):
                yield factor  # a bias: what lies before it is another tensor
                return
            for part in listed:
                yield from self._scales(part, factor, depth + 1)
        else:
            yield factor

    def _scales_of_product(self, node: fx.Node, factor: float, depth: int) -> Iterator[float]:
        left, right = node.args[0], node.args[1]
        if left not in self.weighted:
            left, right = right, left
        by = self.number(right)
        if by is not None and by > 0:
            divides = node.target in (aten.div.Tensor, aten.div.Scalar)
            yield from self._scales(left, factor / by if divides else factor * by, depth + 1)
        elif right in self.weighted:
            yield factor
        else:  # turned by its position, or masked
            yield from self._scales(left, factor, depth + 1)

    def origin(self, node: fx.Node) -> fx.Node:
        """The tensor that the operand is another shape of, scaled or not."""
        while node.op == "call_function" and node in self.weighted:
            scaled = node.target in (aten.mul.Tensor, aten.div.Tensor, aten.mul.Scalar, aten.div.Scalar)
            if node.target not in _SHAPES and not (scaled and self.number(node.args[1]) is not None):
                break
            before = node.args[0]
            if not isinstance(before, fx.Node):
                break
            node = before
        return node


class Points:
    """Finds the places of a graph of ``model``. ``weights``: by placeholder, the name of the
    parameter or buffer."""

    def __init__(self, graph: fx.Graph, model: torch.nn.Module, values: Values,
                 weights: Mapping[str, str], rules: Sequence[Rules]) -> None:
        self._graph, self._model, self._values, self._weights = graph, model, values, weights
        self._left = {path for one in rules for path in one.leave}
        self._next: Dict[str, int] = {}

    def find(self) -> List[Point]:
        points: List[Point] = []
        for node in self._graph.nodes:
            if node.op != "call_function" or not _stack(node) or self._is_left(node):
                continue
            point = self._layer(node) or self._product(node) or self._attention(node) or self._sum(node)
            if point is not None:
                points.append(point)
        return points + list(self._with_positions(points))

    def _is_left(self, node: fx.Node) -> bool:
        kinds = {path: type(self._model.get_submodule(path)).__name__
                 for path, _ in _stack(node).values()}
        for path, kind in kinds.items():
            parent, _, attribute = path.rpartition(".")
            if kind in self._left or f"{kinds.get(parent)}.{attribute}" in self._left:
                return True
        return False

    def _names(self, node: fx.Node, kind: str, count: int) -> List[str]:
        call, (path, _) = list(_stack(node).items())[-1]
        first = self._next.get(call, 0)
        self._next[call] = first + count
        start = f"{path}." if path else ""
        return [f"{start}{kind}_quantizer_{first + i}" for i in range(count)]

    def _layer(self, node: fx.Node) -> Optional[Point]:
        if node.target not in _LAYERS or node.args[0] not in self._values.weighted:
            return None
        kind = torch.nn.Linear if node.target is aten.linear.default else torch.nn.Conv1d
        path = list(_stack(node).values())[-1][0]
        module = self._model.get_submodule(path)
        weight = node.args[1]
        read = self._weights.get(weight.name, "") if isinstance(weight, fx.Node) else ""
        if not isinstance(module, kind):
            path = read.rpartition(".")[0]
            module = self._model.get_submodule(path) if read else module
            if not isinstance(module, kind) or not read.endswith(".weight"):
                return None  # a weight of something else: of an embedding, or cut out of a larger one
        if not read or self._model.get_parameter(read) is not module.weight:
            raise Unsupported(f"{path}: {type(module).__name__} changes its weight before it multiplies, "
                              "which its integers would not show; nn.Linear's own forward is accepted")
        return Point(node, layer=path)

    def _operands(self, node: fx.Node, places: Sequence[int], kind: str) -> Point:
        names = self._names(node, kind, len(places))
        return Point(node, [Operand(place, name, self._unit(node.args[place]))
                            for place, name in zip(places, names)])

    def _unit(self, operand: Any) -> float:
        scale = self._values.scale(operand)
        return 1.0 if abs(scale - 1.0) < 1e-6 else 1.0 / scale

    def _factors(self, node: fx.Node) -> Optional[Tuple[Any, Any]]:
        if node.target in _PRODUCTS:
            left, right = _PRODUCTS[node.target]
            return node.args[left], node.args[right]
        return None

    def _product(self, node: fx.Node) -> Optional[Point]:
        factors = self._factors(node)
        if factors is not None:
            if all(factor in self._values.weighted for factor in factors):
                return self._operands(node, _PRODUCTS[node.target], "matmul")
            return None
        if node.target is not aten.einsum.default:
            return None
        listed = node.args[1]
        assert isinstance(listed, (list, tuple))
        if len(listed) != 2 or not all(part in self._values.weighted for part in listed):
            return None
        names = self._names(node, "matmul", 2)
        return Point(node, [Operand(i, name, self._unit(listed[i])) for i, name in enumerate(names)])

    def _attention(self, node: fx.Node) -> Optional[Point]:
        if node.target is not ATTENTION or not all(a in self._values.weighted for a in node.args[:3]):
            return None
        names = self._names(node, "matmul", 4)  # of queries, keys, probabilities, values
        units = [self._unit(node.args[place]) for place in (0, 1)]
        return Point(node, [Operand(0, names[0], units[0]), Operand(1, names[1], units[1]),
                            Operand(PROBABILITIES, names[2]), Operand(2, names[3], self._unit(node.args[2]))])

    def _sum(self, node: fx.Node) -> Optional[Point]:
        if node.target is not aten.add.Tensor or len(node.args) < 2 or node.kwargs:
            return None
        operands = node.args[:2]
        if not all(a in self._values.weighted for a in operands) or not (
                any(a in self._values.deep for a in operands)):
            return None
        readers = [user for user in node.users if user.op != "output"]
        if not readers or not self._is_norm(node, readers):
            return None
        names = self._names(node, "layernorm", 2)
        return Point(node, [Operand(i, name) for i, name in enumerate(names)])

    def _is_norm(self, total: fx.Node, readers: Sequence[fx.Node]) -> bool:
        if len(readers) == 1 and readers[0].target is aten.layer_norm.default:
            return readers[0].args[0] is total
        calls = {call: path for call, (path, _) in _stack(readers[0]).items()
                 if call not in _stack(total) and "norm" in path.rpartition(".")[2].lower()}
        calls = {call: path for call, path in calls.items()
                 if all(call in _stack(reader) for reader in readers)}
        # One without a bias is a root mean square, which reads no sums of its own.
        return any(getattr(self._model.get_submodule(path), "bias", None) is not None
                   for path in calls.values())

    def _with_positions(self, points: Sequence[Point]) -> Iterator[Point]:
        known: Dict[Tuple[str, fx.Node], str] = {}
        for point in points:
            if point.node.target in _PRODUCTS:
                call = list(_stack(point.node))[-1]
                for operand in point.operands:
                    source = point.node.args[operand.place]
                    assert isinstance(source, fx.Node)
                    known[call, self._values.origin(source)] = operand.quantizer
        for node in self._graph.nodes:
            factors = self._factors(node) if node.op == "call_function" and _stack(node) else None
            if factors is None or all(factor in self._values.given for factor in factors):
                continue
            found: List[Operand] = []
            for place, factor in zip(_PRODUCTS[node.target], factors):
                name = known.get((list(_stack(node))[-1], self._values.origin(factor)))
                if name is not None:
                    found.append(Operand(place, name, self._unit(factor)))
            if found:
                yield Point(node, found)
