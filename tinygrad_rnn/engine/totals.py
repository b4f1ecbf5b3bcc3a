"""Totals: the gradients while their terms arrive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..ops.elementwise import positive
from ..ops.op import Op, Term
from ..ops.reduce import sum_to
from ..ops.shape import cast

Node = Any  # whatever has the slots of a Tensor
ENTRIES_THAT_WAIT = 2**18  # what waits is stacked, and stacks should stay in the cache


class Totals:
    """For each node the sum of the gradients that have arrived.

    The first array that arrives is borrowed, the second makes a new one that is owned, later ones
    are added in place. Terms wait, so that many of one op become one call.
    """

    __slots__ = ("arrays", "owned", "waiting")

    def __init__(self) -> None:
        self.arrays: dict[Node, Any] = {}
        self.owned: set[Node] = set()
        self.waiting: defaultdict[Node, list[Term]] = defaultdict(list)

    def receive(self, node: Node, gradient: Any, op: Op) -> None:
        """What a rule of the op gave for the node has arrived: it is added, a Term waits."""
        if type(gradient) is Term:
            terms = self.waiting[node]
            terms.append(gradient)
            entries = len(terms) * getattr(gradient.inputs[0], "size", 1)
            if entries > ENTRIES_THAT_WAIT and entries > node.size:
                self.gather(node)
            return
        array = node._array
        try:
            fits = gradient.shape == array.shape and gradient.dtype is array.dtype
        except AttributeError:
            fits = False
        if not fits:
            gradient = fitted(gradient, node, op)
        if node in self.arrays:
            self.add(node, gradient)
        else:
            self.arrays[node] = gradient

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

    def gather(self, node: Node) -> None:
        """Adds up the Terms that have waited, all of an op at once."""
        by_op: dict[Op, list[Term]] = {}
        for term in self.waiting.pop(node):
            by_op.setdefault(term.op, []).append(term)
        for op, terms in by_op.items():
            for term in [op.join(terms)] if op.join else terms:
                gradient = fitted(term(), node, op)
                if node not in self.arrays and _is_new(gradient, term):
                    self.owned.add(node)
                self.add(node, gradient)

    def take(self, node: Node) -> Any:
        """What has arrived for the node, no longer here; None where nothing has.

        Where it is one Term that can go through the node's op, it stays one.
        """
        if self.waiting and node in self.waiting:
            term = self._one_term(node)
            if term is not None:
                return term
            self.gather(node)
        return self.arrays.pop(node, None)

    def _one_term(self, node: Node) -> Term | None:
        terms = self.waiting[node]
        op = terms[0].op
        if node.op not in op.through or node in self.arrays or any(t.op is not op for t in terms):
            return None
        if len(terms) > 1 and not op.join:
            return None
        del self.waiting[node]
        one: Term = op.join(terms) if op.join else terms[0]
        return one

    def rest(self) -> Iterator[Any]:
        """What has arrived for each node, taken one after another."""
        for node in [*self.arrays, *(self.waiting.keys() - self.arrays.keys())]:
            yield self.take(node)

    def own(self, node: Node, g: Any) -> Any:
        """The node's gradient g, taken before, as an array or Tensor that nothing else shares."""
        return g if node in self.owned else copy_of(g)


def _is_new(gradient: Any, term: Term) -> bool:
    """Whether the term's value is an array of its own; of some ops it is an input, or its view."""
    own = type(gradient) is np.ndarray and gradient.base is None
    return own and all(x is not gradient for x in term.inputs)


def copy_of(g: Any) -> Any:
    """A copy of an array or Tensor; the value of a Term."""
    if type(g) is Term:
        g = g()
    return positive(g) if hasattr(g, "serial") else np.array(g, order="C")


def fitted(gradient: Any, x: Node, op: Op) -> Any:
    """What a rule gave for x in x's shape and dtype: what x was broadcast over is summed.

    Raises: ValueError for another shape, TypeError for what is no array.
    """
    array = x._array
    try:
        if gradient.shape != array.shape:
            gradient = _summed(gradient, x, op)
        if gradient.dtype is array.dtype:
            return gradient
        if gradient.dtype.kind in "fiub":
            return cast(gradient, dtype=array.dtype)
    except AttributeError:
        pass
    raise TypeError(
        f"{op.name}: the rule gave {gradient!r:.60} for {x.name or 'an input'}; it must give "
        f"an array of shape {array.shape}, of real numbers"
    )


def _summed(gradient: Any, x: Node, op: Op) -> Any:
    try:
        if op.elementwise:
            return sum_to(gradient, x._array.shape)
    except ValueError:
        pass
    raise ValueError(
        f"{op.name}: the rule gave a gradient of shape {gradient.shape} for "
        f"{x.name or 'an input'} of shape {x._array.shape}"
    )
