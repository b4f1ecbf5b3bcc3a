"""The RNN in row layout: examples down, features across.

    z_t = x_t W_xh + h_(t-1) W_hh + b_h,   h_t = tanh(z_t),   y_t = h_t W_hy + b_y

x_t (B, I), h_t and z_t (B, H), y_t (B, O); W_xh (I, H), W_hh (H, H), W_hy (H, O), b_h (H,),
b_y (O,). dA stands for dL/dA and has the shape of A. Numbers in brackets are the equations of
docs/derivation.md. The same in columns: column.py.
"""

from __future__ import annotations

import numpy as np

from .records import Array, Parameters, Step

SHAPES = {
    "W_xh": "IH",
    "W_hh": "HH",
    "W_hy": "HO",
    "b_h": "H",
    "b_y": "O",
    "x": "BI",
    "h": "BH",
    "y": "BO",
}


def forward_step(p: Parameters, x: Array, h_previous: Array) -> Array:
    """The next state h_t (B, H) from x_t (B, I) and h_(t-1) (B, H). Equations (26), (2).

    >>> p = Parameters(*(np.ones(n) for n in [(3, 4), (4, 4), (4, 2), 4, 2]))
    >>> forward_step(p, np.ones((5, 3)), np.zeros((5, 4))).shape
    (5, 4)
    """
    z = x @ p.W_xh + h_previous @ p.W_hh + p.b_h  # (26)
    h: Array = np.tanh(z)  # (2)
    return h


def output(p: Parameters, h: Array) -> Array:
    """The output y_t (B, O) of state h_t (B, H). Equation (27).

    >>> p = Parameters(*(np.ones(n) for n in [(3, 4), (4, 4), (4, 2), 4, 2]))
    >>> output(p, np.zeros((1, 4))).tolist()
    [[1.0, 1.0]]
    """
    return h @ p.W_hy + p.b_y  # (27)


def backward_step(
    p: Parameters, h: Array, dy: Array, from_next: Array
) -> tuple[Array, Array, Array]:
    """from_output, dh_t and dz_t, each (B, H). Equations (28), (16), (17).

    h: (B, H), the state h_t; dy: (B, O); from_next: (B, H), zeros at the last step.

    >>> p = Parameters(*(np.ones(n) for n in [(3, 4), (4, 4), (4, 2), 4, 2]))
    >>> h, dy, from_next = np.full((1, 4), 0.5), np.ones((1, 2)), np.ones((1, 4))
    >>> [part[0, 0].item() for part in backward_step(p, h, dy, from_next)]
    [2.0, 3.0, 2.25]
    """
    from_output = dy @ p.W_hy.T  # (28)
    dh = from_output + from_next  # (16)
    dz = dh * (1 - h * h)  # (17)
    return from_output, dh, dz


def to_previous(p: Parameters, dz: Array) -> Array:
    """What dz_t (B, H) sends back to h_(t-1) (B, H): its from_next. Equation (29).

    >>> p = Parameters(*(np.ones(n) for n in [(3, 4), (4, 4), (4, 2), 4, 2]))
    >>> to_previous(p, np.ones((5, 4))).shape
    (5, 4)
    """
    return dz @ p.W_hh.T  # (29)


def to_input(p: Parameters, dz: Array) -> Array:
    """dx_t (B, I) from dz_t (B, H). Equation (30).

    >>> p = Parameters(*(np.ones(n) for n in [(3, 4), (4, 4), (4, 2), 4, 2]))
    >>> to_input(p, np.ones((5, 4))).shape
    (5, 3)
    """
    return dz @ p.W_xh.T  # (30)


def terms(step: Step) -> Parameters:
    """What one time step adds to each gradient, in the parameters' shapes. Equations (31) to (35).

    >>> x, y, h = np.ones((5, 3)), np.ones((5, 2)), np.ones((5, 4))
    >>> terms(Step(1, x, h, h, y, h, h, h, h)).W_xh.shape
    (3, 4)
    """
    return Parameters(
        W_xh=step.x.T @ step.dz,  # (31)
        W_hh=step.h_previous.T @ step.dz,  # (32)
        b_h=step.dz.sum(axis=0),  # (33)
        W_hy=step.h.T @ step.dy,  # (34)
        b_y=step.dy.sum(axis=0),  # (35)
    )


def per_example_W_hy(step: Step) -> Array:
    """Each example's own part of the term of dW_hy, (B, H, O). Equation (36).

    >>> x, y, h = np.ones((5, 3)), np.ones((5, 2)), np.ones((5, 4))
    >>> per_example_W_hy(Step(1, x, h, h, y, h, h, h, h)).shape
    (5, 4, 2)
    """
    return step.h[:, :, np.newaxis] * step.dy[:, np.newaxis, :]  # (36)
