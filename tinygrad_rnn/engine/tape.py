"""The tape and the walk back through it.

A node is whatever has the slots of a Tensor: `op, inputs, needs, settings, serial, scope`. The
nodes reachable from an output, sorted by serial, are a tape: no recursion anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any

from ..ops.op import Op, Sent, Term
from .mode import in_mode, mode, uncollected
from .totals import Node, Totals

Needs = tuple[bool, ...]


def tape(*outputs: Node, since: int = 0) -> list[Node]:
    """Every node that the outputs were computed from, themselves included, in recorded order.

    since: the serial of the first node that matters.

    >>> import tinygrad_rnn as tg
    >>> w = tg.Tensor(2.0, requires_grad=True)
    >>> [node.op.name if node.op else "leaf" for node in tape(tg.exp(w * w))]
    ['leaf', 'multiply', 'exp']
    """
    nodes = list(dict.fromkeys(outputs))
    known = set(nodes)
    for node in nodes:  # it grows
        for x in node.inputs:
            if hasattr(x, "serial") and x not in known and x.serial >= since:
                known.add(x)
                nodes.append(x)
    return sorted(nodes, key=attrgetter("serial"))


def pullback(
    outputs: Sequence[Node],
    cotangents: Sequence[Any],
    *,
    wanted: Collection[Node] | None = None,
    create_graph: bool = False,
) -> dict[Node, Any]:
    """Walks the tape backwards: {node: gradient of sum(cotangents * outputs)}.

    outputs: nodes. cotangents: for each output an array of its shape and dtype.
    wanted: the nodes to find gradients of; None for each leaf that requires a gradient and each
    node that retains its own.
    create_graph: rules run on Tensors and are recorded, so that gradients have gradients.
    Result: for each wanted node that was reached an array that nothing else shares (a Tensor
    where create_graph), of the node's shape and dtype.
    Raises: RuntimeError where a tensor was written after it was recorded.
    """
    nodes = tape(*outputs, since=_first(wanted or ()))
    needs_of = attrgetter("needs") if wanted is None else needs_of_wanted(wanted, nodes).get
    watch = mode.get().watch
    totals, found = Totals(), {}
    waiting, arrays, receive = totals.waiting, totals.arrays, totals.receive
    for node, cotangent in zip(outputs, cotangents, strict=True):
        totals.add(node, cotangent)
    with uncollected(), in_mode(mode.get().in_walk(create_graph)) as now:
        for node in reversed(nodes):
            g = totals.take(node) if node in waiting else arrays.pop(node, None)
            if g is None:
                continue
            if (not node.op or node._retains_grad) if wanted is None else node in wanted:
                found[node] = totals.own(node, g)
            if needs := needs_of(node):
                op, inputs, now.scope = node.op, node.inputs, node.scope
                given = (g, node, *inputs) if now.recording else (g, node._array, *node.values)
                sent = op.gradients(given, needs, node.settings)
                if len(sent) < len(inputs):  # the others are looked at when they are reached
                    check_unwritten(node)
                for place, gradient in watch.sent(node, g, sent) if watch else sent:
                    receive(inputs[place], gradient, op)
    for node in (*arrays, *waiting):  # its place on the tape is after its use
        raise _written(node)
    return found


def send(node: Node, g: Any) -> Sent:
    """What a node with gradient g, an array, sends back to each input that needs a gradient.

    Raises: RuntimeError where an input was written after the node was recorded.
    """
    check_unwritten(node)
    op: Op = node.op
    return op.gradients((g, node._array, *node.values), node.needs, node.settings)


def value_of(gradient: Any) -> Any:
    """What a rule gave as an array or Tensor: a Term is called."""
    return gradient() if type(gradient) is Term else gradient


def needs_of_wanted(wanted: Collection[Node], nodes: Sequence[Node]) -> dict[Node, Needs]:
    """For each node of a tape that has them, the inputs through which a wanted node is reached."""
    useful = set(wanted)
    found: dict[Node, Needs] = {}
    for node in nodes:
        needs = tuple(
            [need and x in useful for need, x in zip(node.needs, node.inputs, strict=False)]
        )
        if any(needs):
            useful.add(node)
            found[node] = needs
    return found


def _first(wanted: Collection[Node]) -> int:
    """The serial from which on the nodes lead to a wanted one; 0 with a leaf among these."""
    return min((node.serial if node.op else 0 for node in wanted), default=0)


def check_unwritten(node: Node) -> None:
    """Raises: RuntimeError where an input was written after the node was recorded."""
    for x in node.inputs:
        if getattr(x, "serial", 0) > node.serial:
            raise _written(x)


def _written(x: Node) -> RuntimeError:
    return RuntimeError(
        f"backward: {x.name or f'a tensor of shape {x.shape}'} was written after it was recorded, "
        "so its gradient would be wrong; call backward() before you change it, or compute anew"
    )
