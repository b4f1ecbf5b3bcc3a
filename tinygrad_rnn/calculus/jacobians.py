"""Jacobians in a named layout, and what adds them up entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.tape import tape
from ..engine.tensor import Tensor
from ..func import transforms as func
from ..ops.op import array, describe
from .layouts import LAYOUTS, ORDERS, check_one_of

__all__ = ["by_entries", "jacobian"]


def jacobian(
    f: Callable[[Any], Any], x: Any, *, layout: str | None = None, vec: str = "F"
) -> Tensor:
    """All derivatives of f by the entries of x at x, as one array or as a matrix.

    f: takes a Tensor like x and returns one made of it by recorded operations, of any shape.
    x: floats of any shape. layout: None for an array of y.shape + x.shape; else ∂vec(y)/∂vec(x),
    "numerator" for (y.size, x.size), "denominator" for its transpose. vec: "F" stacks columns, "C"
    rows. Result: of the dtype of x; recorded where x or what f closes over requires a gradient.
    Raises: ValueError for another layout or vec, and where the result does not depend on x;
    TypeError where x holds no floats or f returns no Tensor.

    >>> W, e = np.zeros((2, 2)), np.array([1.0, 2.0])
    >>> jacobian(lambda W: W @ e, W).shape
    (2, 2, 2)
    >>> jacobian(lambda W: W @ e, W, layout="numerator")
    Tensor([[1., 0., 2., 0.],
            [0., 1., 0., 2.]])
    """
    name = "calculus.jacobian"
    check_one_of(name, "layout", layout, (None, *LAYOUTS))
    check_one_of(name, "vec", vec, ORDERS)
    x = _floats(name, x)
    full: Tensor = func.jacobian(_recorded(name, f))(x)
    if layout is None:
        return full
    matrix = _matrix(full, full.ndim - x.ndim, vec)
    return matrix if layout == "numerator" else matrix.T


def by_entries(f: Callable[[Any], Any], x: Any, g: Any) -> tuple[Tensor, Tensor]:
    """The gradient of L by x as a sum over the entries of h = f(x): (terms, their sum).

    f, x: as for `jacobian`. g: ∂L/∂h, of the shape of h.
    Terms: (h.size, *x.shape), the i-th is ∂L/∂h_i · ∂h_i/∂x, entries of h in NumPy's order. Sum:
    of the shape of x. Both have the dtype of x. Equation: (52).
    Raises: as `jacobian`; ValueError where g has another shape than h.

    >>> terms, total = by_entries(lambda W: W @ np.array([1.0, 2.0]), np.eye(2), [1.0, 10.0])
    >>> terms
    Tensor([[[ 1.,  2.],
             [ 0.,  0.]],
            [[ 0.,  0.],
             [10., 20.]]])
    >>> total
    Tensor([[ 1.,  2.],
            [10., 20.]])
    """
    name = "calculus.by_entries"
    x = _floats(name, x)
    full: Tensor = func.jacobian(_recorded(name, f))(x)
    needed = full.shape[: full.ndim - x.ndim]
    g = g if isinstance(g, Tensor) else Tensor(g)
    if g.shape != needed:
        raise ValueError(f"{name}: g has shape {g.shape}, but f gives {needed}; give ∂L/∂f like it")
    count = g.size
    weights = g.astype(x.dtype).reshape((count, *[1] * x.ndim))
    terms = full.reshape((count, *x.shape)) * weights
    return terms, terms.sum(axis=0)


def _floats(name: str, x: Any) -> Any:
    """x as an array or Tensor of floats."""
    x = array(x)
    if x.dtype.kind != "f":
        raise TypeError(
            f"{name}: x has dtype {x.dtype}, but only floats have derivatives; give x.astype(float)"
        )
    return x


def _recorded(name: str, f: Callable[[Any], Any]) -> Callable[[Any], Tensor]:
    """f, once its result is known to come from its argument."""

    def checked(x: Tensor) -> Tensor:
        y = f(x)
        if not isinstance(y, Tensor):
            raise TypeError(
                f"{name}: f returned {describe(y)} of type {type(y).__name__}, which has no "
                "derivatives; return one Tensor, made by operations of tg or NumPy functions"
            )
        if all(node is not x for node in tape(y)):
            raise ValueError(
                f"{name}: f's result, {describe(y)}, depends on x by no recorded operation; is "
                "something detached, rounded or compared, or computed from .data?"
            )
        return y

    return checked


def _matrix(full: Tensor, ndim: int, order: str) -> Tensor:
    """The array y.shape + x.shape as (y.size, x.size). ndim: how many axes are of y."""
    axes = range(full.ndim)
    rows, columns = (int(np.prod(full.shape[part])) for part in (slice(ndim), slice(ndim, None)))
    if order == "F":
        full = full.transpose([*axes[:ndim][::-1], *axes[ndim:][::-1]])
    return full.reshape((rows, columns))
