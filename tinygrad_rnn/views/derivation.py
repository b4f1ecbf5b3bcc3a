"""The backward pass of a loss, one node at a time, in the order of the walk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..bptt.uses import _input_name, _sent
from ..bptt.walk import checked_loss, is_node
from ..op import Array
from ..tape import tape
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
        inputs = [self.name(x) if is_node(x) else "·" for x in node.inputs]
        text = f"{name} = {node.op.name}({', '.join(inputs)})"
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
            name = _input_name(node, place)
            text = f"dL/d{self.name(to)} += {op.name}.{name}(dL/d{self.name(node)})"
            yield Sent(name, place, to, Formula(text, text), array, totals[to])


def derive(loss: Tensor, *, names: Mapping[str, Any] | None = None) -> Derivation:
    """The derivation of a loss's gradients."""
    return Derivation(loss, names or {})
