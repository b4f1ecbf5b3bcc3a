"""Matrix calculus: Jacobians in a named layout, vec, the Kronecker form of one layer.

Numerator layout has a row for each entry of the result, denominator layout a column: they are each
other's transposes. A matrix is made a vector by vec, which stacks columns (Fortran order "F", as
in books) or rows ("C", as NumPy does). The equations are those of docs/derivation.md, sections 8
and 11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..derivation.expressions.expression import Symbol, named
from ..derivation.expressions.recorder import Recorder, rules_of
from ..derivation.expressions.simpler import is_one
from ..derivation.expressions.spelling import Speller
from ..derivation.expressions.syntax import variable
from ..engine.from_numpy import numeric
from ..engine.tape import tape
from ..engine.tensor import Tensor, leaf
from ..func import transforms as func
from ..ops import positive, relu, sigmoid, tanh
from ..ops.op import Array, Op, array, describe

__all__ = [
    "KroneckerJacobian",
    "by_entries",
    "commutation_matrix",
    "jacobian",
    "kronecker_jacobian",
    "unvec",
    "vec",
]

LAYOUTS = ("numerator", "denominator")
ORDERS = ("F", "C")
BY = ("vec(W)", "vec(W.T)")
# By name: the operation, whose own rule gives the slope and is printed.
ACTIVATIONS: dict[str, Op] = {
    "identity": positive,
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
}


@dataclass(frozen=True, eq=False)
class KroneckerJacobian:
    """∂h/∂vec of a weight in Kronecker form; `kronecker_jacobian` makes it.

    Numerator layout: diag(s) (left ⊗ right), (H, I·H). Denominator layout: its transpose,
    (left ⊗ right) diag(s), (I·H, H), with left and right transposed.
    diag: (H,), the slopes s of the activation. e: (I,). weight_shape: that of W.
    identity_left: whether left is the identity and right has e, or the other way round.
    by, layout: as they were given. slope: how s is printed, "" where it is all ones.
    """

    diag: Array
    e: Array
    weight_shape: tuple[int, int]
    identity_left: bool
    by: str
    layout: str
    slope: str

    @property
    def factors(self) -> tuple[Array, Array, Array]:
        """(diag, left, right): the slopes (H,), and both sides of ⊗ as matrices.

        >>> [part.shape for part in kronecker_jacobian(np.ones((4, 3)), np.ones(3)).factors]
        [(4,), (1, 3), (4, 4)]
        """
        column, eye = self.e[:, np.newaxis], np.eye(self.diag.size, dtype=self.diag.dtype)
        vector = column.T if self.layout == "numerator" else column
        return (self.diag, eye, vector) if self.identity_left else (self.diag, vector, eye)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, I·H) in numerator layout, (I·H, H) in denominator layout."""
        rows, columns = self.diag.size, self.diag.size * self.e.size
        return (rows, columns) if self.layout == "numerator" else (columns, rows)

    def dense(self) -> Array:
        """The matrix itself, of `shape`; mostly zeros.

        >>> kronecker_jacobian(np.zeros((2, 3)), np.array([1.0, 2.0, 3.0])).dense()
        array([[1., 0., 2., 0., 3., 0.],
               [0., 1., 0., 2., 0., 3.]])
        """
        diag, left, right = self.factors
        slopes = diag[:, np.newaxis] if self.layout == "numerator" else diag
        dense: Array = slopes * np.kron(left, right)
        return dense

    def apply(self, v: Any) -> Array:
        """The matrix times v, without making it. v: (columns,); result: (rows,).

        Raises: ValueError for another shape.

        >>> kronecker_jacobian(np.zeros((2, 3)), np.array([1.0, 2.0, 3.0])).apply(np.ones(6))
        array([6., 6.])
        """
        v = _vector("apply", v, self.shape[1], f"as many as columns of {self.shape}")
        return self._to_result(v) if self.layout == "numerator" else self._to_weight(v)

    def transpose_apply(self, g: Any) -> Array:
        """The transpose times g, without making it. g: (rows,); result: (columns,).

        In numerator layout it takes ∂L/∂h to ∂L/∂vec. Raises: ValueError for another shape.

        >>> J = kronecker_jacobian(np.zeros((2, 3)), np.array([1.0, 2.0, 3.0]))
        >>> J.transpose_apply(np.array([1.0, 10.0]))
        array([ 1., 10.,  2., 20.,  3., 30.])
        """
        g = _vector("transpose_apply", g, self.shape[0], f"as many as rows of {self.shape}")
        return self._to_weight(g) if self.layout == "numerator" else self._to_result(g)

    def gradient(self, dh: Any) -> Array:
        """∂L/∂W, in the shape of W, from dh = ∂L/∂h, (H,). Raises: ValueError for another shape.

        >>> J = kronecker_jacobian(np.zeros((2, 3)), np.array([1.0, 2.0, 3.0]))
        >>> J.gradient(np.array([1.0, 10.0]))
        array([[ 1.,  2.,  3.],
               [10., 20., 30.]])
        """
        flat = self._to_weight(_vector("gradient", dh, self.diag.size, "as many as h has"))
        if self.by == "vec(W)":
            return flat.reshape(self.weight_shape, order="F")
        return flat.reshape(self.weight_shape)  # columns of Wᵀ are rows of W

    def formula(self) -> str:
        """The matrix as one writes it.

        >>> kronecker_jacobian(np.zeros((4, 3)), np.ones(3)).formula()
        'diag(1 - h²) (eᵀ ⊗ I_4)'
        """
        vector = "eᵀ" if self.layout == "numerator" else "e"
        sides = [f"I_{self.diag.size}", vector]
        product = f"({' ⊗ '.join(sides if self.identity_left else sides[::-1])})"
        parts = [f"diag({self.slope})", product] if self.slope else [product]
        return " ".join(parts if self.layout == "numerator" else parts[::-1])

    def _to_result(self, v: Array) -> Array:
        """diag(s) (left ⊗ right) v of numerator layout, by (46)."""
        H, I = self.diag.size, self.e.size
        product: Array = (
            v.reshape(H, I) @ self.e if self.identity_left else self.e @ v.reshape(I, H)
        )
        return self.diag * product

    def _to_weight(self, g: Array) -> Array:
        """(left ⊗ right) diag(s) g of denominator layout, by (45)."""
        dz = self.diag * g
        return np.outer(*((dz, self.e) if self.identity_left else (self.e, dz))).ravel()


def kronecker_jacobian(
    W: Any,
    e: Any,
    *,
    offset: Any = 0,
    activation: str = "tanh",
    transposed: bool = False,
    by: str = "vec(W)",
    layout: str = "numerator",
) -> KroneckerJacobian:
    """The Jacobian of h = act(W e + offset), or of act(Wᵀ e + offset), by the weight: its factors.

    W: (H, I), or (I, H) where transposed, floats. e: (I,) or (I, 1). offset: what else is inside,
    a number, (H,) or (H, 1). activation: "tanh", "sigmoid", "relu" or "identity". by: "vec(W)" or
    "vec(W.T)"; vec stacks columns. layout: "numerator" or "denominator".
    Equations: (47), (48), (50), (95), (96).
    Raises: ValueError for another name or shape; TypeError where W holds no floats.

    >>> W, e = np.zeros((3, 4)), np.ones(3)
    >>> J = kronecker_jacobian(W, e, transposed=True, by="vec(W.T)", layout="denominator")
    >>> J.formula(), J.shape
    ('(e ⊗ I_4) diag(1 - h²)', (12, 4))
    """
    name = "calculus.kronecker_jacobian"
    _one_of(name, "activation", activation, tuple(ACTIVATIONS))
    _one_of(name, "by", by, BY)
    _one_of(name, "layout", layout, LAYOUTS)
    W = _weight(name, _plain(name, "W", W))
    M = W.T if transposed else W
    H, I = M.shape
    e = _column(name, "e", _plain(name, "e", e), I, f"I = {I} from W {W.shape}")
    if np.ndim(offset):
        offset = _column(name, "offset", _plain(name, "offset", offset), H, f"H = {H}")
    act = ACTIVATIONS[activation]
    z = M @ e + offset
    ((_, diag),) = act.gradients((np.ones_like(z), act(z), z), (True,), {})
    return KroneckerJacobian(
        diag, e, W.shape, transposed == (by == "vec(W)"), by, layout, slope_of(act)
    )


def slope_of(act: Op) -> str:
    """The derivative of h = act(z) by z as a formula, printed from the op's rule; "" where it is 1.

    >>> [slope_of(act) for act in ACTIVATIONS.values()]
    ['', 'where(z > 0, 1, 0)', 'h * (1 - h)', '1 - h²']
    """
    z, one = Tensor(0.5, requires_grad=True), leaf(np.ones(()))
    h = act(z)
    known = {z: Symbol(named("z", z)), h: Symbol(named("h", h)), one: 1.0}
    ((_, slope, _),) = rules_of(h, one, Recorder(known, np.ndarray.item))
    speller = Speller(lambda symbol: variable(symbol.quantity.name), plain=True)
    return "" if is_one(slope) else speller.text(slope)


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
    _one_of(name, "layout", layout, (None, *LAYOUTS))
    _one_of(name, "vec", vec, ORDERS)
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


def vec(x: Any, order: str = "F") -> Any:
    """The entries of x as a vector (x.size,), column after column, or row after row for "C".

    x: an array, a list, or a Tensor, which is recorded; with more than two axes "F" lets the first
    vary fastest. Raises: ValueError for another order.

    >>> vec(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 3., 2., 4.])
    """
    _one_of("calculus.vec", "order", order, ORDERS)
    x = array(x)
    return (x.T if order == "F" else x).reshape(x.size)


def unvec(v: Any, shape: tuple[int, ...], order: str = "F") -> Any:
    """What vec makes v of: `unvec(vec(x), x.shape)` is x.

    v: (n,), an array, a list or a Tensor. shape: of the result, n entries. order: as for `vec`.
    Raises: ValueError for another order, or where v does not fill the shape.

    >>> unvec([1.0, 3.0, 2.0, 4.0], (2, 2))
    array([[1., 2.],
           [3., 4.]])
    """
    _one_of("calculus.unvec", "order", order, ORDERS)
    v, shape = array(v), tuple(shape)
    if v.ndim != 1 or min(shape, default=0) < 0 or v.size != int(np.prod(shape)):
        raise ValueError(
            f"calculus.unvec: v has shape {v.shape}, but shape {shape} needs "
            f"({int(np.prod(shape))},); give what vec gave"
        )
    return v.reshape(shape[::-1]).T if order == "F" else v.reshape(shape)


def commutation_matrix(m: int, n: int, *, dtype: Any = float) -> Array:
    """K, (m·n, m·n), for which K vec(A) = vec(Aᵀ) for every A of shape (m, n); vec stacks columns.

    dtype: of K. Its transpose, which is its inverse, is `commutation_matrix(n, m)`. Equation: (49).
    Raises: ValueError where m or n is negative.

    >>> A = np.arange(6.0).reshape(2, 3)
    >>> commutation_matrix(2, 3) @ vec(A)
    array([0., 1., 2., 3., 4., 5.])
    """
    if min(m, n) < 0:
        raise ValueError(
            f"calculus.commutation_matrix: m is {m} and n is {n}; give sizes from 0 on"
        )
    places = np.arange(m * n).reshape((m, n), order="F")
    K: Array = np.eye(m * n, dtype=dtype)[places.ravel()]  # row by row: the columns of Aᵀ
    return K


def _one_of(name: str, what: str, came: Any, known: tuple[Any, ...]) -> None:
    if not any(came == x for x in known):
        raise ValueError(f"{name}: {what} is {came!r}; give {', '.join(map(repr, known))}")


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


def _plain(name: str, what: str, x: Any) -> Array:
    return numeric(np.asarray(x.data if isinstance(x, Tensor) else x), f"{name}: {what}")


def _weight(name: str, W: Array) -> Array:
    if W.ndim != 2:
        raise ValueError(f"{name}: W has shape {W.shape}; give a matrix, (H, I) or (I, H)")
    if W.dtype.kind != "f":
        raise TypeError(f"{name}: W has dtype {W.dtype}; it must be a float: give W.astype(float)")
    return W


def _column(name: str, what: str, x: Array, size: int, why: str) -> Array:
    """x, (size,) or (size, 1), as (size,)."""
    if x.shape not in ((size,), (size, 1)):
        raise ValueError(
            f"{name}: {what} has shape {x.shape}, but ({size},) or ({size}, 1) is needed, {why}; "
            "of a batch give one example at a time"
        )
    return x.reshape(size)


def _vector(name: str, x: Any, size: int, why: str) -> Array:
    vector = _plain(f"KroneckerJacobian.{name}", "the vector", x)
    if vector.shape != (size,):
        raise ValueError(
            f"KroneckerJacobian.{name}: the vector has shape {vector.shape}, but ({size},) is "
            f"needed, {why}"
        )
    return vector
