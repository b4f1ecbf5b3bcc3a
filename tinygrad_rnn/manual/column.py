"""The RNN in column layout: features down, examples across.

    z_t = W_xh x_t + W_hh h_(t-1) + b_h,   h_t = tanh(z_t),   y_t = W_hy h_t + b_y

x_t (I, B), h_t and z_t (H, B), y_t (O, B); W_xh (H, I), W_hh (H, H), W_hy (O, H), b_h (H, 1),
b_y (O, 1). dA stands for dL/dA and has the shape of A. Numbers in brackets are the equations of
docs/derivation.md. The same in rows: row.py.

"""

from __future__ import annotations

import numpy as np

from .records import Array, Parameters, Step

SHAPES = {
    "W_xh": "HI",
    "W_hh": "HH",
    "W_hy": "OH",
    "b_h": "H1",
    "b_y": "O1",
    "x": "IB",
    "h": "HB",
    "y": "OB",
}


def forward_step(p: Parameters, x: Array, h_previous: Array) -> Array:
    """The next state h_t (H, B) from x_t (I, B) and h_(t-1) (H, B). Equations (1), (2).

    >>> p = Parameters(*(np.ones(n) for n in [(4, 3), (4, 4), (2, 4), (4, 1), (2, 1)]))
    >>> forward_step(p, np.ones((3, 5)), np.zeros((4, 5))).shape
    (4, 5)
    """
    z = p.W_xh @ x + p.W_hh @ h_previous + p.b_h  # (1)
    h: Array = np.tanh(z)  # (2)
    return h


def output(p: Parameters, h: Array) -> Array:
    """The output y_t (O, B) of state h_t (H, B). Equation (3).

    >>> p = Parameters(*(np.ones(n) for n in [(4, 3), (4, 4), (2, 4), (4, 1), (2, 1)]))
    >>> output(p, np.zeros((4, 1))).tolist()
    [[1.0], [1.0]]
    """
    return p.W_hy @ h + p.b_y  # (3)


def backward_step(
    p: Parameters, h: Array, dy: Array, from_next: Array
) -> tuple[Array, Array, Array]:
    """from_output, dh_t and dz_t, each (H, B). Equations (14), (16), (17).

    h: (H, B), the state h_t; dy: (O, B); from_next: (H, B), zeros at the last step.

    >>> p = Parameters(*(np.ones(n) for n in [(4, 3), (4, 4), (2, 4), (4, 1), (2, 1)]))
    >>> h, dy, from_next = np.full((4, 1), 0.5), np.ones((2, 1)), np.ones((4, 1))
    >>> [part[0, 0].item() for part in backward_step(p, h, dy, from_next)]
    [2.0, 3.0, 2.25]
    """
    from_output = p.W_hy.T @ dy  # (14)
    dh = from_output + from_next  # (16)
    dz = dh * (1 - h * h)  # (17)
    return from_output, dh, dz


def to_previous(p: Parameters, dz: Array) -> Array:
    """What dz_t (H, B) sends back to h_(t-1) (H, B): its from_next. Equation (15).

    >>> p = Parameters(*(np.ones(n) for n in [(4, 3), (4, 4), (2, 4), (4, 1), (2, 1)]))
    >>> to_previous(p, np.ones((4, 5))).shape
    (4, 5)
    """
    return p.W_hh.T @ dz  # (15)


def to_input(p: Parameters, dz: Array) -> Array:
    """dx_t (I, B) from dz_t (H, B). Equation (18).

    >>> p = Parameters(*(np.ones(n) for n in [(4, 3), (4, 4), (2, 4), (4, 1), (2, 1)]))
    >>> to_input(p, np.ones((4, 5))).shape
    (3, 5)
    """
    return p.W_xh.T @ dz  # (18)


def terms(step: Step) -> Parameters:
    """What one time step adds to each gradient, in the parameters' shapes. Equations (19) to (23).

    >>> x, y, h = np.ones((3, 5)), np.ones((2, 5)), np.ones((4, 5))
    >>> terms(Step(1, x, h, h, y, h, h, h, h)).W_xh.shape
    (4, 3)
    """
    return Parameters(
        W_xh=step.dz @ step.x.T,  # (19)
        W_hh=step.dz @ step.h_previous.T,  # (20)
        b_h=step.dz.sum(axis=1, keepdims=True),  # (21)
        W_hy=step.dy @ step.h.T,  # (22)
        b_y=step.dy.sum(axis=1, keepdims=True),  # (23)
    )


def per_example_W_hy(step: Step) -> Array:
    """Each example's own part of the term of dW_hy, (B, O, H). Equation (25).

    >>> x, y, h = np.ones((3, 5)), np.ones((2, 5)), np.ones((4, 5))
    >>> per_example_W_hy(Step(1, x, h, h, y, h, h, h, h)).shape
    (5, 2, 4)
    """
    return step.dy.T[:, :, np.newaxis] * step.h.T[:, np.newaxis, :]  # (25)
