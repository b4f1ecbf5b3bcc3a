# Rules name ops that are declared further down, which mypy cannot follow:
# mypy: disable-error-code="has-type"
"""The entries of rows at given places, as of targets: ops that only decompositions use."""

from __future__ import annotations

from typing import Any

import numpy as np

from .op import op

__all__: list[str] = []


@op()
def places(targets: Any, *, size: int) -> Any:
    """Where each target is in the flattened logits, of `size` classes; 0 for a negative one.

    >>> places(np.array([2, 0, -100]), size=4)
    array([2, 4, 8])
    """
    rows = np.arange(targets.size, dtype=np.intp).reshape(targets.shape) * size
    return rows + np.maximum(targets, 0).astype(np.intp)


@op(x=lambda g, z, x, places: unpicked(g, places, size=x.shape[-1]))
def picked(x: Any, places: Any) -> Any:
    """The entries of x, flattened, at the places: one of each row.

    >>> picked(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 2]))
    array([2., 3.])
    """
    return x.reshape(-1)[places]


@op(x=lambda g, z, x, places, size: picked(g, places))
def unpicked(x: Any, places: Any, *, size: int) -> Any:
    """Zeros, of `size` to a row, with x at the places: the transpose of `picked`.

    >>> unpicked(np.array([2.0, 3.0]), np.array([1, 2]), size=2)
    array([[0., 2.],
           [3., 0.]])
    """
    result = np.zeros((*x.shape, size), x.dtype)
    result.reshape(-1)[places] = x
    return result


@op(x=lambda g, z, x, places: g)
def less_one(x: Any, places: Any) -> Any:
    """x less 1 at the places, one of each row: probabilities less the one-hot target.

    >>> less_one(np.array([[0.5, 0.5]]), np.array([1]))
    array([[ 0.5, -0.5]])
    """
    result = np.array(x, order="C")
    result.reshape(-1)[places] -= 1
    return result


@op(x=lambda g, z, x, rows: zeroed(g, rows))
def zeroed(x: Any, rows: Any) -> Any:
    """x with zeros in some of its rows. rows: bool, of x's first axes.

    >>> zeroed(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([True, False]))
    array([[0., 0.],
           [3., 4.]])
    """
    result = np.array(x)
    result[rows] = 0
    return result
