"""A walk back in which edges can be cut, and rules replaced by wrong ones; no Op changes.

An edge is a node and the place of one of its inputs: what one op sends back to one input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from ..engine.mode import Mode, in_mode
from ..engine.tape import _written, tape
from ..engine.tensor import Tensor
from ..engine.totals import Node, Totals, _fitted
from ..ops.op import Array, Term
from .time import Edge

Edit = Callable[[Node, int, Array, Any], Any]  # node, place, the node's gradient, the rule's result


def walk(
    output: Node,
    cotangent: Array,
    *,
    cut: Collection[Edge] = (),
    held: Collection[Node] = (),
    edit: Edit | None = None,
    since: int = 0,
) -> dict[Node, Array]:
    """{node: gradient of sum(cotangent * output)} for every node that was reached.

    cut: edges through which nothing flows. held: nodes that count as leaves.
    edit: gives what flows through an edge in place of what the op's rule gave; not asked of parts.
    since: the serial of the first node that matters.
    Result: arrays that may share memory: read them, and do not write.
    Raises: RuntimeError where a tensor was written after it was recorded.

    >>> w = Tensor([2.0], requires_grad=True)
    >>> y = w * w
    >>> walk(y, np.ones(1))[w], walk(y, np.ones(1), cut={(y, 1)})[w]
    (array([4.]), array([2.]))
    """
    totals, found = Totals(), {}
    totals.add(output, cotangent)
    with in_mode(Mode(False, ())):
        for node in reversed(tape(output, since=since)):
            if node in totals.waiting:
                totals.gather(node)
            g = totals.arrays.pop(node, None)
            if g is None:
                continue
            found[node] = g
            if node.op is not None and node not in held:
                _send(node, g, totals, cut, edit)
    for node in (*totals.arrays, *totals.waiting):
        if node.serial >= since:
            raise _written(node)
    return found


def _send(node: Node, g: Array, totals: Totals, cut: Collection[Edge], edit: Edit | None) -> None:
    """What the node's op gives for each of its inputs arrives there."""
    if node.op.is_part:
        if (node, 0) not in cut:
            totals.waiting[node.inputs[0]].append((node.op, g, index_of(node)))
        return
    for place, gradient in edges(node, g):
        if (node, place) in cut:
            continue
        if edit is not None:
            gradient = edit(node, place, g, gradient)
        totals.receive(node.inputs[place], gradient, node.op)


def edges(node: Node, g: Array) -> Iterator[tuple[int, Any]]:
    """The place and the rule's result, which may be a Term, of each input that needs one."""
    op, given = node.op, (g, node._array, *node.values)
    gradients = op.edges[0](*given, **node.settings) if op.variadic else op.edges
    for place, (edge, needs) in enumerate(zip(gradients, node.needs, strict=False)):
        if needs and edge is not None:
            if node.inputs[place].serial > node.serial:
                raise _written(node.inputs[place])
            yield place, edge if op.variadic else edge(*given, **node.settings)


def index_of(node: Node) -> Any:
    """The index of a part."""
    return node.settings["index"] if node.settings else node.values[1:]


def valued(gradient: Any, node: Node, place: int) -> Array:
    """What a rule gave as an array of the input's shape and dtype: a Term is called."""
    array = gradient() if isinstance(gradient, Term) else gradient
    return np.asarray(_fitted(array, node.inputs[place], node.op))


def checked_loss(name: str, loss: Any) -> Array:
    """What a walk starts with, 1. Raises: TypeError, ValueError or RuntimeError for no loss."""
    if not isinstance(loss, Tensor):
        raise TypeError(f"{name}: the loss must be a Tensor, not {type(loss).__name__}")
    if not loss.requires_grad:
        raise RuntimeError(
            f"{name}: the loss depends on no tensor that requires a gradient; compute it from "
            "tensors with requires_grad=True, outside of no_grad()"
        )
    if loss.size != 1:
        raise ValueError(
            f"{name}: the loss has shape {loss.shape}, and must have one entry; reduce it with "
            "sum() or mean()"
        )
    return np.ones(loss.shape, loss.dtype)


def check_on_tape(name: str, what: str, tensor: Any, nodes: Collection[Node]) -> None:
    """Raises: TypeError for no Tensor, RuntimeError for one that the loss does not depend on."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: {what} must be a Tensor, not {type(tensor).__name__}")
    called = f"{what} ({tensor.name})" if tensor.name and tensor.name != what else what
    if not tensor.requires_grad:
        raise RuntimeError(f"{name}: {called} requires no gradient; give it requires_grad=True")
    if tensor not in nodes:
        raise RuntimeError(
            f"{name}: {called}, of shape {tensor.shape}, is not on the tape of this loss; give the "
            "very tensor that the loss was computed from, not a copy or a detached one"
        )
