"""Matrix calculus: Jacobians in a named layout, vec, and Kronecker products.

Numerator layout has a row for each entry of the result, denominator layout is its transpose. vec
makes a matrix a vector: order "F" stacks its columns, as the mathematics does, "C" its rows, as
NumPy does. Equations: section 8 of docs/derivation.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import ops
from .func import jacobian as jacobian_of
from .op import Array, Op
from .tensor import Tensor

__all__ = [
    "Kronecker",
    "by_entries",
    "commutation_matrix",
    "jacobian",
    "kronecker_jacobian",
    "unvec",
    "vec",
]

LAYOUTS = ("numerator", "denominator")
ORDERS = ("F", "C")
ACTIVATIONS: dict[str, Op | None] = {
    "identity": None,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "relu": ops.relu,
}


def vec(x: Any, order: str = "F") -> Array:
    """The entries of an array as a vector, (x.size,): column by column, or row by row for "C".

    Raises: ValueError for another order.

    >>> vec([[1, 2], [3, 4]]), vec([[1, 2], [3, 4]], order="C")
    (array([1, 3, 2, 4]), array([1, 2, 3, 4]))
    """
    _check("vec: order", order, ORDERS)
    return _array(x).ravel(order=order)  # type: ignore[arg-type]


def unvec(v: Any, shape: tuple[int, ...], order: str = "F") -> Array:
    """The array of this shape whose vec is v. Raises: ValueError where the sizes differ.

    >>> unvec([1, 3, 2, 4], (2, 2))
    array([[1, 2],
           [3, 4]])
    """
    _check("unvec: order", order, ORDERS)
    v = _array(v)
    if v.size != math.prod(shape):
        raise ValueError(f"unvec: v has {v.size} entries, but shape {shape} {math.prod(shape)}")
    return v.reshape(shape, order=order)  # type: ignore[no-any-return]


def commutation_matrix(m: int, n: int) -> Array:
    """K, (mn, mn), for which K vec(A) = vec(Aᵀ) for every A (m, n); vec stacks columns.

    >>> A = np.arange(6.0).reshape(2, 3)
    >>> np.array_equal(commutation_matrix(2, 3) @ vec(A), vec(A.T))
    True
    """
    return np.eye(m * n)[vec(unvec(np.arange(m * n), (m, n)).T)]


def jacobian(
    f: Callable[[Any], Any], x: Any, *, layout: str | None = None, vec: str = "F"
) -> Array:
    """The derivatives of f at x.

    f: of one array of floats, written with operations of tg. layout: None for the whole tensor,
    y.shape + x.shape; "numerator" for the matrix ∂vec(y)/∂vec(x), (y.size, x.size); "denominator"
    for its transpose. vec: "F" or "C", how both are made vectors.
    Raises: ValueError for another layout or order, TypeError where x is no float or f gives
    something that is not computed from it by operations.

    >>> jacobian(lambda W: W @ np.array([1.0, 2.0]), np.ones((2, 2)), layout="numerator")
    array([[1., 0., 2., 0.],
           [0., 1., 0., 2.]])
    """
    if layout is not None:
        _check("jacobian: layout", layout, LAYOUTS)
    _check("jacobian: vec", vec, ORDERS)
    x = _array(x)
    whole = _array(jacobian_of(_checked(f))(x))
    if layout is None:
        return whole
    rows = math.prod(whole.shape[: whole.ndim - x.ndim])
    if vec == "F":  # the last index of each half moves slowest
        ndim = whole.ndim - x.ndim
        whole = whole.transpose(*range(ndim)[::-1], *range(ndim, whole.ndim)[::-1])
    matrix = whole.reshape(rows, x.size)
    return matrix if layout == "numerator" else matrix.T


def _checked(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """f. Raises: TypeError where its result is no Tensor that was computed."""

    def of(x: Any) -> Any:
        y = f(x)
        if not isinstance(y, Tensor) or not y.requires_grad:
            raise TypeError(
                f"jacobian: f gave {type(y).__name__}, which does not depend on x by operations; "
                "f is not differentiable, or uses x.data or NumPy on it"
            )
        return y

    return of


class Kronecker(NamedTuple):
    """A Jacobian in factors: diag(slope) (left ⊗ right), or in denominator layout its transpose.

    slope: (H,), the activation's derivative. left, right: matrices. names: what they are called.
    """

    slope: Array
    left: Array
    right: Array
    layout: str
    names: tuple[str, str, str]

    def dense(self) -> Array:
        """The matrix: (H, IH), or (IH, H) in denominator layout."""
        matrix = self.slope[:, None] * np.kron(self.left, self.right)
        return matrix if self.layout == "numerator" else matrix.T

    def apply(self, v: Any) -> Array:
        """The matrix times a vector, without making it: (P ⊗ Q) vec(X) = vec(Q X Pᵀ)."""
        v = _array(v).reshape(-1)
        if self.layout == "numerator":
            X = unvec(v, (self.right.shape[1], self.left.shape[1]))
            return self.slope * vec(self.right @ X @ self.left.T)
        X = unvec(self.slope * v, (self.right.shape[0], self.left.shape[0]))
        return vec(self.right.T @ X @ self.left)

    def formula(self) -> str:
        """The product as it is written."""
        slope, left, right = self.names
        product = f"({left} ⊗ {right})"
        if self.layout == "denominator":
            product = f"({_turned(left)} ⊗ {_turned(right)})"
        if not slope:
            return product
        return f"{slope} {product}" if self.layout == "numerator" else f"{product} {slope}"


def kronecker_jacobian(
    W: Any,
    e: Any,
    *,
    offset: Any = 0.0,
    activation: str = "tanh",
    transposed: bool = True,
    by: str = "vec(W)",
    layout: str = "numerator",
) -> Kronecker:
    """The Jacobian of h = act(Wᵀ e + offset) by W, in factors.

    W: (I, H), or (H, I) where not transposed: then h = act(W e + offset). e: (I,) or (I, 1).
    offset: (H,), (H, 1) or a number, as Uᵀ h_0. activation: "tanh", "sigmoid", "relu", "identity".
    by: "vec(W)" or "vec(W.T)"; vec stacks columns. layout: "numerator" or "denominator".
    Raises: ValueError for another activation, by or layout, or shapes that do not fit.
    Equation: (47), (48), (50) and (51).

    >>> J = kronecker_jacobian(np.ones((2, 3)), np.array([0.1, 0.2]), by="vec(W.T)")
    >>> J.formula(), J.dense().shape
    ("diag(tanh'(z)) (eᵀ ⊗ I_3)", (3, 6))
    """
    _check("kronecker_jacobian: layout", layout, LAYOUTS)
    _check("kronecker_jacobian: by", by, ("vec(W)", "vec(W.T)"))
    _check("kronecker_jacobian: activation", activation, tuple(ACTIVATIONS))
    W, e = _array(W), _array(e).reshape(-1)
    A = W.T if transposed else W
    if A.ndim != 2 or A.shape[1] != e.size:
        raise ValueError(
            f"kronecker_jacobian: W has shape {W.shape}, e {e.size} entries: "
            f"{'W' if transposed else 'W.T'} must have as many rows"
        )
    H = A.shape[0]
    z = A @ e
    z = z + np.asarray(_array(offset), z.dtype).reshape(-1)
    slope = _slope(ACTIVATIONS[activation], z)
    row, eye = e[None, :], np.eye(H, dtype=e.dtype)
    name = f"diag({activation}'(z))" if activation != "identity" else ""
    if (by == "vec(W)") is transposed:  # vec(Aᵀ)
        return Kronecker(slope, eye, row, layout, (name, f"I_{H}", "eᵀ"))
    return Kronecker(slope, row, eye, layout, (name, "eᵀ", f"I_{H}"))


def _slope(op: Op | None, z: Array) -> Array:
    """The derivative of an activation at z, by its own rule."""
    ones = np.ones_like(z)
    return ones if op is None else np.asarray(op.edges[0](ones, op.forward(z), z))


def by_entries(f: Callable[[Any], Any], x: Any, g: Any) -> tuple[Array, Array]:
    """The gradient as a sum over the entries of the result: Σ_i (∂y_i/∂x) g_i, and its terms.

    f, x: as for `jacobian`. g: dL/dy, of y's shape. Result: terms (y.size, *x.shape) in the order
    of NumPy, and their sum, of x's shape. Raises: as `jacobian`; ValueError for another g.
    Equation: (52).

    >>> terms, total = by_entries(lambda W: W @ np.ones(2), np.ones((3, 2)), np.array([1.0, 2, 3]))
    >>> terms.shape, total[:, 0]
    ((3, 3, 2), array([1., 2., 3.]))
    """
    x, g = _array(x), _array(g)
    whole = jacobian(f, x)
    if whole.shape != g.shape + x.shape:
        raise ValueError(
            f"by_entries: g has shape {g.shape}, but the result of f "
            f"{whole.shape[: whole.ndim - x.ndim]}"
        )
    slopes = whole.reshape(-1, *x.shape)
    terms = slopes * g.reshape(-1, *(1,) * x.ndim)
    return terms, terms.sum(axis=0)


def _array(x: Any) -> Array:
    return np.asarray(getattr(x, "_array", x))


def _turned(name: str) -> str:
    return {"eᵀ": "e"}.get(name, name)


def _check(what: str, given: Any, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ValueError(f"{what} is {given!r}; it must be one of {', '.join(map(repr, known))}")
