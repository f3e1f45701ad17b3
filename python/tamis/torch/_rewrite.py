"""The source of a module of transformers with quantizers in it: syntax tree to syntax tree.

Patchers say what is wrapped; PATCHERS is the list that is used, open to whoever wants fewer or
others. Rules, by the names of transformer-deploy:

M1, M2  `torch.matmul(a, b)`, `torch.add(a, b)`, `torch.bmm(a, b)`: the first two operands
M3, A2  `anything.<norm>(a + b)`, where the attribute's name holds "norm": both operands
M4      `nn.Linear(...)` becomes `quant_nn.QuantLinear(...)`
R1, R2  names are `<operator>_quantizer_<number>`; a class counts from 0, two a match, in the order of
        the source, which is Tamis' (the original's walk is breadth first, and differs where products
        stand at different depths, as in today's attention)
R3, R4  the operand goes through an attribute of self, made at the end of every __init__
A5      so are the operands of `x = a + b` if the next statement is `x = self.<norm>(x)`, but for
        embeddings, and where Rules.sums names them
A6      where a norm behind all layers reads the last sum of the last layer (Rules.last), that layer
        alone has quantizers on it
A1      a function of a module that holds operators is rewritten with its first parameter as the
        owner, and every class that names the function has those quantizers, before its own
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from .._errors import InvalidArgument

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
Wrap = Callable[[ast.expr], ast.expr]
NAMESPACE = "quant_nn"
"""Under which the rewritten source reaches QuantLinear and TensorQuantizer."""


class Patcher:
    """One kind of place that is rewritten. ``quantizer`` is the operator in quantizers' names, ""
    if the patcher makes none."""

    quantizer = ""

    def matches(self, node: ast.AST) -> bool:
        """Whether the node is such a place."""
        raise NotImplementedError

    def patch(self, node: ast.AST, wrap: Wrap) -> None:
        """Rewrites the node in place. ``wrap`` gives what stands for an operand; it is called twice,
        for the left and then the right one, if the patcher has quantizers.
        """
        raise NotImplementedError


def _called_attribute(node: ast.AST) -> Optional[ast.Attribute]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func
    return None


class TwoOperands(Patcher):
    """``torch.<name>(a, b, ...)``. Methods, operators and imported names are left alone. ``left``: how
    the first operand's text must begin, one of them; none: it may be anything.
    """

    def __init__(self, name: str, quantizer: Optional[str] = None, left: Sequence[str] = ()) -> None:
        self._name = name
        self._left = tuple(left)
        self.quantizer = name if quantizer is None else quantizer

    def matches(self, node: ast.AST) -> bool:
        called = _called_attribute(node)
        if called is None or ast.unparse(called) != f"torch.{self._name}":
            return False
        assert isinstance(node, ast.Call)
        return not self._left or (
            bool(node.args) and ast.unparse(node.args[0]).startswith(self._left))

    def patch(self, node: ast.AST, wrap: Wrap) -> None:
        assert isinstance(node, ast.Call)
        if len(node.args) < 2:
            raise InvalidArgument(f"line {node.lineno}: torch.{self._name} has its operands by name; "
                                  "two are expected in their places")
        node.args[:2] = [wrap(operand) for operand in node.args[:2]]


class MatrixProduct(Patcher):
    """``a @ b``, in sources that spell products so."""

    quantizer = "matmul"

    def matches(self, node: ast.AST) -> bool:
        return isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)

    def patch(self, node: ast.AST, wrap: Wrap) -> None:
        assert isinstance(node, ast.BinOp)
        node.left, node.right = wrap(node.left), wrap(node.right)


class NormOfASum(Patcher):
    """``anything.<norm>(a + b)``."""

    quantizer = "layernorm"

    def matches(self, node: ast.AST) -> bool:
        called = _called_attribute(node)
        if called is None or "norm" not in called.attr.lower():
            return False
        assert isinstance(node, ast.Call)
        return (len(node.args) == 1 and not node.keywords and isinstance(node.args[0], ast.BinOp)
                and isinstance(node.args[0].op, ast.Add))

    def patch(self, node: ast.AST, wrap: Wrap) -> None:
        assert isinstance(node, ast.Call)
        total = node.args[0]
        assert isinstance(total, ast.BinOp)
        total.left, total.right = wrap(total.left), wrap(total.right)


class _Sum(Patcher):
    """``a + b`` (rules A5, A6)."""

    quantizer = "layernorm"

    def patch(self, node: ast.AST, wrap: Wrap) -> None:
        assert isinstance(node, ast.BinOp)
        node.left, node.right = wrap(node.left), wrap(node.right)


class Renamed(Patcher):
    """``nn.<name>(...)``, ``torch.nn.<name>(...)``: a layer with a quantized twin."""

    def __init__(self, name: str) -> None:
        self._name = name

    def matches(self, node: ast.AST) -> bool:
        called = _called_attribute(node)
        return called is not None and ast.unparse(called) in (
            f"nn.{self._name}", f"torch.nn.{self._name}")

    def patch(self, node: ast.AST, wrap: Wrap) -> None:
        assert isinstance(node, ast.Call)
        node.func = ast.copy_location(
            ast.Attribute(_load(NAMESPACE, node), f"Quant{self._name}", ast.Load()), node)


PATCHERS: List[Patcher] = [
    TwoOperands("matmul"), TwoOperands("add"), TwoOperands("bmm"), NormOfASum(), Renamed("Linear"),
]
"""What patched() looks for, in this order. Take patchers out to leave their places in float, or add
some of your own.
"""


def _load(name: str, where: ast.AST) -> ast.Name:
    return ast.copy_location(ast.Name(name, ast.Load()), where)


def _expression(source: str, where: ast.AST) -> ast.expr:
    made = ast.parse(source, mode="eval").body
    for part in ast.walk(made):
        ast.copy_location(part, where)
    return made


@dataclass
class Rules:
    """What is particular to a family's source."""

    products: Sequence[Patcher] = ()
    """Take the place of the TwoOperands of PATCHERS."""
    more: Sequence[Patcher] = ()
    """Come after PATCHERS."""
    leave: Sequence[str] = ()
    """What is not touched: "function", "Class", "Class.method", or "Class.attribute" of self where
    that is made.
    """
    keep: Sequence[str] = ()
    """Classes of the module that stay the old objects, as code elsewhere asks for them by identity."""
    sums: Sequence[str] = ()
    """Variables of methods whose values, where they are sums, a norm alone reads:
    "Class.method.variable".
    """
    plain: Dict[str, Sequence[str]] = field(default_factory=dict)
    """By method that is left alone: linear layers, attributes of self, that compute constants there,
    which Tamis keeps in float.
    """
    last: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    """By class in whose forward() the last sum of a layer stands (rule A6): the class that holds the
    layers, and what the last layer's object of that class is to it.
    """
    units: Dict[str, Dict[str, str]] = field(default_factory=dict)
    """By class and quantizer: an expression for TensorQuantizer's unit."""
    shared: Dict[str, Dict[str, Sequence[str]]] = field(default_factory=dict)
    """By class and method of self: what stands for the first arguments where it is called, "{}" being
    the argument: operands that pass a quantizer and are multiplied there as well.
    """
    splits: Dict[str, Dict[str, Tuple[Sequence[str], str]]] = field(default_factory=dict)
    """By class and attribute: the parts of a linear layer that holds several, and the attribute of
    self that says how often they take turns, "" if they lie one behind the other.
    """

    def patchers(self) -> List[Patcher]:
        """PATCHERS as they are now, with the family's products."""
        usual = list(PATCHERS)
        if self.products and any(isinstance(p, TwoOperands) for p in PATCHERS):
            usual = [*self.products, *(p for p in PATCHERS if not isinstance(p, TwoOperands))]
        return [*usual, *self.more]


@dataclass
class _Match:
    node: Any
    patcher: Patcher
    first: int = 0  # number of its left quantizer


def _walk(root: ast.AST, leave: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Breadth first, as ast.walk(), without what is left alone."""
    left = {id(node) for node in leave}
    todo: List[ast.AST] = [root]
    while todo:
        node = todo.pop(0)
        if id(node) in left:
            continue
        yield node
        todo.extend(ast.iter_child_nodes(node))


def _sums_before_norms(tree: ast.Module) -> Iterator[ast.BinOp]:
    """Rule A5: values of assignments that a norm in the next statement reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name.endswith(("Embedding", "Embeddings")):
            continue
        if not isinstance(node, ast.ClassDef):
            continue
        for function in node.body:
            body = function.body if isinstance(function, ast.FunctionDef) else []
            for statement, following in zip(body, body[1:]):
                if _is_sum(statement) and _is_norm_of(following, statement):
                    yield statement.value  # type: ignore[attr-defined]


def _is_sum(statement: ast.stmt) -> bool:
    return (isinstance(statement, ast.Assign) and len(statement.targets) == 1
            and isinstance(statement.value, ast.BinOp) and isinstance(statement.value.op, ast.Add))


def _is_norm_of(statement: ast.stmt, assignment: Any) -> bool:
    if not isinstance(statement, ast.Assign):
        return False
    called = _called_attribute(statement.value)
    if called is None or "norm" not in called.attr.lower():
        return False
    assert isinstance(statement.value, ast.Call)
    target = ast.unparse(assignment.targets[0])
    return ([ast.unparse(name) for name in statement.targets] == [target]
            and [ast.unparse(argument) for argument in statement.value.args] == [target]
            and not statement.value.keywords)


class _Rewriter:
    def __init__(self, tree: ast.Module, rules: Rules) -> None:
        self._tree = tree
        self._rules = rules
        self._patchers = rules.patchers()
        self._left = list(self._left_alone())
        by_norms = any(isinstance(patcher, NormOfASum) for patcher in self._patchers)
        sums = [*_sums_before_norms(tree), *self._named_sums()] if by_norms else []
        self._sums = {id(total) for total in sums}
        self._last_sums: Dict[str, List[str]] = {}
        self._functions: Dict[str, List[str]] = {}  # quantizers of module-level functions

    def run(self) -> None:
        self._use_plain_layers()
        for node in self._tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._rewrite_function(node)
        classes = [node for node in ast.walk(self._tree) if isinstance(node, ast.ClassDef)]
        for made in classes:
            self._rewrite_class(made)

    def _find(self, path: str) -> Optional[ast.AST]:
        found: Optional[ast.AST] = self._tree
        for part in path.split("."):
            found = next((node for node in getattr(found, "body", [])
                          if getattr(node, "name", None) == part), None)
        return found

    def _left_alone(self) -> Iterator[ast.AST]:
        for path in self._rules.leave:
            found = self._find(path)
            if found is not None:
                yield found
                continue
            owner, _, attribute = path.rpartition(".")
            for node in ast.walk(self._find(owner) or ast.Module([], [])):
                if isinstance(node, ast.Assign) and (
                        ast.unparse(node.targets[0]) == f"self.{attribute}"):
                    yield node

    def _named_sums(self) -> Iterator[ast.BinOp]:
        for path in self._rules.sums:
            owner, _, variable = path.rpartition(".")
            for node in ast.walk(self._find(owner) or ast.Module([], [])):
                if not isinstance(node, ast.Assign) or ast.unparse(node.targets[0]) != variable:
                    continue
                if isinstance(node.value, ast.BinOp):
                    yield node.value

    def _use_plain_layers(self) -> None:
        for path, attributes in self._rules.plain.items():
            for node in ast.walk(self._find(path) or ast.Module([], [])):
                called = _called_attribute(node)
                if called is None or ast.unparse(called) not in [f"self.{a}" for a in attributes]:
                    continue
                assert isinstance(node, ast.Call)
                node.func = ast.copy_location(ast.Attribute(called, "plain", ast.Load()), called)

    def _matches(self, root: ast.AST, first: int) -> List[_Match]:
        found: List[_Match] = []
        for node in _walk(root, self._left):
            patcher = next((p for p in self._patchers if p.matches(node)), None)
            if patcher is None and id(node) in self._sums:
                patcher = _Sum()
            if patcher is not None:
                found.append(_Match(node, patcher))
        # An operator begins where its first operand does, or before; the walk meets it first.
        found.sort(key=lambda match: (match.node.lineno, match.node.col_offset))
        for match in found:
            match.first = first
            first += 2 if match.patcher.quantizer else 0
        return found

    @staticmethod
    def _patch(matches: Sequence[_Match], owner: str) -> List[str]:
        names: List[str] = []
        for match in matches:
            ours: List[str] = []

            def wrap(operand: ast.expr, match: _Match = match, ours: List[str] = ours) -> ast.expr:
                name = f"{match.patcher.quantizer.lower()}_quantizer_{match.first + len(ours)}"
                ours.append(name)
                attribute = ast.copy_location(
                    ast.Attribute(_load(owner, operand), name, ast.Load()), operand)
                return ast.copy_location(ast.Call(attribute, [operand], []), operand)

            match.patcher.patch(match.node, wrap)
            names += ours
        return names

    def _rewrite_function(self, function: Function) -> None:
        counted = sum(len(names) for names in self._functions.values())
        matches = self._matches(function, counted)
        if not any(match.patcher.quantizer for match in matches):
            return
        parameters = function.args.posonlyargs + function.args.args
        if not parameters:
            return
        self._functions[function.name] = self._patch(matches, parameters[0].arg)

    def _rewrite_class(self, node: ast.ClassDef) -> None:
        named = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        names: List[str] = []
        for function, quantizers in self._functions.items():
            if function in named:
                names += quantizers
        names += self._patch(self._matches(node, len(names)), "self")
        self._share(node)
        units = self._rules.units.get(node.name, {})
        statements = [
            f"self.{name} = {NAMESPACE}.TensorQuantizer({'unit=' + units[name] if name in units else ''})"
            for name in names]
        for attribute, (parts, heads) in self._rules.splits.get(node.name, {}).items():
            turns = f", {heads}" if heads else ""
            statements.append(f"self.{attribute}.split({tuple(parts)!r}{turns})")
        if node.name in self._rules.last:
            statements += self._rewrite_last_sum(node, len(names))
        for layer, (owner, path) in self._rules.last.items():
            if owner == node.name:
                statements += [f"{path}.{name} = {NAMESPACE}.TensorQuantizer()"
                               for name in self._last_sums[layer]]
        if statements:
            self._append(node, statements)

    def _share(self, node: ast.ClassDef) -> None:
        for method, templates in self._rules.shared.get(node.name, {}).items():
            for call in ast.walk(node):
                called = _called_attribute(call)
                if called is None or ast.unparse(called) != f"self.{method}":
                    continue
                assert isinstance(call, ast.Call)
                for place, template in enumerate(templates):
                    given = call.args[place]
                    call.args[place] = _expression(template.format(ast.unparse(given)), given)

    def _rewrite_last_sum(self, node: ast.ClassDef, first: int) -> List[str]:
        forward = self._find(f"{node.name}.forward") or ast.Module([], [])
        sums = [part.value for part in getattr(forward, "body", [])
                if isinstance(part, (ast.Assign, ast.Return)) and isinstance(part.value, ast.BinOp)
                and isinstance(part.value.op, ast.Add)]
        if not sums:
            raise InvalidArgument(f"{node.name}.forward: has no sum for its quantizers")
        names = self._patch([_Match(sums[-1], _Sum(), first)], "self")
        self._last_sums[node.name] = names
        return [f"self.{name} = {NAMESPACE}.nn.Identity()" for name in names]

    @staticmethod
    def _append(node: ast.ClassDef, statements: Sequence[str]) -> None:
        makers = [part for part in ast.walk(node)
                  if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
        if not makers:
            source = "def __init__(self, *args, **kwargs):\n    super().__init__(*args, **kwargs)"
            made = ast.parse(source).body[0]
            assert isinstance(made, ast.FunctionDef)
            node.body.append(made)
            makers = [made]
        for maker in makers:
            for statement in ast.parse("\n".join(statements)).body:
                for part in ast.walk(statement):
                    ast.copy_location(part, maker.body[-1])
                maker.body.append(statement)


def rewrite(source: str, rules: Rules, filename: str = "<source>") -> ast.Module:
    """The tree of the source with quantizers and without what Rules.keep names; lines keep their
    numbers.
    """
    tree = ast.parse(source, filename)
    tree.body = [node for node in tree.body if getattr(node, "name", None) not in rules.keep]
    _Rewriter(tree, rules).run()
    return ast.fix_missing_locations(tree)
