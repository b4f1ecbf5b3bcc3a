"""Points at which a rule or a function of ops/ changes its way, and the slopes that hold there.

A rule with a choice in it (`where`, a comparison, a sign) is right on either side and may still
cut off what a second derivative needs. So each row stands exactly *at* a choice, and writes the
slopes around it out; `tests/test_guard_points.py` differentiates these. At a kink they are those
of the side that docs/conventions.md names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

inf, nan = np.inf, np.nan
Slopes = Callable[..., Sequence[Any]]


class Guard(NamedTuple):
    """A call at a point. call: Python with the operations' names; x, y, z are the inputs.

    what: the truth it shows; at a kink, whose slopes they are. slopes: (g, *inputs) -> the
    gradients of sum(g * call) by each input around the point.
    """

    what: str
    call: str
    inputs: tuple[Any, ...]
    slopes: Slopes


# Slopes


def lines(*slopes: Any) -> Slopes:
    """Straight ones: for each input what g is multiplied by."""
    return lambda g, *xs: [g * np.array(s, float) + 0 * x for s, x in zip(slopes, xs, strict=True)]


def spread(*slopes: Any) -> Slopes:
    """The same for one g of each row, or of all rows."""
    return lambda g, x: [g[..., None] * np.array(slopes[0], float) + 0 * x]


def by_rows(*each: Callable[[Any], Any] | None) -> Slopes:
    """Of a function of each row, g times what its slopes are; None where it is flat."""

    def of_all(g: Any, x: Any) -> list[Any]:
        slopes = [np.zeros(len(r)) if f is None else f(r) for f, r in zip(each, x, strict=True)]
        return [np.reshape(g, (len(x), 1)) * np.array(slopes)]

    return of_all


def of_norm(p: float, zeros: Sequence[int] = ()) -> Callable[[Any], Any]:
    """Of a row's p-norm: sign(x) (|x| / z)^(p - 1); at entries of 0 there is none."""

    def slopes(x: Any) -> Any:
        others = [k for k in range(len(x)) if k not in zeros]
        total, some = 0 * x, x[others]
        z = (np.abs(some) ** p).sum() ** (1 / p)
        total[others] = np.sign(some) * (np.abs(some) / z) ** (p - 1)
        return total

    return slopes


def of_std(x: Any) -> Any:
    """Of a row's standard deviation: (x - mean) / (N z)."""
    return (x - x.mean()) / len(x) / x.std()


def of_prod(g: Any, x: Any) -> list[Any]:
    """Of the product: that of the others."""
    return [g * np.array([np.prod([*x[:k], *x[k + 1 :]]) for k in range(len(x))])]


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def softplus(x: Any) -> Any:
    """log(1 + exp(x))."""
    return np.log1p(np.exp(x))


def less_target(k: int, share: float = 1.0) -> Callable[[Any], Any]:
    """Of -log softmax(x)[k] for a row; only that share is k's, the rest is all classes'."""
    shares = share * np.eye(3)[k] + (1 - share) / 3
    return lambda x: np.exp(x) / np.exp(x).sum() - shares


def of_weighted_classes(g: Any, x: Any, w: Any) -> list[Any]:
    """Of w[t] (-log softmax(x)[t]) for the targets 0, none and 2."""
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    by_x = (g * w[[0, 0, 2]])[:, None] * (p - np.eye(3)[[0, 0, 2]])
    by_w = -g * np.log(p[np.arange(3), [0, 0, 2]])
    by_x[1] = 0
    return [by_x, np.array([by_w[0], 0, by_w[2]]) + 0 * w]


def of_shares(g: Any, x: Any, t: Any) -> list[Any]:
    """Of -t log σ(x) - (1 - t) log(1 - σ(x))."""
    return [g * (sigmoid(x) - t), -g * x]


def of_weighted_shares(g: Any, x: Any, t: Any, w: Any) -> list[Any]:
    """Of -w t log σ(x) - (1 - t) log(1 - σ(x))."""
    by_x = (1 - t) * sigmoid(x) - w * t * sigmoid(-x)
    return [g * by_x, g * (w * softplus(-x) - softplus(x)), g * t * softplus(-x)]


# The table

POWERS = [
    Guard("of x > 0 to the power 0 the slopes change with x and y", "power(x, y)",
          ([0.5, 2, 3], [0, 0, 0]),
          lambda g, x, y: (g * y * x ** (y - 1), g * x**y * np.log(x))),
    Guard("beside the guards nothing is cut off", "power(x, y)", ([0.5, 2], [-1, 1.5]),
          lambda g, x, y: (g * y * x ** (y - 1), g * x**y * np.log(x))),
    Guard("0 to powers above 1 is flat; by x it is as the power", "power(x, y)",
          ([0, 0], [2, 3]), lambda g, x, y: (g * y * x ** np.array([1, 2]), 0 * g * y)),
    Guard("0 to the power 1: by x the slope is y", "power(x, y)", ([0], [1]),
          lambda g, x, y: (g * y + 0 * x, 0 * g * y)),
    Guard("0 to the power 0 has no slopes", "power(x, y)", ([0], [0]), lines([0], [0])),
    Guard("NaN to the power 0 is 1, without a slope by x", "power(x, [0.0])", ([nan],),
          lambda g, x: [0 * g]),
    Guard("of 0 the slope by y >= 0 is 0", "0.0**x", ([0, 1, 2],), lines([0, 0, 0])),
    Guard("x to the power 0 is 1", "x**0", ([-2, 0, 2],), lines([0, 0, 0])),
    Guard("x to the power 1 is x", "x**1.0", ([-2, 0, 2],), lines([1, 1, 1])),
    Guard("at 0 too x² is curved", "x**2", ([-2, 0, 2],), lambda g, x: [2 * g * x]),
    Guard("x³", "x**3.0", ([-2, 0, 2],), lambda g, x: [3 * g * x**2]),
    Guard("the base may be a number", "2.0**x", ([0, 1],),
          lambda g, x: [g * 2**x * np.log(2)]),
    Guard("products of others, whatever is 0", "prod(x)", ([0, 2, 3, 4],), of_prod),
    Guard("of two zeros the slope by one changes with the other", "prod(x)", ([0, 2, 0],),
          of_prod),
    Guard("three zeros", "prod(x)", ([0, 0, 0],), of_prod),
    Guard("one number", "prod(x)", ([0],), of_prod),
    Guard("NaN is a number's slope", "prod(x)", ([nan],), lambda g, x: [0 * g + x]),
]  # fmt: skip

KINKS = [
    Guard("at 0 it is flat", "relu(x)", ([-1, 0, 2],), lines([0, 0, 1])),
    Guard("at 0 it is flat", "abs(x)", ([-1, 0, 2],), lines([-1, 0, 1])),
    Guard("flat", "sign(x)", ([-1, 0, 2],), lines([0, 0, 0])),
    Guard("NaN's slope is NaN", "sign(x)", ([nan],), lines([0])),
    Guard("equals share", "maximum(x, y)", ([2, 1, 3], [2, 3, 1]),
          lines([0.5, 0, 1], [0.5, 1, 0])),
    Guard("equals share", "minimum(x, y)", ([2, 1, 3], [2, 3, 1]),
          lines([0.5, 1, 0], [0.5, 0, 1])),
    Guard("the chosen one", "where([True, False], x, y)", ([2, 1], [2, 3]),
          lines([1, 0], [0, 1])),
    Guard("on a bound the slope is 1", "clip(x, 0, 1)", ([-1, 0, 0.5, 1, 2],),
          lines([0, 1, 1, 1, 0])),
    Guard("on a bound it is x's", "clip(x, y, z)", ([-1, 0, 0.5, 1, 2], [0] * 5, [1] * 5),
          lines([0, 1, 1, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1])),
    Guard("of crossed bounds the upper one holds", "clip(x, y, z)",
          ([-1, 0.5, 2], [1] * 3, [0] * 3), lines([0, 0, 0], [0, 0, 0], [1, 1, 1])),
    Guard("above the diagonal nothing", "tril(x)", ([[1, 2], [3, 4]],), lines([[1, 0], [1, 1]])),
    Guard("below the diagonal nothing", "triu(x)", ([[1, 2], [3, 4]],), lines([[1, 1], [0, 1]])),
    Guard("equals share", "max(x, axis=1)", ([[1, 3, 3], [2, 2, 2], [1, 2, 3]],),
          spread([[0, 0.5, 0.5], [1 / 3] * 3, [0, 0, 1]])),
    Guard("equals share", "min(x, axis=1)", ([[1, 1, 3], [2, 2, 2], [1, 2, 3]],),
          spread([[0.5, 0.5, 0], [1 / 3] * 3, [1, 0, 0]])),
    Guard("the NaN has it", "max(x)", ([1, nan],), lambda g, x: [g * [0.0, 1.0]]),
    Guard("of no error the slope is 0", "l1_loss(x, y, reduction='none')", ([1, 2, 3], [1, 3, 1]),
          lines([0, -1, 1], [0, 1, -1])),
    Guard("at delta it is the parabola", "huber_loss(x, y, reduction='none')",
          ([1, 2, 1.5, 5], [1, 1, 2.5, 1]),
          lambda g, x, y: [s * g * np.append((x - y)[:3], 1) for s in (1, -1)]),
]  # fmt: skip

NORMS = [
    Guard("of 0 it is flat", "norm(x, axis=1)", ([[0, 0, 0], [0, 3, 4], [1, -2, 3]],),
          by_rows(None, of_norm(2), of_norm(2))),
    Guard("of 0 it is flat", "norm(x, 'fro')", ([[0, 0], [0, 0]],), lines([[0, 0], [0, 0]])),
    *(Guard("of 0 it is flat", f"norm(x, {p}, axis=1)", ([[0, 0], [0.5, -2]],),
            by_rows(None, of_norm(p))) for p in (1, 3, 4, 1.5, 0.5, 2.5, -1, -1.5)),
    *(Guard("an entry of 0 has no slope", f"norm(x, {p})", ([0, -2, 3],),
            lambda g, x, p=p: [g * of_norm(p, [0])(x)]) for p in (1, 3, 4, 2.5, 1.5)),
    Guard("an entry of 0 is all that counts, and has no slope", "norm(x, -1.5)", ([0, -2, 3],),
          lines([0, 0, 0])),
    Guard("equals share", "norm(x, inf)", ([3, -3, 1],), lines([0.5, -0.5, 0])),
    Guard("at 0 it is flat", "norm(x, -inf)", ([3, -3, 0],), lines([0, 0, 0])),
    Guard("equals share", "norm(x, 1)", ([[0, 2], [-3, 1]],), lines([[0, 0.5], [-0.5, 0.5]])),
    Guard("equals share", "norm(x, -inf)", ([[0, 2], [-1, 1]],), lines([[0, 0.5], [-0.5, 0.5]])),
    Guard("of a constant it is flat", "std(x, axis=1)", ([[2, 2, 2], [1, 2, 4]],),
          by_rows(None, of_std)),
    Guard("a parabola's bottom is curved", "var(x)", ([2, 2, 2],),
          lambda g, x: [g * 2 * (x - x.mean()) / 3]),
]  # fmt: skip

LOGITS = [[1, 2, 3], [0, 1, 0], [-1, 0, 2]]
LOST = [[1, 2, 3], [inf, 0, 1], [-1, 0, 2]]
TARGETS = "[0, -100, 2], reduction='none'"
LOSSES = [
    *(Guard(f"an ignored row is flat, {what}", f"cross_entropy(x, {TARGETS})", (logits,),
            by_rows(less_target(0), None, less_target(2)))
      for what, logits in [("whatever it holds", LOST), ("as a constant is", LOGITS)]),
    *(Guard("an ignored row is flat, smoothed too",
            f"cross_entropy(x, {TARGETS}, label_smoothing=0.3)", (logits,),
            by_rows(less_target(0, 0.7), None, less_target(2, 0.7))) for logits in (LOST, LOGITS)),
    Guard("classes may weigh nothing", f"cross_entropy(x, {TARGETS}, weight=y)",
          (LOGITS, [0, 1, 2]), of_weighted_classes),
    Guard("targets of 0 and 1 are shares too",
          "binary_cross_entropy_with_logits(x, y, reduction='none')",
          ([-1, 0, 2, 1], [0, 1, 0, 0.5]), of_shares),
    Guard("positive targets may weigh nothing",
          "binary_cross_entropy_with_logits(x, y, pos_weight=z, reduction='none')",
          ([-1, 0.5, 2, 1, 3], [0, 1, 1, 0.5, 0], [0, 0, 2, 0, 3]), of_weighted_shares),
]  # fmt: skip
GUARDS = [*POWERS, *KINKS, *NORMS, *LOSSES]
