"""The LSTM in row layout: one layer, forward and backward through time, with nn.LSTM's parameters.

    z_t = x_t W_ihᵀ + b_ih + h_(t-1) W_hhᵀ + b_hh = [z_i, z_f, z_g, z_o]
    i, f, o = σ(z_i), σ(z_f), σ(z_o),   g = tanh(z_g)
    c_t = f ⊙ c_(t-1) + i ⊙ g,   h_t = o ⊙ tanh(c_t)

x_t (B, I), z_t (B, 4H), all others (B, H); Weights has the shapes of the parameters. dA stands for
dL/dA and has the shape of A. Numbers in brackets are the equations of docs/derivation.md. A second
direction is `run` on x[::-1]. Weights, σ and the checks serve gru.py too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .records import Array, Sizes, floating

__all__ = [
    "Forward",
    "Gradients",
    "Result",
    "Step",
    "Weights",
    "run",
]

SHAPES = {
    "W_ih": "GI",
    "W_hh": "GH",
    "b_ih": "G",
    "b_hh": "G",
    "x": "TBI",
    "h_0": "BH",
    "c_0": "BH",
    "from_output": "TBH",
    "dh_n": "BH",
    "dc_n": "BH",
}


class Weights(NamedTuple):
    """A gated layer's parameters, or something else that has one entry for each of them.

    W_ih: (GH, I); W_hh: (GH, H); b_ih, b_hh: (GH,), zeros for a layer without biases; G gates, of
    which each has H rows: i, f, g, o in an LSTM, r, u, n in a GRU (u is PyTorch's z).

    >>> p = Weights(*(np.ones(shape) for shape in [(16, 3), (16, 4), 16, 16]))
    >>> p.W_hh.shape
    (16, 4)
    """

    W_ih: Array
    W_hh: Array
    b_ih: Array
    b_hh: Array


class Gradients(NamedTuple):
    """dL/dA for everything A that went in, each in the shape of its A; x is (T, B, I)."""

    W_ih: Array
    W_hh: Array
    b_ih: Array
    b_hh: Array
    x: Array
    h_0: Array
    c_0: Array


@dataclass(frozen=True, eq=False)
class Forward:
    """Time step t on the way forward: x_t (B, I); all others (B, H), i to h those of step t."""

    x: Array
    h_previous: Array
    c_previous: Array
    i: Array
    f: Array
    g: Array
    o: Array
    c: Array
    h: Array


@dataclass(frozen=True, eq=False)
class Step(Forward):
    """The same step as the backward pass saw it; dz is (B, 4H), all others (B, H).

    from_output: what reaches h_t from outside, through the layer's output,
    from_next: what reaches h_t through step t + 1, equation (67), or dL/dh_n at the last step,
    dh = dL/dh_t: their sum, equation (16),
    dc_from_state: what reaches c_t through h_t, equation (63),
    dc_from_next: what reaches c_t through c_(t+1), equation (68), or dL/dc_n at the last step,
    dc = dL/dc_t: their sum, equation (64),
    do, di, df, dg: by the gates, equations (62) and (65),
    dz = [dz_i, dz_f, dz_g, dz_o], equation (66).
    """

    from_output: Array
    from_next: Array
    dh: Array
    do: Array
    dc_from_state: Array
    dc_from_next: Array
    dc: Array
    di: Array
    df: Array
    dg: Array
    dz: Array


@dataclass(frozen=True, eq=False)
class Result:
    """The unrolled layer: what went forward, what came back, and the parts of every gradient.

    h, c: the states, (T + 1, B, H), so that h[t] is h_t. gradients: see Gradients.
    steps: one Step per time step, so that steps[t - 1] is step t.
    """

    h: Array
    c: Array
    gradients: Gradients
    steps: list[Step]

    def terms(self) -> Iterator[Weights]:
        """Step by step from 1 to T, what each adds to the gradients. Equations (70) to (72)."""
        return map(terms, self.steps)


def run(
    weights: Weights,
    x: ArrayLike,
    *,
    h_0: ArrayLike | None = None,
    c_0: ArrayLike | None = None,
    from_output: ArrayLike | None = None,
    dh_n: ArrayLike | None = None,
    dc_n: ArrayLike | None = None,
) -> Result:
    """The layer over all of x, and the gradients of a loss whose derivatives are given.

    weights: see Weights, G = 4; x: (T, B, I); h_0, c_0: (B, H); from_output: (T, B, H), dL/dh_t
    through the output of each step; dh_n, dc_n: (B, H), dL/dh_T and dL/dc_T from outside, besides.
    None is zeros. Arrays are copied and computed in the dtype of the weights. Result: see Result.
    Equations (56) to (72), (24). Raises: ValueError for a wrong shape or no step; TypeError for a
    wrong dtype.

    >>> p = Weights(*(np.ones(shape) for shape in [(16, 3), (16, 4), 16, 16]))
    >>> result = run(p, np.ones((6, 2, 3)), from_output=np.ones((6, 2, 4)))
    >>> result.h.shape, len(result.steps), result.gradients.W_hh.shape, result.gradients.x.shape
    ((7, 2, 4), 6, (16, 4), (6, 2, 3))
    """
    p, (inputs, h, c, outside, dh, dc) = prepare(
        4, weights, x=x, h_0=h_0, c_0=c_0, from_output=from_output, dh_n=dh_n, dc_n=dc_n
    )
    hs, cs, forward = [h], [c], []
    for x_t in inputs:
        forward.append(forward_step(p, x_t, hs[-1], cs[-1]))
        hs.append(forward[-1].h)
        cs.append(forward[-1].c)
    steps: list[Step] = []
    for step_t, outside_t in zip(forward[::-1], outside[::-1], strict=True):
        steps.append(backward_step(step_t, outside_t, dh, dc))
        dh, dc = to_previous(p, steps[-1])
    steps.reverse()
    dx = np.stack([to_input(p, step.dz) for step in steps])
    gradients = Gradients(*summed(map(terms, steps), p), dx, dh, dc)
    return Result(np.stack(hs), np.stack(cs), gradients, steps)


def forward_step(p: Weights, x: Array, h_previous: Array, c_previous: Array) -> Forward:
    """The gates and the next states from x_t (B, I) and the states before. Equations (58) to (61).

    >>> p = Weights(*(np.zeros(shape) for shape in [(16, 3), (16, 4), 16, 16]))
    >>> step = forward_step(p, np.ones((2, 3)), np.ones((2, 4)), np.ones((2, 4)))
    >>> step.f[0, 0].item(), step.c[0, 0].item(), step.h[0, 0].round(4).item()
    (0.5, 0.5, 0.2311)
    """
    z = x @ p.W_ih.T + p.b_ih + h_previous @ p.W_hh.T + p.b_hh  # (58)
    z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)  # (58)
    i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)  # (59)
    g = np.tanh(z_g)  # (59)
    c = f * c_previous + i * g  # (60)
    h = o * np.tanh(c)  # (61)
    return Forward(x, h_previous, c_previous, i, f, g, o, c, h)


def backward_step(
    forward: Forward, from_output: Array, from_next: Array, dc_from_next: Array
) -> Step:
    """The derivatives of one step; see Step. Equations (16), (62) to (66).

    from_output, from_next: (B, H), the two parts of dh_t; dc_from_next: (B, H).

    >>> p = Weights(*(np.zeros(shape) for shape in [(16, 3), (16, 4), 16, 16]))
    >>> forward = forward_step(p, np.ones((2, 3)), np.ones((2, 4)), np.ones((2, 4)))
    >>> step = backward_step(forward, *np.ones((3, 2, 4)))
    >>> step.dh[0, 0].item(), step.dc[0, 0].round(4).item(), step.df[0, 0].round(4).item()
    (2.0, 1.7864, 1.7864)
    """
    i, f, g, o = forward.i, forward.f, forward.g, forward.o
    tanh_c = np.tanh(forward.c)  # (61)
    dh = from_output + from_next  # (16)
    do = dh * tanh_c  # (62)
    dc_from_state = dh * o * (1 - tanh_c * tanh_c)  # (63)
    dc = dc_from_state + dc_from_next  # (64)
    di, df, dg = dc * g, dc * forward.c_previous, dc * i  # (65)
    dz_i, dz_f, dz_o = di * i * (1 - i), df * f * (1 - f), do * o * (1 - o)  # (57), (66)
    dz_g = dg * (1 - g * g)  # (66)
    dz = np.concatenate([dz_i, dz_f, dz_g, dz_o], axis=1)  # (66)
    return Step(
        **vars(forward),
        from_output=from_output,
        from_next=from_next,
        dh=dh,
        do=do,
        dc_from_state=dc_from_state,
        dc_from_next=dc_from_next,
        dc=dc,
        di=di,
        df=df,
        dg=dg,
        dz=dz,
    )


def to_previous(p: Weights, step: Step) -> tuple[Array, Array]:
    """from_next and dc_from_next, each (B, H), of the step before. Equations (67), (68).

    >>> p = Weights(*(np.ones(shape) for shape in [(16, 3), (16, 4), 16, 16]))
    >>> last = run(p, np.ones((6, 2, 3)), dh_n=np.ones((2, 4))).steps[-1]
    >>> [part.shape for part in to_previous(p, last)]
    [(2, 4), (2, 4)]
    """
    return step.dz @ p.W_hh, step.dc * step.f  # (67), (68)


def to_input(p: Weights, dz: Array) -> Array:
    """dx_t (B, I) from dz_t (B, GH). Equations (69), (84).

    >>> p = Weights(*(np.ones(shape) for shape in [(16, 3), (16, 4), 16, 16]))
    >>> to_input(p, np.ones((2, 16))).shape
    (2, 3)
    """
    return dz @ p.W_ih  # (69), (84)


def terms(step: Step) -> Weights:
    """What one time step adds to each gradient, in the parameters' shapes. Equations (70) to (72).

    >>> p = Weights(*(np.ones(shape) for shape in [(16, 3), (16, 4), 16, 16]))
    >>> result = run(p, np.ones((6, 2, 3)), from_output=np.ones((6, 2, 4)))
    >>> term = terms(result.steps[0])
    >>> term.W_ih.shape, np.array_equal(term.b_ih, term.b_hh)
    ((16, 3), True)
    """
    return Weights(
        W_ih=step.dz.T @ step.x,  # (70)
        W_hh=step.dz.T @ step.h_previous,  # (71)
        b_ih=step.dz.sum(axis=0),  # (72)
        b_hh=step.dz.sum(axis=0),  # (72)
    )


def sigmoid(v: Array) -> Array:
    """σ(v), entry by entry, from 0 to 1; exp never overflows. Equation (56).

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    result: Array = np.exp(np.minimum(v, 0)) / (1 + np.exp(-np.abs(v)))  # (56)
    return result


def prepare(
    gates: int, weights: Weights, **arrays: ArrayLike | None
) -> tuple[Weights, list[Array]]:
    """Copies of the arguments in the dtype of the weights, shapes checked; zeros for None.

    `arrays` have their names in SHAPES, x first. Raises: ValueError for a wrong shape or no time
    step, TypeError for weights that are none or a dtype that is not real and floating.

    >>> p = Weights(*(np.ones(shape, np.float32) for shape in [(16, 3), (16, 4), 16, 16]))
    >>> p, (x, h_0) = prepare(4, p, x=np.ones((6, 2, 3)), h_0=None)
    >>> x.dtype.name, h_0.shape
    ('float32', (2, 4))
    >>> prepare(3, p, x=x)
    Traceback (most recent call last):
    ...
    ValueError: W_hh has shape (16, 4), but row layout needs (G, H) = (12, 4),
    G = 12 from W_hh, 3 gates, H = 4 from W_hh
    """
    if not isinstance(weights, Weights):
        raise TypeError(f"weights must be Weights, not {type(weights).__name__}")
    named = weights._asdict()
    dtype = np.result_type(*(floating(name, array) for name, array in named.items()))
    H = np.atleast_1d(weights.W_hh).shape[-1]
    sizes = Sizes("row")
    sizes.known |= {"G": (gates * H, f"W_hh, {gates} gates"), "H": (H, "W_hh")}
    sizes.check("W_hh", np.asarray(weights.W_hh), SHAPES["W_hh"])
    p = Weights(*(_checked(sizes, name, array, dtype) for name, array in named.items()))
    inputs = [_checked(sizes, name, array, dtype) for name, array in arrays.items()]
    if not len(inputs[0]):
        raise ValueError("x has no time steps, but at least one is needed")
    return p, inputs


def summed(terms: Iterable[Weights], p: Weights) -> Weights:
    """The gradients: the terms of all steps added up. Equation (24).

    >>> p = Weights(*(np.ones(shape) for shape in [(16, 3), (16, 4), 16, 16]))
    >>> summed([p, p, p], p).b_ih[0].item()
    3.0
    """
    totals = Weights(*map(np.zeros_like, p))
    for term in terms:
        for total, part in zip(totals, term, strict=True):
            total += part  # (24)
    return totals


def _checked(sizes: Sizes, name: str, array: ArrayLike | None, dtype: np.dtype[Any]) -> Array:
    letters = SHAPES[name]
    if array is None:
        return np.zeros([sizes.known[letter][0] for letter in letters], dtype)
    copy = np.asarray(array).astype(dtype, casting="same_kind")
    sizes.check(name, copy, letters)
    return copy
