"""The GRU in row layout: one layer, forward and backward through time, with nn.GRU's parameters.

    z_t = x_t W_ihᵀ + b_ih = [z_r, z_u, z_n],   a_t = h_(t-1) W_hhᵀ + b_hh = [a_r, a_u, a_n]
    r, u = σ(z_r + a_r), σ(z_u + a_u),   n = tanh(z_n + r ⊙ a_n)
    h_t = (1 - u) ⊙ n + u ⊙ h_(t-1)

That is the reset gate r after the product. Before the product it makes n = tanh(z_n + a_n) with
a_n = (r ⊙ h_(t-1)) W_nᵀ + b_n, where W_n and b_n are the last H rows of W_hh and b_hh; functions
for this form end in _reset_before. u is the update gate, PyTorch's z.
x_t (B, I), z_t and a_t (B, 3H), all others (B, H); Weights has the shapes of the parameters. dA
stands for dL/dA and has the shape of A. Numbers in brackets are the equations of
docs/derivation.md. A second direction is `run` on x[::-1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .lstm import Weights, prepare, sigmoid, summed, to_input
from .records import Array

__all__ = [
    "Forward",
    "Gradients",
    "Result",
    "Step",
    "run",
]


class Gradients(NamedTuple):
    """dL/dA for everything A that went in, each in the shape of its A; x is (T, B, I)."""

    W_ih: Array
    W_hh: Array
    b_ih: Array
    b_hh: Array
    x: Array
    h_0: Array


@dataclass(frozen=True, eq=False)
class Forward:
    """Time step t on the way forward: x_t (B, I); all others (B, H), r to h those of step t."""

    x: Array
    h_previous: Array
    r: Array
    u: Array
    a_n: Array
    n: Array
    h: Array


@dataclass(frozen=True, eq=False)
class Step(Forward):
    """The same step as the backward pass saw it; dz and da are (B, 3H), all others (B, H).

    from_output: what reaches h_t from outside, through the layer's output,
    from_next: what reaches h_t through step t + 1, equations (83), (93), or dL/dh_n at the last,
    dh = dL/dh_t: their sum, equation (16),
    dn, du, dr: by the gates, equations (78) and (80) or (92),
    dz = [dz_r, dz_u, dz_n], equations (79) and (81),
    da = [da_r, da_u, da_n], equation (82), or dz in the form that resets before.
    """

    from_output: Array
    from_next: Array
    dh: Array
    dn: Array
    du: Array
    dr: Array
    dz: Array
    da: Array


@dataclass(frozen=True, eq=False)
class Result:
    """The unrolled layer: what went forward, what came back, and the parts of every gradient.

    h: the states, (T + 1, B, H), so that h[t] is h_t. gradients: see Gradients.
    steps: one Step per time step, so that steps[t - 1] is step t.
    """

    h: Array
    gradients: Gradients
    steps: list[Step]
    reset_after: bool

    def terms(self) -> Iterator[Weights]:
        """Step by step from 1 to T, what each adds to the gradients. Equations (85) to (94)."""
        return map(FORMS[self.reset_after].terms, self.steps)


def run(
    weights: Weights,
    x: ArrayLike,
    *,
    reset_after: bool = True,
    h_0: ArrayLike | None = None,
    from_output: ArrayLike | None = None,
    dh_n: ArrayLike | None = None,
) -> Result:
    """The layer over all of x, and the gradients of a loss whose derivatives are given.

    weights: see Weights, G = 3; x: (T, B, I); reset_after: whether the reset gate acts after the
    product; h_0: (B, H); from_output: (T, B, H), dL/dh_t through the output of each step; dh_n:
    (B, H), dL/dh_T from outside, besides. None is zeros. Arrays are copied and computed in the
    dtype of the weights. Result: see Result. Equations (73) to (94), (24). Raises: ValueError for
    a wrong shape or no step; TypeError for a wrong dtype.

    >>> p = Weights(*(np.ones(shape) for shape in [(12, 3), (12, 4), 12, 12]))
    >>> result = run(p, np.ones((6, 2, 3)), from_output=np.ones((6, 2, 4)))
    >>> result.h.shape, len(result.steps), result.gradients.W_hh.shape, result.gradients.x.shape
    ((7, 2, 4), 6, (12, 4), (6, 2, 3))
    """
    p, (inputs, h, outside, dh) = prepare(
        3, weights, x=x, h_0=h_0, from_output=from_output, dh_n=dh_n
    )
    form, hs, forward = FORMS[reset_after], [h], []
    for x_t in inputs:
        forward.append(form.forward_step(p, x_t, hs[-1]))
        hs.append(forward[-1].h)
    steps: list[Step] = []
    for step_t, outside_t in zip(forward[::-1], outside[::-1], strict=True):
        steps.append(form.backward_step(p, step_t, outside_t, dh))
        dh = form.to_previous(p, steps[-1])
    steps.reverse()
    dx = np.stack([to_input(p, step.dz) for step in steps])
    gradients = Gradients(*summed(map(form.terms, steps), p), dx, dh)
    return Result(np.stack(hs), gradients, steps, reset_after)


def forward_step(p: Weights, x: Array, h_previous: Array) -> Forward:
    """The gates and the next state from x_t (B, I) and h_(t-1) (B, H). Equations (73) to (77).

    >>> p = Weights(*(np.zeros(shape) for shape in [(12, 3), (12, 4), 12, 12]))
    >>> step = forward_step(p, np.ones((2, 3)), np.ones((2, 4)))
    >>> step.u[0, 0].item(), step.n[0, 0].item(), step.h[0, 0].item()
    (0.5, 0.0, 0.5)
    """
    z = x @ p.W_ih.T + p.b_ih  # (73)
    a = h_previous @ p.W_hh.T + p.b_hh  # (74)
    z_r, z_u, z_n = np.split(z, 3, axis=1)  # (73)
    a_r, a_u, a_n = np.split(a, 3, axis=1)  # (74)
    r, u = sigmoid(z_r + a_r), sigmoid(z_u + a_u)  # (75)
    n = np.tanh(z_n + r * a_n)  # (76)
    h = (1 - u) * n + u * h_previous  # (77)
    return Forward(x, h_previous, r, u, a_n, n, h)


def backward_step(p: Weights, forward: Forward, from_output: Array, from_next: Array) -> Step:
    """The derivatives of one step; see Step. Equations (16), (78) to (82).

    from_output, from_next: (B, H), the two parts of dh_t; p: the other form needs it.

    >>> p = Weights(*(np.zeros(shape) for shape in [(12, 3), (12, 4), 12, 12]))
    >>> forward = forward_step(p, np.ones((2, 3)), np.ones((2, 4)))
    >>> step = backward_step(p, forward, *np.ones((2, 2, 4)))
    >>> step.dh[0, 0].item(), step.dn[0, 0].item(), step.du[0, 0].item(), step.dz[0, 4].item()
    (2.0, 1.0, 2.0, 0.5)
    """
    r, u, n = forward.r, forward.u, forward.n
    dh = from_output + from_next  # (16)
    dn, du = dh * (1 - u), dh * (forward.h_previous - n)  # (78)
    dz_n = dn * (1 - n * n)  # (79)
    dr = dz_n * forward.a_n  # (80)
    dz_r, dz_u = dr * r * (1 - r), du * u * (1 - u)  # (57), (81)
    dz = np.concatenate([dz_r, dz_u, dz_n], axis=1)  # (81)
    da = np.concatenate([dz_r, dz_u, dz_n * r], axis=1)  # (82)
    return Step(
        **vars(forward),
        from_output=from_output,
        from_next=from_next,
        dh=dh,
        dn=dn,
        du=du,
        dr=dr,
        dz=dz,
        da=da,
    )


def to_previous(p: Weights, step: Step) -> Array:
    """What step t sends back to h_(t-1) (B, H): its from_next. Equation (83).

    >>> p = Weights(*(np.ones(shape) for shape in [(12, 3), (12, 4), 12, 12]))
    >>> last = run(p, np.ones((6, 2, 3)), dh_n=np.ones((2, 4))).steps[-1]
    >>> to_previous(p, last).shape
    (2, 4)
    """
    from_next: Array = step.da @ p.W_hh + step.dh * step.u  # (83)
    return from_next


def terms(step: Step) -> Weights:
    """What one time step adds to each gradient, in the parameters' shapes. Equations (85) to (88).

    >>> p = Weights(*(np.ones(shape) for shape in [(12, 3), (12, 4), 12, 12]))
    >>> terms(run(p, np.ones((6, 2, 3)), dh_n=np.ones((2, 4))).steps[-1]).W_ih.shape
    (12, 3)
    """
    return Weights(
        W_ih=step.dz.T @ step.x,  # (85)
        W_hh=step.da.T @ step.h_previous,  # (86)
        b_ih=step.dz.sum(axis=0),  # (87)
        b_hh=step.da.sum(axis=0),  # (88)
    )


def forward_step_reset_before(p: Weights, x: Array, h_previous: Array) -> Forward:
    """forward_step with the reset gate before the product: equations (89), (90) for (76).

    >>> p = Weights(*(np.ones(shape) for shape in [(12, 3), (12, 4), 12, 12]))
    >>> forward_step_reset_before(p, np.ones((2, 3)), np.ones((2, 4))).h.shape
    (2, 4)
    """
    H = h_previous.shape[1]
    z = x @ p.W_ih.T + p.b_ih  # (73)
    a = h_previous @ p.W_hh[: 2 * H].T + p.b_hh[: 2 * H]  # (74)
    z_r, z_u, z_n = np.split(z, 3, axis=1)  # (73)
    a_r, a_u = np.split(a, 2, axis=1)  # (74)
    r, u = sigmoid(z_r + a_r), sigmoid(z_u + a_u)  # (75)
    a_n = (r * h_previous) @ p.W_hh[2 * H :].T + p.b_hh[2 * H :]  # (89)
    n = np.tanh(z_n + a_n)  # (90)
    h = (1 - u) * n + u * h_previous  # (77)
    return Forward(x, h_previous, r, u, a_n, n, h)


def backward_step_reset_before(
    p: Weights, forward: Forward, from_output: Array, from_next: Array
) -> Step:
    """backward_step with the reset gate before the product: equations (91), (92) for (80), (82).

    >>> p = Weights(*(np.ones(shape) for shape in [(12, 3), (12, 4), 12, 12]))
    >>> forward = forward_step_reset_before(p, np.ones((2, 3)), np.ones((2, 4)))
    >>> step = backward_step_reset_before(p, forward, *np.ones((2, 2, 4)))
    >>> np.array_equal(step.da, step.dz)
    True
    """
    r, u, n = forward.r, forward.u, forward.n
    dh = from_output + from_next  # (16)
    dn, du = dh * (1 - u), dh * (forward.h_previous - n)  # (78)
    dz_n = dn * (1 - n * n)  # (79)
    dr = through_reset(p, dz_n) * forward.h_previous  # (92)
    dz_r, dz_u = dr * r * (1 - r), du * u * (1 - u)  # (57), (81)
    dz = np.concatenate([dz_r, dz_u, dz_n], axis=1)  # (81)
    return Step(
        **vars(forward),
        from_output=from_output,
        from_next=from_next,
        dh=dh,
        dn=dn,
        du=du,
        dr=dr,
        dz=dz,
        da=dz,
    )


def through_reset(p: Weights, dz_n: Array) -> Array:
    """dL/d(r ⊙ h_(t-1)) (B, H), where the reset gate acts before the product. Equation (91).

    >>> p = Weights(*(np.ones(shape) for shape in [(12, 3), (12, 4), 12, 12]))
    >>> through_reset(p, np.ones((1, 4))).tolist()
    [[4.0, 4.0, 4.0, 4.0]]
    """
    return dz_n @ p.W_hh[2 * dz_n.shape[1] :]  # (91)


def to_previous_reset_before(p: Weights, step: Step) -> Array:
    """to_previous with the reset gate before the product. Equations (91), (93).

    >>> p = Weights(*(np.ones(shape) for shape in [(12, 3), (12, 4), 12, 12]))
    >>> last = run(p, np.ones((6, 2, 3)), dh_n=np.ones((2, 4)), reset_after=False).steps[-1]
    >>> to_previous_reset_before(p, last).shape
    (2, 4)
    """
    dz_ru, dz_n = np.split(step.dz, [2 * step.h.shape[1]], axis=1)  # (81)
    through_gates = dz_ru @ p.W_hh[: dz_ru.shape[1]]  # (93)
    from_next: Array = through_gates + through_reset(p, dz_n) * step.r + step.dh * step.u  # (93)
    return from_next


def terms_reset_before(step: Step) -> Weights:
    """terms with the reset gate before the product: W_n meets r ⊙ h_(t-1). Equation (94).

    >>> p = Weights(*(np.ones(shape) for shape in [(12, 3), (12, 4), 12, 12]))
    >>> result = run(p, np.ones((6, 2, 3)), dh_n=np.ones((2, 4)), reset_after=False)
    >>> terms_reset_before(result.steps[-1]).W_hh.shape
    (12, 4)
    """
    dz_ru, dz_n = np.split(step.dz, [2 * step.h.shape[1]], axis=1)  # (81)
    W_ru = dz_ru.T @ step.h_previous  # (86)
    W_n = dz_n.T @ (step.r * step.h_previous)  # (94)
    return terms(step)._replace(W_hh=np.concatenate([W_ru, W_n]))  # (94)


class Form(NamedTuple):
    """The functions of one form of the GRU."""

    forward_step: Callable[[Weights, Array, Array], Forward]
    backward_step: Callable[[Weights, Forward, Array, Array], Step]
    to_previous: Callable[[Weights, Step], Array]
    terms: Callable[[Step], Weights]


RESET_AFTER = Form(forward_step, backward_step, to_previous, terms)
RESET_BEFORE = Form(
    forward_step_reset_before,
    backward_step_reset_before,
    to_previous_reset_before,
    terms_reset_before,
)
FORMS = {True: RESET_AFTER, False: RESET_BEFORE}
