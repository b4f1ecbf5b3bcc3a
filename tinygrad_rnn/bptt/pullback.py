"""A walk back in which edges can be cut, and rules replaced by wrong ones; no Op changes.

An edge is a node and the place of one of its inputs: what one op sends back to one input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from ..engine.mode import Mode, Watch, in_mode
from ..engine.tape import pullback, send, value_of
from ..engine.tensor import Tensor
from ..engine.totals import Node, fitted
from ..ops.op import Array, Sent
from .time import Edge

Edit = Callable[[Node, int, Array, Any], Any]  # node, place, the node's gradient, the rule's result


class Edited(Watch):
    """Looks on at a walk back: notes every gradient, cuts edges and changes what flows through.

    found: {node: its gradient} of the nodes that sent gradients back.
    """

    def __init__(self, cut: Collection[Edge], held: Collection[Node], edit: Edit | None) -> None:
        self.found: dict[Node, Array] = {}
        self._cut, self._held, self._edit = cut, held, edit

    def sent(self, node: Node, g: Any, gradients: Sent) -> Sent:
        """What flows on after the cuts and edits."""
        self.found[node] = g = value_of(g)
        if node in self._held:
            return ()
        kept = [(k, x) for k, x in gradients if (node, k) not in self._cut]
        return [(k, self._edit(node, k, g, x)) for k, x in kept] if self._edit else kept


def edited_pullback(
    output: Node,
    cotangent: Array,
    *,
    cut: Collection[Edge] = (),
    held: Collection[Node] = (),
    edit: Edit | None = None,
    wanted: Collection[Node] | None = None,
) -> dict[Node, Array]:
    """{node: gradient of sum(cotangent * output)} for every node that was reached.

    cut: edges through which nothing flows. held: nodes that count as leaves.
    edit: gives what flows through an edge in place of what the op's rule gave.
    wanted: the nodes that matter, where the others do not.
    Result: arrays that may share memory: read them, and do not write.
    Raises: RuntimeError where a tensor was written after it was recorded.

    >>> w = Tensor([2.0], requires_grad=True)
    >>> y = w * w
    >>> edited_pullback(y, np.ones(1))[w], edited_pullback(y, np.ones(1), cut={(y, 1)})[w]
    (array([4.]), array([2.]))
    """
    edited = Edited(cut, held, edit)
    with in_mode(Mode(False, (), edited)):
        leaves = pullback((output,), (cotangent,), wanted=wanted)
    return edited.found | leaves


def node_vjp(node: Node, g: Array) -> dict[int, Any]:
    """What the rules of a node with gradient g give: {place of an input: an array or a Term}."""
    return dict(send(node, g))


def gradient_array(gradient: Any, node: Node, place: int) -> Array:
    """What a rule gave as an array of the input's shape and dtype: a Term is called."""
    return np.asarray(fitted(value_of(gradient), node.inputs[place], node.op))


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


def in_a_line(name: str) -> str:
    r"""A name without line breaks, for texts of one line each.

    >>> in_a_line("W\nof h")
    'W of h'
    """
    return " ".join(name.splitlines())


def check_on_tape(name: str, what: str, tensor: Any, nodes: Collection[Node]) -> None:
    """Raises: TypeError for no Tensor, RuntimeError for one that the loss does not depend on."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: {what} must be a Tensor, not {type(tensor).__name__}")
    label = f"{what} ({tensor.name})" if tensor.name and tensor.name != what else what
    if not tensor.requires_grad:
        raise RuntimeError(f"{name}: {label} requires no gradient; give it requires_grad=True")
    if tensor not in nodes:
        raise RuntimeError(
            f"{name}: {label}, of shape {tensor.shape}, is not on the tape of this loss; give the "
            "very tensor that the loss was computed from, not a copy or a detached one"
        )
