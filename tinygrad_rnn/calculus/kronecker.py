"""The Kronecker form of one layer: ∂h/∂vec(W) as diag(s) times a Kronecker product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..derivation.expressions.expression import Symbol, named
from ..derivation.expressions.recorder import Recorder, rules_of
from ..derivation.expressions.simpler import is_one
from ..derivation.expressions.spelling import Speller
from ..derivation.expressions.syntax import variable
from ..engine.from_numpy import numeric
from ..engine.tensor import Tensor, leaf
from ..ops import positive, relu, sigmoid, tanh
from ..ops.op import Array, Op
from .layouts import LAYOUTS, check_one_of

__all__ = ["KroneckerJacobian", "kronecker_jacobian"]

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
    check_one_of(name, "activation", activation, tuple(ACTIVATIONS))
    check_one_of(name, "by", by, BY)
    check_one_of(name, "layout", layout, LAYOUTS)
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
