"""What the page tells, as one value that JSON can hold: nodes, edges, the walk, gradients by time.

nodes: in recorded order; their `difference` is how far `.grad` is from the walk's gradient.
edges: [from, to, place], in the order of each op's inputs.
walk: a visit for each node that a gradient reaches, in the order of the walk; what it sends names
its edge and where it goes to.
flow: rows of [name, [[t, visit, norm], ...]].
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...bptt.time import is_node, step_of
from ...derivation import Derivation
from ...derivation.report import norm
from ...engine.tensor import Tensor
from ...ops.op import Array
from ..drawing.labels import LONGEST_NAME, abbreviate
from .arrays import number, shown
from .timeline import states_by_layer

MOST_CELLS = 400  # of an array; of all arrays together:
MOST_CELLS_IN_ALL = 120_000  # of about 20 bytes each, or 8 in a summary
LONGEST_FORMULA = 400  # characters
Edges = dict[tuple[Tensor, int], int]  # the number of each edge, by its end: node and place


def contents(derivation: Derivation) -> dict[str, Any]:
    """All that the page tells of a derivation."""
    nodes, visits = derivation.nodes, list(derivation.walk())
    numbers = {node: k for k, node in enumerate(nodes)}
    edges = numbered_edges(nodes)
    arrays = len(nodes) + len(visits) + 2 * sum(len(visit.sends) for visit in visits)
    most = max(16, min(MOST_CELLS, MOST_CELLS_IN_ALL // arrays))
    gradients = {visit.node: visit.gradient for visit in visits}
    return {
        "nodes": [_node(node, derivation, numbers, gradients.get(node), most) for node in nodes],
        "edges": [[numbers[node.inputs[place]], numbers[node], place] for node, place in edges],
        "walk": [_visit(visit, numbers, edges, most) for visit in visits],
        "flow": _flow(derivation, gradients),
    }


def numbered_edges(nodes: Sequence[Tensor]) -> Edges:
    """A number for each edge, in the order in which they are drawn.

    >>> w = Tensor(2.0, requires_grad=True)
    >>> y = w * w
    >>> list(numbered_edges([w, y]).values())
    [0, 1]
    """
    ends = [(node, k) for node in nodes for k, x in enumerate(node.inputs) if is_node(x)]
    return {end: k for k, end in enumerate(ends)}


def kind_of(node: Tensor) -> str:
    """What sort of node it is.

    >>> kind_of(Tensor(1.0)), kind_of(Tensor(1.0, requires_grad=True))
    ('input', 'parameter')
    """
    if node.op is not None:
        return "result"
    return "parameter" if node.requires_grad else "input"


def _node(
    node: Tensor,
    derivation: Derivation,
    numbers: Mapping[Tensor, int],
    gradient: Array | None,
    most: int,
) -> dict[str, Any]:
    return {
        "name": abbreviate(derivation.name(node), LONGEST_NAME),
        "kind": kind_of(node),
        "op": None if node.op is None else node.op.name,
        "formula": abbreviate(derivation.formula(node).text, LONGEST_FORMULA),
        "shape": list(node.shape),
        "dtype": str(node.dtype),
        "scope": [abbreviate(label, LONGEST_NAME) for label in node.scope],
        "step": step_of(node.scope),
        "value": shown(node.data, most),
        "inputs": [
            {"input": node.op.input_name(k)}
            | ({"node": numbers[x]} if isinstance(x, Tensor) else {"is": _constant(x)})
            for k, x in enumerate(node.inputs)
            if node.op is not None
        ],
        "difference": _difference(node, gradient),
    }


def _constant(x: Any) -> str:
    """An input that is no Tensor: a number as it is, of an array its shape."""
    return f"array of shape {np.shape(x)}" if np.shape(x) else abbreviate(x, LONGEST_NAME)


def _difference(node: Tensor, gradient: Array | None) -> float | str | None:
    """How far at most `.grad` is from the walk's gradient; None where one of them is missing."""
    if node.grad is None or gradient is None:
        return None
    return number(float(np.max(np.abs(node.grad.data - gradient), initial=0.0)))


def _visit(visit: Any, numbers: Mapping[Tensor, int], edges: Edges, most: int) -> dict[str, Any]:
    return {
        "node": numbers[visit.node],
        "gradient": shown(visit.gradient, most),
        "sends": [
            {
                "edge": edges[visit.node, sent.place],
                "to": numbers[sent.to],
                "input": sent.input,
                "rule": abbreviate(sent.rule.text, LONGEST_FORMULA),
                "array": shown(sent.array, most),
                "total": shown(sent.total, most),
            }
            for sent in visit.sends
        ],
    }


def _flow(derivation: Derivation, gradients: Mapping[Tensor, Array]) -> list[list[Any]]:
    """For each layer its name, and for each t the visit of h_t and the norm of its gradient."""
    order = {node: k for k, node in enumerate(gradients)}
    layers = [
        {t: h for t, h in sorted(states.items()) if h in gradients}
        for states in states_by_layer(derivation.nodes)
    ]
    names = [_row_name(derivation, list(states.values())) for states in layers]
    return [
        [
            name if names.count(name) == 1 else f"{name} ({_op_name(states)})",
            [[t, order[h], number(norm(gradients[h]))] for t, h in states.items()],
        ]
        for name, states in zip(names, layers, strict=True)
        if states
    ]


def _row_name(derivation: Derivation, states: Sequence[Tensor]) -> str:
    """The scopes around the steps, and h_t where the states are called h_1, h_2 and so on."""
    stems = {re.sub(r"_?\d+$", "", derivation.name(state)) for state in states}
    layer = [label for x in states[:1] for label in x.scope if step_of((label,)) is None]
    state = f"{stems.pop()}_t" if len(stems) == 1 else "state"
    return abbreviate(", ".join([*layer, state]), LONGEST_NAME)


def _op_name(states: Mapping[int, Tensor]) -> str:
    return next((h.op.name for h in states.values() if h.op is not None), "")
