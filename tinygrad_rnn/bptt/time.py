"""What a tape says about time: the step of a node, the edges from a step to the one before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..engine.tensor import Tensor
from ..engine.totals import Node
from ..ops.elementwise import multiply
from ..ops.linalg import addmm, matmul
from ..ops.op import Op
from ..ops.shape import cast, reshape, transpose

Edge = tuple[Node, int]
SAME_ENTRIES = frozenset((cast, reshape, transpose))  # one input, the same entries
PRODUCTS: dict[Op, tuple[int, int]] = {  # the places of the factors
    addmm: (1, 2),
    matmul: (0, 1),
    multiply: (0, 1),
}
_STEP = re.compile(r"t=(\d+)")


def is_node(x: Any) -> bool:
    """Whether an input of an op is a Tensor."""
    return isinstance(x, Tensor)


def source(x: Any) -> Any:
    """The tensor that x is a view of: through transposes, reshapes and casts.

    >>> w = Tensor([[2.0]], requires_grad=True)
    >>> source(w.T.reshape(1)) is w
    True
    """
    while is_node(x) and x.op in SAME_ENTRIES:
        x = x.inputs[0]
    return x


def step_of(scope: Sequence[str]) -> int | None:
    """The time step of a scope: 3 where the innermost label of that form is "t=3".

    >>> step_of(("layer 0", "t=3", "gate")), step_of(())
    (3, None)
    """
    return next((int(m[1]) for m in map(_STEP.fullmatch, reversed(scope)) if m), None)


def recurrent_edges(nodes: Sequence[Node]) -> set[Edge]:
    """The edges from one time step to the one before it.

    nodes: a tape. Where a node was recorded in a step's scope they are those to results of another
    step's; elsewhere those to a factor that depends on the very weight it meets, as h_{t-1} does
    in h_{t-1} @ W_hh.

    >>> w, h = Tensor(0.5, requires_grad=True), 1.0
    >>> for _ in range(3):
    ...     h = h * w
    >>> from tinygrad_rnn.engine.tape import tape
    >>> len(recurrent_edges(tape(h)))
    2
    """
    depends, sums = _leaves_of(nodes), _sums_of_losses(nodes)
    found = set()
    for node in nodes:
        if node.op is None or node.op in SAME_ENTRIES:
            continue
        step = step_of(node.scope)
        weights = 0
        for w in map(source, node.inputs):
            weights |= depends.get(w, 0) if is_node(w) and w.op is None else 0
        for place, x in enumerate(node.inputs):
            if not is_node(x) or source(x).op is None:
                continue
            if step is None:
                meets = place in PRODUCTS.get(node.op, ()) and depends.get(x, 0) & weights
            else:
                meets = _crosses(node, x) and x not in sums
            if meets:
                found.add((node, place))
    return found


def _leaves_of(nodes: Sequence[Node]) -> dict[Node, int]:
    """For each node a number with a bit for each leaf that it depends on."""
    depends: dict[Node, int] = {}
    bit = 1
    for node in nodes:
        depends[node] = 0
        if node.op is None and node.requires_grad:
            depends[node] = bit
            bit *= 2
        for x in filter(is_node, node.inputs):
            depends[node] |= depends.get(x, 0)  # 0 of one written later
    return depends


def _sums_of_losses(nodes: Sequence[Node]) -> set[Node]:
    """Nodes of no axes that meet no weight on the way to the loss: losses that are added up."""
    meets: set[Node] = set()
    for node in reversed(nodes):
        inputs = [x for x in node.inputs if is_node(x)]
        if node in meets or any(source(x).op is None and x.requires_grad for x in inputs):
            meets.update(inputs)
    return {node for node in nodes if not node.ndim and node not in meets}


def _crosses(node: Node, x: Node) -> bool:
    """Whether x was recorded in another time step's scope, which is in the same scopes besides."""
    here, there = step_of(node.scope), step_of(x.scope)
    return there is not None and here != there and _outside(node.scope) == _outside(x.scope)


def _outside(scope: Sequence[str]) -> list[str]:
    return [label for label in scope if not _STEP.fullmatch(label)]
