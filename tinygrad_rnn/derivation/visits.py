"""The backward pass one step at a time: which node, which rule, which gradients so far."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.tape import check_unwritten
from ..engine.tensor import Tensor, leaf
from ..engine.totals import Node
from ..ops.op import Array
from .expressions.expression import Call, Expression, Quantity, Symbol, inner, named, parts
from .expressions.latex import Latex, letter
from .expressions.recorder import Recorder, rules_of
from .expressions.simpler import simpler
from .expressions.spelling import Speller
from .expressions.syntax import variable

LARGEST_FORMULA = 300  # parts of a formula
ELLIPSIS = Symbol(Quantity("value", (), np.dtype(float), name="..."))


class Formula(NamedTuple):
    """The same equation as plain text and as LaTeX."""

    text: str
    latex: str


class Sent(NamedTuple):
    """What a node sends to one of its inputs.

    input, place: the op's name for it, and its number. to: the Tensor that gets it. rule: the local
    rule with names in it. array: what is added to the gradient of `to`, of its shape and dtype.
    total: that gradient so far, this included.
    """

    input: str
    place: int
    to: Tensor
    rule: Formula
    array: Array
    total: Array


class Visit(NamedTuple):
    """One step: a node whose gradient is complete.

    gradient: dL/dnode. arrived: the nodes that sent to it, with what each sent, in the order of
    arrival; none for the loss. sends: what it sends on; none for a leaf.
    """

    node: Tensor
    gradient: Array
    arrived: tuple[tuple[Tensor, Array], ...]
    sends: tuple[Sent, ...]


class Rules:
    """Writes formulas of nodes. name: what a Tensor or an array is called."""

    def __init__(self, name: Callable[[Any], str]) -> None:
        self._name = name
        self._speller = Speller(lambda symbol: variable(symbol.quantity.name), plain=True)
        self._latex = Latex(lambda symbol: _latex_name(symbol.quantity))

    def forward(self, node: Node) -> Formula:
        """What the node's op computes; for a leaf its name."""
        symbol = self.symbol(node)
        if node.op is None:
            return Formula(symbol.quantity.name, self._latex.text(symbol))
        inputs = tuple(map(self.symbol, node.inputs))
        call = simpler(Call(node.op, inputs, node.settings, node.shape, node.dtype))
        return self._equation(symbol, "=", call)

    def vjp(self, node: Node, g: Array) -> Iterator[tuple[int, Formula, Array]]:
        """The place, the rule and the value of what goes back to each input."""
        seed = leaf(g)
        known = {x: self.symbol(x) for x in (node, *node.inputs) if isinstance(x, Tensor)}
        recorder = Recorder({**known, seed: self.gradient(node)}, self.symbol)
        for place, expression, value in rules_of(node, seed, recorder):
            target = self.gradient(node.inputs[place])
            yield place, self._equation(target, "+=", expression), value._array

    def symbol(self, x: Any) -> Expression:
        """A Tensor or an array by its name; a number as it is."""
        if isinstance(x, (np.ndarray, np.generic)) and not x.shape and x.dtype.kind == "f":
            return x.item()
        if not isinstance(x, (Tensor, np.ndarray, np.generic)):
            return x
        return Symbol(named(self._name(x), x))

    def gradient(self, x: Node) -> Symbol:
        """dL/dx by its name."""
        of = self.symbol(x).quantity if isinstance(x, Tensor) else None
        return Symbol(Quantity("gradient", x.shape, x.dtype, of, name=f"dL/d{self._name(x)}"))

    def _equation(self, target: Symbol, sign: str, value: Expression) -> Formula:
        value = value if written_size(value) <= LARGEST_FORMULA else ELLIPSIS
        signs = {"=": "=", "+=": r"\mathrel{+}="}
        return Formula(
            f"{target.quantity.name} {sign} {self._speller.text(value)}",
            f"{self._latex.text(target)} {signs[sign]} {self._latex.text(value)}",
        )


def _latex_name(quantity: Quantity) -> str:
    if quantity.of is not None:
        return partial_derivative(letter(quantity.of.name))
    return letter(quantity.name)


def partial_derivative(of: str) -> str:
    """∂L/∂of."""
    return rf"\frac{{\partial L}}{{\partial {of}}}"


def written_size(expression: Expression) -> int:
    """How many parts it has where it is written out, shared ones again and again."""
    sizes: dict[int, int] = {}
    for x in parts(expression):
        sizes[id(x)] = 1 + sum(sizes[id(y)] for y in inner(x))
    return sizes[id(expression)]


def visits(nodes: Sequence[Node], useful: Collection[Node], rules: Rules) -> Iterator[Visit]:
    """The steps of the backward pass from the last node, the loss, on.

    useful: the nodes whose gradients are wanted. Raises: RuntimeError where a tensor was written
    after it was recorded.
    """
    check_all_unwritten(nodes)
    loss = nodes[-1]
    totals: dict[Node, Array] = {loss: np.ones(loss.shape, loss.dtype)}
    arrived: dict[Node, list[tuple[Node, Array]]] = {}
    for node in reversed(nodes):
        gradient = totals.pop(node, None)
        if gradient is None:
            continue
        sends = []
        for place, rule, array in rules.vjp(node, gradient) if node.op is not None else ():
            x = node.inputs[place]
            if x in useful:
                totals[x] = array if x not in totals else totals[x] + array
                arrived.setdefault(x, []).append((node, array))
                sends.append(Sent(node.op.input_name(place), place, x, rule, array, totals[x]))
        yield Visit(node, gradient, tuple(arrived.pop(node, ())), tuple(sends))


def check_all_unwritten(nodes: Sequence[Node]) -> None:
    """Raises: RuntimeError where an input of a node was written after it was used."""
    for node in nodes:
        check_unwritten(node)
