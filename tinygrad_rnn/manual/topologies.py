"""Many-to-one, one-to-many and many-to-many: the RNN unrolled in time, forward and backward.

All three are one recurrence. Where no input enters, x_t = 0; where there is no loss, dy_t = 0.
The equations of a single step are in column.py and row.py; numbers in brackets are the equations
of docs/derivation.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from . import column, row
from .records import Array, Gradients, Layout, Parameters, Step, check_layout, prepare


class Loss(Protocol):
    """loss(y, target, layout=layout) gives (value, dy): a scalar and an array of y's shape."""

    def __call__(
        self, y: Array, target: ArrayLike, *, layout: Layout
    ) -> tuple[np.floating[Any], Array]: ...


class Equations(Protocol):
    """What column.py and row.py both define."""

    SHAPES: dict[str, str]

    def forward_step(self, p: Parameters, x: Array, h_previous: Array) -> Array: ...
    def output(self, p: Parameters, h: Array) -> Array: ...
    def backward_step(
        self, p: Parameters, h: Array, dy: Array, from_next: Array
    ) -> tuple[Array, Array, Array]: ...
    def to_previous(self, p: Parameters, dz: Array) -> Array: ...
    def to_input(self, p: Parameters, dz: Array) -> Array: ...
    def terms(self, step: Step) -> Parameters: ...
    def per_example_W_hy(self, step: Step) -> Array: ...


@dataclass(frozen=True, eq=False)
class Result:
    """The unrolled network: what went forward, what came back, and the parts of every gradient.

    loss: scalar. y: the outputs that have a loss (T of them, or the one of many-to-one).
    h: the states h_0 to h_T, so that h[t] is h_t. gradients: see Gradients.
    steps: one Step per time step, so that steps[t - 1] is step t.

    >>> from tinygrad_rnn import manual
    >>> p = Parameters(*(np.ones(n) for n in [(3, 1), (3, 3), (2, 3), (3, 1), (2, 1)]))
    >>> result = manual.many_to_many(p, np.ones((4, 1, 5)), np.zeros((4, 2, 5)), np.zeros((3, 5)),
    ...                              loss=manual.squared_error)
    >>> [term.W_hh.shape for term in result.terms()]
    [(3, 3), (3, 3), (3, 3), (3, 3)]
    >>> result.per_example_W_hy().shape
    (5, 2, 3)
    """

    loss: np.floating[Any]
    y: list[Array]
    h: list[Array]
    gradients: Gradients
    steps: list[Step]
    layout: Layout

    def terms(self) -> Iterator[Parameters]:
        """Step by step from 1 to T, what each adds to dL/dW_xh, ..., dL/db_y. Equation (24).

        The terms are made when they are asked for: T terms of dL/dW_hh take T times its memory.
        """
        return (_equations(self.layout).terms(step) for step in self.steps)

    def per_example_W_hy(self) -> Array:
        """Each example's share of dL/dW_hy, which is their sum. Equations (25), (36).

        (B, O, H) in column layout, (B, H, O) in row layout.
        """
        shares = map(_equations(self.layout).per_example_W_hy, self.steps)
        total = next(shares)
        for share in shares:
            total += share
        return total


def many_to_one(
    parameters: Parameters,
    x: Sequence[ArrayLike],
    target: ArrayLike,
    h_0: ArrayLike,
    *,
    loss: Loss,
    layout: Layout = "column",
    scale: float = 1.0,
) -> Result:
    """An input at each of T steps, and scale * loss(y_T, target) at the last.

    parameters: see Parameters; x: T arrays, (I, B) in column layout, (B, I) in row layout;
    target: what the loss takes; h_0: (H, B) in column layout, (B, H) in row layout;
    loss: softmax_cross_entropy, squared_error or another Loss; scale: 1/B makes a mean.
    Arrays are copied and computed in the dtype of the parameters. Result: see Result.
    Equations (1) to (24). Raises: ValueError for a wrong shape or layout, or no step; TypeError
    for a wrong dtype.

    >>> from tinygrad_rnn import manual
    >>> p = Parameters(*(np.ones(n) for n in [(3, 1), (3, 3), (2, 3), (3, 1), (2, 1)]))
    >>> result = many_to_one(p, np.ones((4, 1, 5)), np.zeros((2, 5)), np.zeros((3, 5)),
    ...                      loss=manual.squared_error)
    >>> len(result.y), len(result.h), len(result.steps), result.gradients.W_hh.shape
    (1, 5, 4, (3, 3))
    """
    inputs = list(x)
    return _unroll(parameters, inputs, {len(inputs): target}, h_0, loss, layout, scale)


def one_to_many(
    parameters: Parameters,
    x: ArrayLike,
    targets: Sequence[ArrayLike],
    h_0: ArrayLike,
    *,
    loss: Loss,
    layout: Layout = "column",
    scale: float = 1.0,
) -> Result:
    """One input, at step 1, and scale * loss(y_t, target_t) at each of T steps.

    x: a single array, (I, B) in column layout, (B, I) in row layout; targets: T of what the loss
    takes; all else as in `many_to_one`. gradients.x holds one array, dL/dx.

    >>> from tinygrad_rnn import manual
    >>> p = Parameters(*(np.ones(n) for n in [(3, 1), (3, 3), (2, 3), (3, 1), (2, 1)]))
    >>> result = one_to_many(p, np.ones((1, 5)), np.zeros((4, 2, 5)), np.zeros((3, 5)),
    ...                      loss=manual.squared_error)
    >>> len(result.y), [dx.shape for dx in result.gradients.x]
    (4, [(1, 5)])
    """
    by_step = dict(enumerate(targets, 1))
    if not by_step:
        raise ValueError("targets has no steps, but at least one is needed")
    absent = [np.zeros_like(x)] * (len(by_step) - 1)
    result = _unroll(parameters, [x, *absent], by_step, h_0, loss, layout, scale)
    del result.gradients.x[1:]
    return result


def many_to_many(
    parameters: Parameters,
    x: Sequence[ArrayLike],
    targets: Sequence[ArrayLike],
    h_0: ArrayLike,
    *,
    loss: Loss,
    layout: Layout = "column",
    scale: float = 1.0,
) -> Result:
    """An input and scale * loss(y_t, target_t) at each of T steps.

    x: T arrays, (I, B) in column layout, (B, I) in row layout; targets: T of what the loss takes;
    all else as in `many_to_one`.

    >>> from tinygrad_rnn import manual
    >>> p = Parameters(*(np.ones(n) for n in [(3, 1), (3, 3), (2, 3), (3, 1), (2, 1)]))
    >>> result = many_to_many(p, np.ones((4, 1, 5)), np.zeros((4, 2, 5)), np.zeros((3, 5)),
    ...                       loss=manual.squared_error)
    >>> last = result.steps[-1]
    >>> last.t, last.from_next.any().item(), np.array_equal(last.dh, last.from_output)
    (4, False, True)
    """
    inputs, by_step = list(x), dict(enumerate(targets, 1))
    if len(inputs) != len(by_step):
        raise ValueError(
            f"targets has {len(by_step)} steps, but x has {len(inputs)}: one target per input"
        )
    return _unroll(parameters, inputs, by_step, h_0, loss, layout, scale)


def _unroll(
    parameters: Parameters,
    x: Sequence[ArrayLike],
    targets: dict[int, ArrayLike],
    h_0: ArrayLike,
    loss: Loss,
    layout: Layout,
    scale: float,
) -> Result:
    """`targets` maps the steps that have a loss to their targets."""
    equations = _equations(layout)
    p, inputs, state = prepare(parameters, x, h_0, layout, equations.SHAPES)
    h = [state]
    for x_t in inputs:
        h.append(equations.forward_step(p, x_t, h[-1]))
    y = {t: equations.output(p, h[t]) for t in targets}
    no_loss = np.zeros_like(next(iter(y.values())))
    values, dy = [], dict.fromkeys(range(1, len(h)), no_loss)
    for t, target in targets.items():
        value, dy_t = _loss_of_step(t, loss, y[t], target, layout)
        values.append(value)
        dy[t] = float(scale) * dy_t  # (13)
    steps, dx, dh_0 = _backward(equations, p, inputs, h, dy)
    gradients = Gradients(*_sum(map(equations.terms, steps), p), dx, dh_0)
    total = p.W_hh.dtype.type(float(scale) * np.sum(values))  # (4)
    return Result(total, list(y.values()), h, gradients, steps, layout)


def _equations(layout: Layout) -> Equations:
    check_layout(layout)
    if layout == "column":
        return column
    return row


def _loss_of_step(
    t: int, loss: Loss, y: Array, target: ArrayLike, layout: Layout
) -> tuple[np.floating[Any], Array]:
    try:
        value, dy = loss(y, target, layout=layout)
    except IndexError as error:
        raise IndexError(f"step {t}: {error}") from error
    except ValueError as error:
        raise ValueError(f"step {t}: {error}") from error
    if dy.shape != y.shape:
        raise ValueError(f"step {t}: loss gives dy of shape {dy.shape}, but y has {y.shape}")
    return value, dy


def _backward(
    equations: Equations, p: Parameters, x: list[Array], h: list[Array], dy: dict[int, Array]
) -> tuple[list[Step], list[Array], Array]:
    """The steps from 1 to T, dx_1 to dx_T, and dh_0."""
    steps, dx = [], []
    from_next = np.zeros_like(h[-1])  # (15)
    for t in range(len(x), 0, -1):
        from_output, dh, dz = equations.backward_step(p, h[t], dy[t], from_next)  # (14), (16), (17)
        steps.append(Step(t, x[t - 1], h[t - 1], h[t], dy[t], from_output, from_next, dh, dz))
        dx.append(equations.to_input(p, dz))  # (18)
        from_next = equations.to_previous(p, dz)  # (15)
    return steps[::-1], dx[::-1], from_next


def _sum(terms: Iterator[Parameters], p: Parameters) -> Parameters:
    totals = Parameters(*map(np.zeros_like, p))
    for term in terms:
        for total, part in zip(totals, term, strict=True):
            total += part  # (24)
    return totals
