"""The backward pass as text: each node's gradient, where it comes from, and what its rule sends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import ops
from ..ops.op import Array
from .visits import Visit


def norm(gradient: Array) -> float:
    """The Euclidean norm of all entries.

    >>> f"{norm(np.array([3e200, 4e200])):.3g}"
    '5e+200'
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return float(ops.norm(np.ravel(gradient)))


def report(derivation: Any) -> str:
    """One paragraph for each step of the walk."""
    name = derivation.name
    lines = [f"L = {name(derivation.loss)} = {derivation.loss.item():.6g}; dL/dL = 1"]
    for k, visit in enumerate(derivation.walk(), start=1):
        lines += ["", *_paragraph(k, visit, derivation)]
    return "\n".join(lines)


def _paragraph(k: int, visit: Visit, derivation: Any) -> Iterator[str]:
    node, gradient = visit.node, visit.gradient
    op = node.op.name if node.op is not None else ""
    yield f"{k}. {derivation.formula(node).text}"
    yield f"   dL/d{derivation.name(node)}: {_described(gradient)}{_arrivals(visit, derivation)}"
    for sent in visit.sends:
        rule = f"{op}, to {sent.input}: {sent.rule.text}"
        yield f"   {rule}    {_described(sent.array)}"


def _described(array: Any) -> str:
    """Shape and Euclidean norm."""
    return f"{tuple(array.shape)}, norm {norm(array):.4g}"


def _arrivals(visit: Visit, derivation: Any) -> str:
    """Which nodes sent the gradient, where several did."""
    if len(visit.arrived) < 2:
        return ""
    parts = [f"from {derivation.name(node)} {norm(array):.4g}" for node, array in visit.arrived]
    return f", the sum of {len(parts)}: {', '.join(parts)}"
