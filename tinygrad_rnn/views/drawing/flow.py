"""How much of the gradient flows through each edge: one walk back, of which norms are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...bptt.time import Edge
from ...bptt.walk import index_of, valued, walk
from ...derivation.report import norm
from ...engine.totals import Node
from ...ops.op import Array

Norms = dict[str, float]


def link_norms(output: Node, links: Mapping[str, Sequence[Edge]]) -> Norms:
    """The norm of the gradient that flows back through each link that one flows through.

    output: a tensor of one entry. links: edges, those that are drawn as one together. What they
    add to the gradient of one tensor is added up; those of several tensors are one long vector.
    Raises: RuntimeError where a tensor was written after it was recorded.

    >>> import tinygrad_rnn as tg
    >>> w = tg.Tensor([3.0, 4.0], requires_grad=True)
    >>> y = w * w
    >>> link_norms(tg.sum(y), {"each": [(y, 0)], "other": [(y, 1)]})
    {'each': 5.0, 'other': 5.0}
    >>> link_norms(tg.sum(y), {"both": [(y, 0), (y, 1)]})
    {'both': 10.0}
    """
    link_of = {edge: link for link, edges in links.items() for edge in edges}
    norms: Norms = {}
    sums: dict[str, dict[Node, Array]] = {}

    def add(edge: Edge, array: Array) -> None:
        link = link_of.get(edge)
        if link is None:
            return
        if len(links[link]) == 1:
            norms[link] = norm(array)
            return
        known, x = sums.setdefault(link, {}), edge[0].inputs[edge[1]]
        known[x] = array if x not in known else known[x] + array

    def edit(node: Node, place: int, g: Array, gradient: Any) -> Array:
        array = valued(gradient, node, place)
        add((node, place), array)
        return array

    found = walk(output, np.ones(output.shape, output.dtype), edit=edit)
    for parts in _parts_together(found, link_of):
        add((parts[0], 0), _of_parts(parts, found))
    return norms | {link: _together(arrays.values()) for link, arrays in sums.items()}


def _parts_together(
    found: Mapping[Node, Array], link_of: Mapping[Edge, str]
) -> Iterable[list[Node]]:
    """The parts of arrays that were reached: those of one array in one link together."""
    together: defaultdict[Hashable, list[Node]] = defaultdict(list)
    for node in found:
        if node.op is not None and node.op.is_part:
            together[link_of.get((node, 0)), node.op, node.inputs[0]].append(node)
    return together.values()


def _of_parts(parts: Sequence[Node], found: Mapping[Node, Array]) -> Array:
    """What parts of one array, all taken by one op, add to its gradient."""
    op, x = parts[0].op, parts[0].inputs[0]
    if len(parts) == 1 and parts[0].settings:  # an index of slices: every entry once
        return found[parts[0]]
    indices = [index_of(node) for node in parts]
    return np.asarray(op.edges[0]([found[node] for node in parts], x._array, indices))


def _together(arrays: Iterable[Array]) -> float:
    """The norm of several arrays as one.

    >>> _together([np.array([3.0]), np.array([0.0, 4.0])])
    5.0
    """
    return norm(np.array([norm(array) for array in arrays]))
