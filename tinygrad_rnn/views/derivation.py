"""The backward pass of a loss, one node at a time, in the order of the walk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..bptt.uses import _input_name, _sent
from ..bptt.walk import checked_loss, is_node
from ..op import Array, Term
from ..tape import _fitted, tape
from ..tensor import Tensor


class Formula(NamedTuple):
    """The same formula as text and as LaTeX."""

    text: str
    latex: str


class Sent(NamedTuple):
    """What a node hands on to one of its inputs."""

    input: str
    place: int
    to: Tensor
    rule: Formula
    array: Array
    total: Array


class Visit(NamedTuple):
    """A node whose gradient is complete, and what it hands on."""

    node: Tensor
    gradient: Array
    sends: tuple[Sent, ...]


class Derivation:
    """The nodes of a loss, their names and formulas, and the walk back."""

    def __init__(self, loss: Tensor, names: Mapping[str, Any]) -> None:
        self.start = checked_loss("derive", loss)
        self.nodes: list[Tensor] = tape(loss)
        given = {value: name for name, value in names.items() if isinstance(value, Tensor)}
        self._names = {
            node: given.get(node) or node.name or f"v_{k}" for k, node in enumerate(self.nodes)
        }

    def name(self, node: Tensor) -> str:
        """What a node is called."""
        return self._names[node]

    def formula(self, node: Tensor) -> Formula:
        """How a node is computed; a leaf's name."""
        name = self.name(node)
        if node.op is None:
            return Formula(name, name)
        inputs = [_operand(x, self._names) for x in node.inputs]
        text = f"{name} = {_called(node.op.name, inputs, node.settings)}"
        return Formula(text, text)

    def walk(self) -> Iterator[Visit]:
        """Each node that a gradient reaches, last recorded first."""
        totals: dict[Tensor, Array] = {self.nodes[-1]: self.start}
        for node in reversed(self.nodes):
            if node in totals:
                yield Visit(node, totals[node], tuple(self._sends(node, totals)))

    def _sends(self, node: Tensor, totals: dict[Tensor, Array]) -> Iterator[Sent]:
        op = node.op
        if op is None:
            return
        places = [k for k, needs in enumerate(node.needs) if needs]
        for place, array in _sent(node, totals[node], places):
            to: Tensor = node.inputs[place]
            totals[to] = totals[to] + array if to in totals else array
            rule = _rule(node, place, totals[node], self._names)
            text = f"dL/d{self.name(to)} += {rule}"
            yield Sent(_input_name(node, place), place, to, Formula(text, text), array, totals[to])


def derive(loss: Tensor, *, names: Mapping[str, Any] | None = None) -> Derivation:
    """The derivation of a loss's gradients."""
    return Derivation(loss, names or {})


# Rules as text: a rule is run on leaves, and what it recorded is spelled


SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "matmul": "@"}
SAME = {"positive", "cast"}


def _rule(node: Tensor, place: int, gradient: Array, names: Mapping[Tensor, str]) -> str:
    """What the rule of one input does."""
    op: Any = node.op
    known: dict[Tensor, str] = {}
    g = _leaf(gradient, f"dL/d{names[node]}", known)
    z = _leaf(node.data, names[node], known)
    inputs = [_leaf(x.data, names[x], known) if is_node(x) else x for x in node.inputs]
    if op.is_part:
        index = node.settings["index"] if node.settings else tuple(inputs[1:])
        found = op.edges[0]([g], inputs[0], [index])
    elif op.variadic:
        found = op.edges[0](g, z, *inputs, **node.settings)[place]
    else:
        found = op.edges[place](g, z, *inputs, **node.settings)
    found = found() if isinstance(found, Term) else found
    return _spelled(_fitted(found, node.inputs[place], op), known)


def _leaf(array: Array, name: str, known: dict[Tensor, str]) -> Tensor:
    leaf = Tensor(array, requires_grad=array.dtype.kind == "f")
    known[leaf] = name
    return leaf


def _spelled(result: Any, known: dict[Tensor, str]) -> str:
    if not is_node(result):
        return _operand(result, known)
    for node in tape(result):
        if node.op is not None and node not in known:
            inputs = [_operand(x, known) for x in node.inputs]
            known[node] = _called(node.op.name, inputs, node.settings)
    return _operand(result, known)


def _operand(x: Any, known: Mapping[Tensor, str]) -> str:
    if is_node(x):
        return known[x] if x in known else str(x.data) if not x.ndim else "·"
    return f"{x:g}" if isinstance(x, (int, float)) else "·"


def _called(name: str, inputs: list[str], settings: Mapping[str, Any]) -> str:
    """An op as it is written in code."""
    if name in SAME:
        return inputs[0]
    if name == "addmm":
        return f"{inputs[0]} + {_inside(inputs[1])} @ {_inside(inputs[2])}"
    if name in SIGNS and len(inputs) == 2:
        return f" {SIGNS[name]} ".join(map(_inside, inputs))
    if name == "negative":
        return f"-{_inside(inputs[0])}"
    if name == "transpose" and settings.get("axes") is None:
        return f"{_inside(inputs[0])}.T"
    chosen = [f"{key}={x}" for key, x in settings.items() if x is not None and x is not False]
    return f"{name}({', '.join([*inputs, *chosen])})"


def _inside(text: str) -> str:
    """An operand in brackets where it has a sign of its own."""
    depth, open_sign = 0, False
    for sign in text:
        depth += (sign in "([") - (sign in ")]")
        open_sign |= sign == " " and not depth
    return f"({text})" if open_sign else text
