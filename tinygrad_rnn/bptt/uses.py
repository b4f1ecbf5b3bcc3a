"""The gradient of a tensor taken apart: one contribution for each time it was used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.tape import pullback, tape
from ..engine.tensor import Tensor
from ..engine.totals import Node
from ..ops.op import Array
from ..ops.parts import stack
from .pullback import check_on_tape, checked_loss, gradient_array, node_vjp
from .time import SAME_ENTRIES, is_node, source, step_of


class Contribution(NamedTuple):
    """What one use of a tensor adds to its gradient.

    array: of the tensor's shape and dtype. op: the name of the op that used it, input: of that
    op's input. scope: the labels of the scope in which the op was recorded.
    """

    array: Array
    op: str
    input: str
    scope: tuple[str, ...]

    @property
    def step(self) -> int | None:
        """The time step of the use: 3 in scope "t=3", None outside of all steps."""
        return step_of(self.scope)


def contributions(loss: Tensor, tensor: Tensor) -> list[Contribution]:
    """One contribution for each use of a tensor, last use first; they add up to its gradient.

    loss: a Tensor of one entry. tensor: a leaf, as a weight, or an intermediate result, as a
    state, which need not retain its gradient. Uses through transposes, reshapes and casts of
    the tensor are followed: `W.T` is no use, `h @ W.T` is one. No `.grad` changes.
    Added from the first to the last they are what `backward` adds up; where `backward` makes one
    product of the products of many steps, up to rounding.
    Raises: TypeError for what is no Tensor, ValueError for a loss of several entries, RuntimeError
    for a tensor that the loss does not depend on.

    >>> import tinygrad_rnn as tg
    >>> W, h = Tensor([[0.5]], requires_grad=True), Tensor([[1.0]])
    >>> for t in (1, 2):
    ...     with tg.scope(f"t={t}"):
    ...         h = h @ W
    >>> for part in contributions(h.sum(), W):
    ...     print(part.step, part.op, part.input, part.array)
    2 matmul b [[0.5]]
    1 matmul b [[0.5]]
    """
    return contributions_of(loss, {"the tensor": tensor}, "contributions")["the tensor"]


def by_step(loss: Tensor, tensor: Tensor) -> dict[int | None, Array]:
    """The contributions added up by the time step that they come from, from 1 on.

    The step is that of the innermost label of the form "t=3" of the scope in which the tensor was
    used; what comes from outside of all steps is under None. Arguments and errors are those of
    `contributions`. A state h_t has what comes from its own output y_t, and from step t + 1 what a
    hand derivation calls dh_next.

    >>> import tinygrad_rnn as tg
    >>> w, x = Tensor(2.0, requires_grad=True), 1.0
    >>> for t in (1, 2):
    ...     with tg.scope(f"t={t}"):
    ...         x = x * w * w
    >>> by_step(x, w)
    {1: array(16.), 2: array(16.)}
    """
    totals: dict[int | None, Array] = {}
    for part in contributions_of(loss, {"the tensor": tensor}, "by_step")["the tensor"]:
        known = totals.get(part.step)
        totals[part.step] = np.asarray(part.array if known is None else known + part.array)
    steps = sorted(totals, key=lambda step: np.inf if step is None else step)
    return {step: totals[step] for step in steps}


def states(output: Tensor) -> list[Tensor]:
    """The states h_1 to h_T that a recurrent layer stacked to its output: tensors on the tape.

    output: (T, B, H), or (B, T, H) where batch_first, as `nn.RNN` and the like return it.
    Raises: ValueError for a tensor that is no such stack.

    >>> import tinygrad_rnn as tg
    >>> output, _ = tg.nn.RNN(3, 4, rng=0)(np.ones((7, 2, 3)))
    >>> [h.shape for h in states(output)][:2]
    [(2, 4), (2, 4)]
    """
    stacked = source(output)
    if not is_node(stacked) or stacked.op is not stack:
        op = getattr(getattr(stacked, "op", None), "name", "none")
        raise ValueError(
            f"states: the output must be a stack of states, but the op that made it is {op}; give "
            "the output of a recurrent layer of one direction without lengths="
        )
    return list(stacked.inputs)


def contributions_of(
    loss: Any, tensors: dict[str, Any], name: str
) -> dict[str, list[Contribution]]:
    """The contributions to several tensors, by their names, in one walk."""
    start = checked_loss(name, loss)
    nodes = tape(loss)
    known = set(nodes)
    for what, tensor in tensors.items():
        check_on_tape(name, what, tensor, known)
    found = edge_gradients(loss, start, nodes, tensors.values())
    return {
        what: [
            Contribution(array, node.op.name, node.op.input_name(place), node.scope)
            for node, place, array in found[tensor]
        ]
        for what, tensor in tensors.items()
    }


def edge_gradients(
    loss: Node, start: Array, nodes: Sequence[Node], tensors: Iterable[Node]
) -> dict[Node, list[tuple[Node, int, Array]]]:
    """For each tensor the node, the place and the contribution of each use, last one first."""
    wanted = set(tensors)
    users = _users(nodes, wanted, loss)
    gradients = pullback((loss,), (start,), wanted=set(users)) if users else {}
    found: dict[Node, list[tuple[Node, int, Array]]] = {tensor: [] for tensor in wanted}
    for node in reversed(users):
        if node in gradients:
            sent = node_vjp(node, gradients[node])
            for place in filter(sent.__contains__, users[node]):  # other Terms are not called
                array = gradient_array(sent[place], node, place)
                for tensor in users[node][place]:
                    back = through_views(array, node.inputs[place], tensor)
                    shared = back.base is not None or back is gradients[node]
                    own = np.array(back, order="C") if shared else back
                    found[tensor].append((node, place, own))
    return found


def _users(
    nodes: Sequence[Node], tensors: set[Node], loss: Node
) -> dict[Node, dict[int, tuple[Node, ...]]]:
    """{node: {place: the tensors that it uses there, themselves or a view}} in recorded order."""
    roots: dict[Node, tuple[Node, ...]] = {tensor: (tensor,) for tensor in tensors}
    users: defaultdict[Node, dict[int, tuple[Node, ...]]] = defaultdict(dict)
    for node in nodes:
        for place, x in enumerate(node.inputs):
            reached = roots.get(x) if is_node(x) else None
            if reached and node.op in SAME_ENTRIES and node is not loss:
                roots[node] = (*reached, *roots.get(node, ()))
            elif reached:
                users[node][place] = reached
    return dict(users)


def through_views(array: Array, x: Node, tensor: Node) -> Array:
    """The gradient of x, a view of the tensor, as one of the tensor."""
    while x is not tensor:
        array = gradient_array(node_vjp(x, array)[0], x, 0)
        x = x.inputs[0]
    return array
