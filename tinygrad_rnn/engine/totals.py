"""The gradients while their terms arrive."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from ..ops.elementwise import positive
from ..ops.op import Op, Term
from ..ops.reduce import sum_to
from ..ops.shape import cast

Node = Any


ENTRIES_THAT_WAIT = 2**18  # what waits is stacked, and stacks should stay in the cache


# What has arrived for a node, to be added up together: a product, or the op that took a part, the
# part's gradient and its index.
Waiting = Term | tuple[Op, Any, Any]


class Totals:
    """The gradients while their terms arrive.

    The first array that arrives is borrowed, the second makes a new one that is owned, later ones
    are added in place. Terms wait, so that many of one op become one call.
    """

    __slots__ = ("arrays", "owned", "waiting")

    def __init__(self) -> None:
        self.arrays: dict[Node, Any] = {}
        self.owned: set[Node] = set()
        self.waiting: defaultdict[Node, list[Waiting]] = defaultdict(list)

    def add(self, node: Node, gradient: Any) -> None:
        """One more array or Tensor has arrived for the node."""
        held = self.arrays.get(node)
        if held is None:
            self.arrays[node] = gradient
        elif node in self.owned:
            held += gradient
        else:
            held = self.arrays[node] = held + gradient
            if type(held) is np.ndarray and held.size > 1:  # one entry is slower in place
                self.owned.add(node)

    def receive(self, node: Node, gradient: Any, op: Op) -> None:
        """What a rule of the op gave for the node has arrived: it waits, or is added."""
        if type(gradient) is Term:
            self.wait(node, gradient)
            return
        array = node._array
        try:
            if gradient.shape != array.shape or gradient.dtype is not array.dtype:
                gradient = _fitted(gradient, node, op)
        except AttributeError as error:
            raise _no_array(gradient, node, op) from error
        if node in self.arrays:
            self.add(node, gradient)
        else:
            self.arrays[node] = gradient

    def wait(self, node: Node, term: Term) -> None:
        """One more product has arrived for the node."""
        terms = self.waiting[node]
        terms.append(term)
        if len(terms) * term.inputs[0].size > ENTRIES_THAT_WAIT:
            self.gather(node)

    def gather(self, node: Node) -> None:
        """Adds up what has waited, all of an op at once."""
        by_op: dict[Op, list[Any]] = {}
        for waiting in self.waiting.pop(node):
            by_op.setdefault(waiting[0], []).append(waiting)
        for op, several in by_op.items():
            if op.is_part:
                _, gradients, indices = zip(*several, strict=True)
                total = op.edges[0](gradients, node._array, indices)
            else:
                total = op.join(several)()
            total = _fitted(total, node, op)
            if node in self.arrays:
                self.add(node, total)
            else:
                self.arrays[node] = total
                if type(total) is np.ndarray:
                    self.owned.add(node)


def own(g: Any, owned: bool) -> Any:
    """The gradient, or a copy where it may share memory. g: an array or a Tensor."""
    if owned:
        return g
    return positive(g) if hasattr(g, "serial") else np.array(g, order="C")


def _fitted(gradient: Any, x: Node, op: Op) -> Any:
    """The gradient in x's shape and dtype: what x was broadcast over is summed."""
    array = x._array
    if gradient.shape != array.shape:
        try:
            summed = sum_to(gradient, array.shape) if op.elementwise else None
        except ValueError:
            summed = None
        if summed is None:
            raise ValueError(
                f"{op.name}: the rule gave a gradient of shape {gradient.shape} for "
                f"{x.name or 'an input'} of shape {array.shape}"
            )
        gradient = summed
    return gradient if gradient.dtype == array.dtype else cast(gradient, dtype=array.dtype)


def _no_array(gradient: Any, x: Node, op: Op) -> TypeError:
    return TypeError(
        f"{op.name}: the rule gave {gradient!r:.60} for {x.name or 'an input'}; it must give an "
        f"array of shape {x._array.shape}"
    )
