"""The closed forms of section 8: derivatives by a whole weight, as Kronecker products.

h = tanh(Wᵀe + Uᵀh_0), W (I, H), e (I, 1), h (H, 1), dh (H, 1); vec stacks columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def product_by_weight_turned(e: Array, H: int) -> Array:
    """∂(Wᵀe)/∂vec(Wᵀ) = eᵀ ⊗ I_H, (H, IH). Equation: (47).

    >>> product_by_weight_turned(np.array([[1.0], [2.0]]), 2)
    array([[1., 0., 2., 0.],
           [0., 1., 0., 2.]])
    """
    return np.kron(e.T, np.eye(H))  # (47)


def product_by_weight(e: Array, H: int) -> Array:
    """∂(Wᵀe)/∂vec(W) = I_H ⊗ eᵀ, (H, IH). Equation: (48).

    >>> product_by_weight(np.array([[1.0], [2.0]]), 2)
    array([[1., 2., 0., 0.],
           [0., 0., 1., 2.]])
    """
    return np.kron(np.eye(H), e.T)  # (48)


def state_by_weight_turned(h: Array, e: Array) -> Array:
    """∂h/∂vec(Wᵀ) = diag(1 - h²) (eᵀ ⊗ I_H) in numerator layout, (H, IH). Equation: (50).

    >>> state_by_weight_turned(np.array([[0.5]]), np.array([[2.0]]))
    array([[1.5]])
    """
    return np.diag(1 - h[:, 0] ** 2) @ product_by_weight_turned(e, len(h))  # (50)


def loss_by_weight_turned(h: Array, e: Array, dh: Array) -> Array:
    """dvec(Wᵀ) = (e ⊗ I_H) diag(1 - h²) dh, in denominator layout, (IH, 1). Equation: (51).

    >>> loss_by_weight_turned(np.array([[0.5]]), np.array([[2.0]]), np.array([[10.0]]))
    array([[15.]])
    """
    return np.kron(e, np.eye(len(h))) @ np.diag(1 - h[:, 0] ** 2) @ dh  # (51)


def loss_by_weight(h: Array, e: Array, dh: Array) -> Array:
    """dW = e dzᵀ, (I, H), dz = (1 - h²) ⊙ dh: the vec above, filled back. Equation: (52).

    >>> loss_by_weight(np.array([[0.5]]), np.array([[2.0]]), np.array([[10.0]]))
    array([[15.]])
    """
    dW: Array = e @ ((1 - h**2) * dh).T  # (52)
    return dW


def terms_of_entries(h: Array, e: Array, dh: Array) -> Array:
    """(∂h_i/∂W) dh_i for each i, (H, I, H), whose sum is dW. Equation: (52).

    >>> terms_of_entries(np.array([[0.5]]), np.array([[2.0]]), np.array([[10.0]])).shape
    (1, 1, 1)
    """
    eye = np.eye(len(h))
    return np.stack([(1 - h[i] ** 2) * e * eye[i] * dh[i] for i in range(len(h))])  # (52)
