"""How much of the gradient flows through each edge: one walk back, of which norms are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...bptt.pullback import edited_pullback
from ...bptt.time import Edge
from ...derivation.report import norm
from ...engine.tape import value_of
from ...engine.totals import Node, Totals
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
    sums: defaultdict[str, Totals] = defaultdict(Totals)

    def edit(node: Node, place: int, g: Array, gradient: Any) -> Any:
        link = link_of.get((node, place))
        if link is not None:
            sums[link].receive(node.inputs[place], gradient, node.op)
        return gradient

    edited_pullback(output, np.ones(output.shape, output.dtype), edit=edit)
    return {link: _joint_norm(map(value_of, several.rest())) for link, several in sums.items()}


def _joint_norm(arrays: Iterable[Array]) -> float:
    """The norm of several arrays as one.

    >>> _joint_norm([np.array([3.0]), np.array([0.0, 4.0])])
    5.0
    """
    return norm(np.array([norm(array) for array in arrays]))
