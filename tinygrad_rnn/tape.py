"""How recording is switched, and how to walk what was recorded.

A node is whatever has the slots of a Tensor: `op, inputs, settings, serial, scope`. The nodes
reachable from an output, sorted by serial, are a tape in a valid order: no recursion anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from .op import Op, Term
from .ops.reduce import sum_to
from .ops.shape import astype

Node = Any
ROWS_THAT_WAIT = 1024  # products of longer operands are faster one by one: they stay in the cache


class Mode(NamedTuple):
    """What recording does just now, per thread and per asynchronous task."""

    recording: bool = True
    scope: tuple[str, ...] = ()


mode: ContextVar[Mode] = ContextVar("mode", default=Mode())


class Sum:
    """A gradient while its terms arrive.

    The first array is borrowed, the second makes a new one, later ones are added in place.
    Terms wait, so that many of one op become one call.
    """

    __slots__ = ("owned", "rows", "total", "waiting")

    def __init__(self, first: Any) -> None:
        self.total: Any = None
        self.owned = False
        self.waiting: dict[Op, list[Term]] = {}
        self.rows = 0
        self.add(first)

    def add(self, gradient: Any) -> None:
        """Adds an array, a Tensor or a Term."""
        if type(gradient) is Term:
            self._wait(gradient)
        elif self.total is None:
            self.total = gradient
        elif self.owned:
            self.total += gradient
        else:
            self.total = self.total + gradient
            self.owned = type(self.total) is np.ndarray

    def value(self) -> Any:
        """The sum of all that has arrived."""
        for op, terms in self.waiting.items():
            total = op.accumulate(self.total if self.owned else None, terms)  # type: ignore[misc]
            self.total = total if self.owned or self.total is None else self.total + total
            self.owned = True
        self.waiting, self.rows = {}, 0
        return self.total

    def _wait(self, term: Term) -> None:
        self.waiting.setdefault(term.op, []).append(term)
        last = term.inputs[-1]
        self.rows += len(last) if getattr(last, "ndim", 0) else 1
        if self.rows > ROWS_THAT_WAIT:
            self.value()


@contextmanager
def no_grad() -> Iterator[None]:
    """Nothing is recorded inside; a context manager and a decorator.

    >>> import tinygrad_rnn as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     y = w * 3
    >>> y.requires_grad
    False
    """
    with _in_mode(mode.get()._replace(recording=False)):
        yield


class scope:
    """Names a part of the tape: `label` ends the scope of what is recorded inside.

    >>> import tinygrad_rnn as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.scope("layer 0"), tg.scope("t=1"):
    ...     h = tg.tanh(w)
    >>> h.scope
    ('layer 0', 't=1')
    """

    __slots__ = ("_label", "_token")

    def __init__(self, label: str) -> None:
        self._label = label

    def __enter__(self) -> None:
        recording, outer = mode.get()
        self._token = mode.set(Mode(recording, (*outer, self._label)))

    def __exit__(self, *_: object) -> None:
        mode.reset(self._token)


@contextmanager
def _in_mode(new: Mode) -> Iterator[None]:
    token = mode.set(new)
    try:
        yield
    finally:
        mode.reset(token)


def tape(*outputs: Node) -> list[Node]:
    """Every node that the outputs were computed from, themselves included, in recorded order.

    >>> import tinygrad_rnn as tg
    >>> w = tg.Tensor(2.0, requires_grad=True)
    >>> [node.op.name if node.op else "leaf" for node in tape(tg.exp(w * w))]
    ['leaf', 'multiply', 'exp']
    """
    nodes = set(outputs)
    waiting = list(nodes)
    while waiting:
        for x in waiting.pop().inputs:
            if hasattr(x, "serial") and x not in nodes:
                nodes.add(x)
                waiting.append(x)
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
    nodes = tape(*outputs)
    useful = None if wanted is None else _leading_to(wanted, nodes)
    totals: dict[Node, Any] = {}
    found: dict[Node, Any] = {}
    for node, cotangent in zip(outputs, cotangents, strict=True):
        totals[node] = _plus(totals[node], cotangent) if node in totals else cotangent
    with _in_mode(mode.get()):
        for node in reversed(nodes):
            held = totals.pop(node, None)
            if held is None:
                continue
            g = held if type(held) is np.ndarray else _value(held, node)
            if (node.op is None or node._retains_grad) if wanted is None else node in wanted:
                found[node] = g if create_graph else np.array(g, order="C")
            if create_graph:
                mode.set(Mode(True, node.scope))
            if node.op is not None:
                _step(node, g, totals, useful, create_graph)
    return found


def _leading_to(wanted: Collection[Node], nodes: list[Node]) -> set[Node]:
    """The wanted nodes, and those whose gradient flows on into a wanted one."""
    useful = set(wanted)
    for node in nodes:
        if any(hasattr(x, "serial") and x in useful for x in node.inputs):
            useful.add(node)
    return useful


def _step(
    node: Node, g: Any, totals: dict[Node, Any], useful: set[Node] | None, create_graph: bool
) -> None:
    """Adds to the totals of one node's inputs what its rules make of its gradient g."""
    op, inputs, settings, serial = node.op, node.inputs, node.settings, node.serial
    z, values = (node, inputs) if create_graph else (node._array, node.values)
    edges = _together(op, g, z, values, settings) if op.variadic else op.edges
    for rule, x in zip(edges, inputs):  # noqa: B905 - inputs beyond the edges have no rule
        if getattr(x, "serial", 0) > serial:
            raise _written(node, x)
        if rule is None or not getattr(x, "_requires_grad", False):
            continue
        if useful is not None and x not in useful:
            continue
        gradient = rule(g, z, *values, **settings) if settings else rule(g, z, *values)
        if type(gradient) is not Term:
            array = x._array
            if gradient.dtype is not array.dtype or gradient.shape != array.shape:
                gradient = _fitted(gradient, x, op)
        elif create_graph:
            gradient = _fitted(gradient(), x, op)
        held = totals.get(x)
        totals[x] = gradient if held is None else _plus(held, gradient)


def _together(op: Op, g: Any, z: Any, values: Sequence[Any], settings: dict[str, Any]) -> Any:
    """The one rule's gradients of all inputs, each as the rule that gives it."""
    rule = op.edges[0]
    gradients = rule(g, z, *values, **settings) if rule else ()
    return [lambda *_, gradient=gradient, **__: gradient for gradient in gradients]


def _plus(held: Any, gradient: Any) -> Sum:
    """One more term of a gradient has arrived."""
    total = held if type(held) is Sum else Sum(held)
    total.add(gradient)
    return total


def _value(held: Any, node: Node) -> Any:
    """The node's whole gradient, of its shape and dtype."""
    value = held() if type(held) is Term else held.value() if type(held) is Sum else held
    return _fitted(value, node, None)


def _fitted(gradient: Any, x: Node, op: Op | None) -> Any:
    """The gradient in x's shape and dtype: what x was broadcast over is summed."""
    array = x._array
    if gradient.shape != array.shape:
        if op is None or not op.elementwise:
            raise ValueError(
                f"{op.name if op else 'gradient'}: the rule gave a gradient of shape "
                f"{gradient.shape} for {x.name or 'an input'} of shape {array.shape}"
            )
        gradient = sum_to(gradient, array.shape)
    return gradient if gradient.dtype == array.dtype else astype(gradient, dtype=array.dtype)


def _written(node: Node, x: Node) -> RuntimeError:
    name = x.name or f"a tensor of shape {x.shape}"
    return RuntimeError(
        f"{node.op.name}: {name} was written after {node.op.name} had recorded it, so its "
        "gradient would be wrong; call backward() before you change it, or compute the result anew"
    )
