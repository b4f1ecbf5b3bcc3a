"""A walk back in which edges can be cut, and rules replaced by wrong ones; no Op changes.

An edge is a node and the place of one of its inputs: what one op sends back to one input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from ..op import Array, Term
from ..ops.shape import cast, reshape, transpose
from ..tape import Mode, Node, Totals, _fitted, _written, in_mode, tape
from ..tensor import Tensor

Edge = tuple[Node, int]
Edit = Callable[[Node, int, Array, Any], Any]  # node, place, the node's gradient, the rule's result
VIEWS = frozenset((cast, reshape, transpose))  # one input, the same entries
PRODUCTS = {"matmul": (0, 1), "addmm": (1, 2), "multiply": (0, 1)}  # the places of the factors
_STEP = re.compile(r"t=(\d+)")


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


def is_node(x: Any) -> bool:
    """Whether an input of an op is a Tensor."""
    return isinstance(x, Tensor)


def source(x: Any) -> Any:
    """The tensor that x is a view of: through transposes, reshapes and casts.

    >>> w = Tensor([[2.0]], requires_grad=True)
    >>> source(w.T.reshape(1)) is w
    True
    """
    while is_node(x) and x.op in VIEWS:
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
    >>> len(recurrent_edges(tape(h)))
    2
    """
    depends, sums = _leaves_of(nodes), _sums_of_losses(nodes)
    found = set()
    for node in nodes:
        if node.op is None or node.op in VIEWS:
            continue
        step = step_of(node.scope)
        weights = 0
        for w in map(source, node.inputs):
            weights |= depends.get(w, 0) if is_node(w) and w.op is None else 0
        for place, x in enumerate(node.inputs):
            if not is_node(x) or source(x).op is None:
                continue
            if step is None:
                meets = place in PRODUCTS.get(node.op.name, ()) and depends.get(x, 0) & weights
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
    called = f"{what} ({tensor.name})" if tensor.name and tensor.name != what else what
    if not tensor.requires_grad:
        raise RuntimeError(f"{name}: {called} requires no gradient; give it requires_grad=True")
    if tensor not in nodes:
        raise RuntimeError(
            f"{name}: {called}, of shape {tensor.shape}, is not on the tape of this loss; give the "
            "very tensor that the loss was computed from, not a copy or a detached one"
        )
