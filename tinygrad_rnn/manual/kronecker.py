"""One tanh layer by matrix calculus: Kronecker products instead of entries.

    f = Wᵀ e,   h = tanh(Wᵀ e + a)

W (I, H), e (I, 1), f, h and a (H, 1); in a recurrence a = Uᵀ h_0, and for U put h_0 in the place of
e. vec stacks columns (Fortran order). Numerator layout has a row for each entry of the result,
denominator layout is its transpose. Numbers in brackets are the equations of docs/derivation.md.
"""

from __future__ import annotations

import numpy as np

from .records import Array

__all__ = [
    "batch_by_vec_W",
    "entries",
    "examples_of_columns",
    "examples_of_rows",
    "gradient_by_vec_W",
    "gradient_by_vec_WT",
    "product_by_vec_W",
    "product_by_vec_WT",
    "rows_by_vec_W",
    "state_by_vec_W",
    "state_by_vec_WT",
    "sum_over_entries",
    "unvec",
    "vec",
]


def vec(A: Array) -> Array:
    """The columns of A, (m, n), one below the other, (m·n, 1).

    >>> vec(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[1.0], [3.0], [2.0], [4.0]]
    """
    return A.reshape((-1, 1), order="F")


def unvec(v: Array, shape: tuple[int, int]) -> Array:
    """The matrix of this shape whose columns v, (m·n, 1), holds.

    >>> unvec(np.array([[1.0], [3.0], [2.0], [4.0]]), (2, 2)).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    return v.reshape(shape, order="F")


def product_by_vec_WT(e: Array, H: int) -> Array:
    """∂f/∂vec(Wᵀ), (H, I·H), numerator layout. e: (I, 1). Equation (47).

    >>> product_by_vec_WT(np.array([[2.0], [3.0]]), 2).tolist()
    [[2.0, 0.0, 3.0, 0.0], [0.0, 2.0, 0.0, 3.0]]
    """
    return np.kron(e.T, np.eye(H, dtype=e.dtype))  # (47)


def product_by_vec_W(e: Array, H: int) -> Array:
    """∂f/∂vec(W), (H, I·H), numerator layout. e: (I, 1). Equation (48).

    >>> product_by_vec_W(np.array([[2.0], [3.0]]), 2).tolist()
    [[2.0, 3.0, 0.0, 0.0], [0.0, 0.0, 2.0, 3.0]]
    """
    return np.kron(np.eye(H, dtype=e.dtype), e.T)  # (48)


def state_by_vec_WT(h: Array, e: Array) -> tuple[Array, Array]:
    """∂h/∂vec(Wᵀ): numerator (H, I·H), denominator (I·H, H). Equations (50), (95).

    h: (H, 1), the state; e: (I, 1).

    >>> [J.shape for J in state_by_vec_WT(np.zeros((4, 1)), np.ones((3, 1)))]
    [(4, 12), (12, 4)]
    """
    diag, eye = np.diag(1 - h[:, 0] ** 2), np.eye(len(h), dtype=h.dtype)
    numerator = diag @ np.kron(e.T, eye)  # (50)
    denominator = np.kron(e, eye) @ diag  # (95)
    return numerator, denominator


def state_by_vec_W(h: Array, e: Array) -> tuple[Array, Array]:
    """∂h/∂vec(W): numerator (H, I·H), denominator (I·H, H). Equations (96), (97).

    h: (H, 1), the state; e: (I, 1).

    >>> numerator, denominator = state_by_vec_W(np.zeros((2, 1)), np.array([[2.0], [3.0]]))
    >>> numerator.tolist()
    [[2.0, 3.0, 0.0, 0.0], [0.0, 0.0, 2.0, 3.0]]
    """
    diag, eye = np.diag(1 - h[:, 0] ** 2), np.eye(len(h), dtype=h.dtype)
    numerator = diag @ np.kron(eye, e.T)  # (96)
    denominator = np.kron(eye, e) @ diag  # (97)
    return numerator, denominator


def gradient_by_vec_WT(h: Array, e: Array, dh: Array) -> Array:
    """dW, (I, H), by way of vec(Wᵀ): filled back it is (H, I), the gradient of Wᵀ. Equation (51).

    h, dh: (H, 1); e: (I, 1).

    >>> gradient_by_vec_WT(np.zeros((2, 1)), np.ones((1, 1)), np.array([[5.0], [7.0]])).tolist()
    [[5.0, 7.0]]
    """
    dvec = np.kron(e, np.eye(len(h), dtype=h.dtype)) @ np.diag(1 - h[:, 0] ** 2) @ dh  # (51)
    return unvec(dvec, (len(h), len(e))).T


def gradient_by_vec_W(h: Array, e: Array, dh: Array) -> Array:
    """dW, (I, H), by way of vec(W), filled back as it is. Equation (98).

    h, dh: (H, 1); e: (I, 1).

    >>> gradient_by_vec_W(np.zeros((2, 1)), np.ones((1, 1)), np.array([[5.0], [7.0]])).tolist()
    [[5.0, 7.0]]
    """
    dvec = np.kron(np.eye(len(h), dtype=h.dtype), e) @ np.diag(1 - h[:, 0] ** 2) @ dh  # (98)
    return unvec(dvec, (len(e), len(h)))


def entries(h: Array, e: Array) -> Array:
    """∂h_i/∂W_jk as an array (H, I, H), whose axes are i, j, k; no vec. Equation (99).

    h: (H, 1); e: (I, 1).

    >>> entries(np.array([[0.0], [0.5]]), np.array([[2.0]])).tolist()
    [[[2.0, 0.0]], [[0.0, 1.5]]]
    """
    slopes, eye = 1 - h[:, 0] ** 2, np.eye(len(h), dtype=h.dtype)
    cube: Array = np.einsum("i,j,ik->ijk", slopes, e[:, 0], eye)  # (99)
    return cube


def sum_over_entries(h: Array, e: Array, dh: Array) -> Array:
    """dW, (I, H), as the sum of dh_i ∂h_i/∂W over the entries of h. Equation (52).

    h, dh: (H, 1); e: (I, 1).

    >>> sum_over_entries(np.zeros((2, 1)), np.ones((1, 1)), np.array([[5.0], [7.0]])).tolist()
    [[5.0, 7.0]]
    """
    terms = entries(h, e) * dh[:, :, np.newaxis]
    total: Array = terms.sum(axis=0)  # (52)
    return total


def batch_by_vec_W(h: Array, W: Array) -> tuple[Array, Array]:
    """∂vec(y)/∂vec(W) and ∂vec(y)/∂vec(h) of y = W h, column layout. Equation (53).

    h: (H, B); W: (O, H). Results: (O·B, O·H) and (O·B, H·B).

    >>> [J.shape for J in batch_by_vec_W(np.ones((3, 5)), np.ones((2, 3)))]
    [(10, 6), (10, 15)]
    """
    of_O, of_B = np.eye(len(W), dtype=W.dtype), np.eye(h.shape[1], dtype=h.dtype)
    return np.kron(h.T, of_O), np.kron(of_B, W)  # (53)


def rows_by_vec_W(h: Array, W: Array) -> tuple[Array, Array]:
    """∂vec(y)/∂vec(W) and ∂vec(y)/∂vec(h) of y = h W, row layout. Equation (100).

    h: (B, H); W: (H, O). Results: (B·O, H·O) and (B·O, B·H).

    >>> [J.shape for J in rows_by_vec_W(np.ones((5, 3)), np.ones((3, 2)))]
    [(10, 6), (10, 15)]
    """
    of_O, of_B = np.eye(W.shape[1], dtype=W.dtype), np.eye(len(h), dtype=h.dtype)
    return np.kron(of_O, h), np.kron(W.T, of_B)  # (100)


def examples_of_columns(h: Array, dy: Array) -> list[Array]:
    """What each example adds to dvec(W) of y = W h, (O·H, 1) each. Equation (101).

    h: (H, B); dy: (O, B).

    >>> sum(examples_of_columns(np.ones((1, 5)), np.ones((2, 5)))).tolist()
    [[5.0], [5.0]]
    """
    eye = np.eye(len(dy), dtype=dy.dtype)
    return [np.kron(h[:, [b]], eye) @ dy[:, [b]] for b in range(h.shape[1])]  # (101)


def examples_of_rows(h: Array, dy: Array) -> list[Array]:
    """What each example adds to dvec(W) of y = h W, (H·O, 1) each. Equation (102).

    h: (B, H); dy: (B, O).

    >>> sum(examples_of_rows(np.ones((5, 1)), np.ones((5, 2)))).tolist()
    [[5.0], [5.0]]
    """
    eye = np.eye(dy.shape[1], dtype=dy.dtype)
    return [np.kron(eye, h[[b]].T) @ dy[[b]].T for b in range(len(h))]  # (102)
