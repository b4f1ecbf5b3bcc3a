"""What operations give where mathematics leaves a choice or numbers run out: one table.

Each row is a call at a point, its value and its gradients for a cotangent of ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_rnn as tg

inf, nan = np.inf, np.nan


class Point(NamedTuple):
    """A call at a special point. quiet: NumPy has nothing to warn of there."""

    what: str
    call: Callable[..., Any]
    inputs: tuple[Any, ...]
    value: Any
    gradients: tuple[Any, ...]
    quiet: bool = True


def with_targets(*targets: int, **settings: Any) -> Callable[[tg.Tensor], tg.Tensor]:
    """Cross-entropy against these targets."""
    return lambda logits: tg.cross_entropy(logits, np.array(targets), **settings)


POINTS = [
    # Kinks
    Point("relu at 0 has slope 0", tg.relu, ([-1.0, 0, 2],), [0, 0, 2], ([0, 0, 1],)),
    Point("abs at 0 has slope 0", tg.abs, ([-1.0, 0, 2],), [1, 0, 2], ([-1, 0, 1],)),
    Point("sign has slope 0", tg.sign, ([-1.0, 0, 2],), [-1, 0, 1], ([0, 0, 0],)),
    Point(
        "clip at a bound has slope 1",
        lambda x: tg.clip(x, 0.0, 1.0),
        ([-1.0, 0, 0.5, 1, 2],),
        [0, 0, 0.5, 1, 1],
        ([0, 1, 1, 1, 0],),
    ),
    Point(
        "a bound of clip has no gradient where x is on it",
        tg.clip,
        ([-1.0, 0, 0.5, 1, 2], 0.0, 1.0),
        [0, 0, 0.5, 1, 1],
        ([0, 1, 1, 1, 0], 1, 1),
    ),
    Point(
        "clip between crossed bounds is the upper one, as NumPy's",
        tg.clip,
        ([-1.0, 0.5, 2], 1.0, 0.0),
        [0, 0, 0],
        ([0, 0, 0], 0, 3),
    ),
    Point("maximum: equals share", tg.maximum, ([2.0, 1], [2.0, 3]), [2, 3], ([0.5, 0], [0.5, 1])),
    Point("minimum: equals share", tg.minimum, ([2.0, 1], [2.0, 3]), [2, 1], ([0.5, 1], [0.5, 0])),
    Point("max: equals share", tg.max, ([1.0, 3, 3],), 3, ([0, 0.5, 0.5],)),
    Point(
        "max over an axis: equals share",
        lambda x: tg.max(x, axis=1),
        ([[3.0, 3, 3, 3], [0, 1, 2, 2]],),
        [3, 2],
        ([[0.25] * 4, [0, 0, 0.5, 0.5]],),
    ),
    Point("max of one NaN is NaN, and has the gradient", tg.max, ([1, nan],), nan, ([0, 1],)),
    # Powers and logarithms
    Point("x**0 has slope 0 at 0", lambda x: x**0, ([0.0, 2],), [1, 1], ([0, 0],)),
    Point("x**0.0 has slope 0 at 0", lambda x: x**0.0, ([0.0, 2],), [1, 1], ([0, 0],)),
    Point("x**1 has slope 1 at 0", lambda x: x**1, ([0.0, 2],), [0, 2], ([1, 1],)),
    Point("x**2 has slope 0 at 0", lambda x: x**2, ([0.0, -2],), [0, 4], ([0, -4],)),
    Point("0**0 has gradients 0", tg.power, (0.0, 0.0), 1, (0, 0)),
    Point("0**y has slope 0 by y > 0", tg.power, (0.0, 2.0), 0, (0, 0)),
    Point("x**0.5 is infinitely steep at 0", lambda x: x**0.5, (0.0,), 0, (inf,), False),
    Point("0**-1 is infinite", lambda x: x**-1.0, (0.0,), inf, (-inf,), False),
    Point("(-2)**2.0 has no slope by 2.0", tg.power, (-2.0, 2.0), 4, (-4, nan), False),
    Point("sqrt is infinitely steep at 0", tg.sqrt, (0.0,), 0, (inf,), False),
    Point("sqrt of a negative number is NaN", tg.sqrt, (-1.0,), nan, (nan,), False),
    Point("log of 0 is -inf and infinitely steep", tg.log, (0.0,), -inf, (inf,), False),
    Point("1/0 is inf with slope -inf", lambda x: 1 / x, (0.0,), inf, (-inf,), False),
    # Values not chosen
    Point(
        "where gives exactly 0 to what was not chosen",
        lambda x, y: tg.where(np.array([True, False]), x, y),
        ([1.0, inf], [nan, 2.0]),
        [1, 2],
        ([1, 0], [0, 1]),
    ),
    Point(
        "a slope that is not finite comes through where: 0 times inf",
        lambda x: tg.where(x.data > 0, tg.sqrt(x), 0.0),
        ([0.0, 4],),
        [0, 2],
        ([nan, 0.25],),
        False,
    ),
    Point(
        "a second where before the root keeps it out",
        lambda x: tg.where(x.data > 0, tg.sqrt(tg.where(x.data > 0, x, 1.0)), 0.0),
        ([0.0, 4],),
        [0, 2],
        ([0, 0.25],),
    ),
    # Large arguments
    Point("sigmoid saturates", tg.sigmoid, ([-800.0, 0, 800],), [0, 0.5, 1], ([0, 0.25, 0],)),
    Point("sigmoid of infinities", tg.sigmoid, ([-inf, inf],), [0, 1], ([0, 0],)),
    Point("tanh saturates", tg.tanh, ([-800.0, 0, 800],), [-1, 0, 1], ([0, 1, 0],)),
    Point("softmax saturates", tg.softmax, ([1000.0, 0, -1000],), [1, 0, 0], ([0, 0, 0],)),
    Point(
        "softmax gives -inf nothing",
        lambda x: tg.softmax(x) * np.array([1.0, 0, 0]),
        ([0, -inf, 0],),
        [0.5, 0, 0],
        ([0.25, 0, -0.25],),
    ),
    Point("softmax of -inf alone is NaN", tg.softmax, ([-inf, -inf],), [nan, nan], ([nan, nan],)),
    Point(
        "log_softmax does not overflow",
        lambda x: tg.log_softmax(x)[2],
        ([1000.0, 0, -1000],),
        -2000,
        ([-1, 0, 1],),
    ),
    Point(
        "log_softmax of -inf is -inf",
        lambda x: tg.log_softmax(x)[0],
        ([0, -inf],),
        0,
        ([0, 0],),
    ),
    Point("logsumexp does not overflow", tg.logsumexp, ([1000.0, 1000],), 1000 + np.log(2),
          ([0.5, 0.5],)),
    Point("logsumexp does not underflow", tg.logsumexp, ([-1000.0, -1000],), -1000 + np.log(2),
          ([0.5, 0.5],)),
    Point("logsumexp skips -inf", tg.logsumexp, ([0.0, -inf],), 0, ([1, 0],)),
    Point("logsumexp of -inf alone is -inf", tg.logsumexp, ([-inf, -inf],), -inf, ([nan, nan],)),
    Point("logsumexp of inf is inf", lambda x: tg.logsumexp(x).detach(), ([inf, 0.0],), inf, ()),
    # Cross-entropy
    Point("a sure mistake costs the difference", with_targets(1), ([[1000.0, 0]],), 1000,
          ([[1, -1]],)),
    Point("a sure hit costs nothing", with_targets(0), ([[1000.0, 0]],), 0, ([[0, 0]],)),
    Point("an offset of the logits costs no precision", with_targets(0), ([[1000.0, 999.0]],),
          np.log1p(np.exp(-1)), ([[-1 / (1 + np.e), 1 / (1 + np.e)]],)),
    Point("a target at -inf costs inf", with_targets(1), ([[0, -inf]],), inf, ([[1, -1]],)),
    Point(
        "ignored rows have no gradient, and the mean is over the others",
        with_targets(0, -100, 1),
        ([[0.0, 0], [7, -7], [0, 0]],),
        np.log(2),
        ([[-0.25, 0.25], [0, 0], [0.25, -0.25]],),
    ),
    Point(
        "a row with inf in it may be ignored",
        with_targets(0, 9, ignore_index=9),
        ([[0.0, 0], [inf, 0]],),
        np.log(2),
        ([[-0.5, 0.5], [0, 0]],),
    ),
    Point("ignored losses are 0", with_targets(-100, 0, reduction="none"), ([[1.0, 0], [0, 0]],),
          [0, np.log(2)], ([[0, 0], [-0.5, 0.5]],)),
    Point("the mean over no target is NaN", with_targets(-100, -100), ([[1.0, 0], [0, 0]],), nan,
          ([[0, 0], [0, 0]],), False),
    Point("the sum over no target is 0", with_targets(-100, reduction="sum"), ([[1.0, 0]],), 0,
          ([[0, 0]],)),
    # Nothing
    Point("the sum of nothing is 0", tg.sum, (np.zeros(0),), 0, (np.zeros(0),)),
]  # fmt: skip

every_point = pytest.mark.parametrize("point", POINTS, ids=lambda point: point.what)


def walked(point: Point, dtype: Any, create_graph: bool = False) -> tuple[Any, list[Any]]:
    """Value and gradients at the point."""
    leaves = [tg.Tensor(x, dtype=dtype, requires_grad=True) for x in point.inputs]
    y = point.call(*leaves)
    if y.requires_grad:
        y.backward(np.ones(y.shape), create_graph=create_graph)
    return y.data, [x.grad.data for x in leaves if x.grad is not None]


@every_point
@pytest.mark.parametrize("create_graph", [False, True], ids=["numbers", "recorded"])
def test_values_and_gradients_at_special_points(point: Point, create_graph: bool) -> None:
    """The table holds, in float64 and float32; quiet points give no warning."""
    for dtype in (np.float64, np.float32):
        with np.errstate(all="warn" if point.quiet else "ignore", under="ignore"):
            value, gradients = walked(point, dtype, create_graph)
        rtol = 1e-12 if dtype == np.float64 else 1e-6
        np.testing.assert_allclose(value, point.value, rtol, atol=1e-15)
        assert len(gradients) == len(point.gradients)
        for gradient, expected in zip(gradients, point.gradients, strict=True):
            assert gradient.dtype == dtype
            np.testing.assert_allclose(gradient, expected, rtol, atol=1e-15)


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_the_mean_of_nothing_is_nan() -> None:
    """As NumPy's, which warns of it; the walk back does not, and its gradient is empty."""
    x = tg.Tensor(np.zeros(0), requires_grad=True)
    y = x.mean()
    assert np.isnan(y.item())
    y.backward()
    assert x.grad.shape == (0,)


def test_an_empty_batch_has_the_loss_nan() -> None:
    """Of no examples there is no mean; their gradient is empty."""
    logits = tg.Tensor(np.zeros((0, 3)), requires_grad=True)
    with np.errstate(all="ignore"):
        loss = tg.cross_entropy(logits, np.zeros(0, int))
        loss.backward()
    assert np.isnan(loss.item())
    assert logits.grad.shape == (0, 3)


def test_softmax_of_nothing_is_nothing() -> None:
    """Where no entry exists the shape is kept, if the classes' axis has entries."""
    x = tg.Tensor(np.zeros((5, 0, 3)), requires_grad=True)
    for f in (tg.softmax, tg.log_softmax):
        y = f(x)
        y.sum().backward()
        assert y.shape == x.grad.shape == (5, 0, 3)


EXTREMES = [
    [1000.0, 0, -1000],
    [1000, 1000, 1000],
    [-1000, -1000, -1000],
    [0, -inf, 0],
    [1000, -inf, -1000],
    [-inf, 1000, -inf],
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "f",
    [
        tg.softmax,
        tg.log_softmax,
        tg.logsumexp,
        tg.sigmoid,
        lambda x: tg.cross_entropy(x, np.arange(6) % 3, reduction="none"),
    ],
    ids=["softmax", "log_softmax", "logsumexp", "sigmoid", "cross_entropy"],
)
def test_extreme_logits_give_neither_warnings_nor_nan(f: Any, dtype: Any) -> None:
    """At ±1000 and -inf: forward, backward, and the recorded walk."""
    for create_graph in (False, True):
        x = tg.Tensor(EXTREMES, dtype=dtype, requires_grad=True)
        y = f(x, axis=-1) if f is tg.logsumexp else f(x)
        assert not np.isnan(y.data).any()
        y.backward(np.ones(y.shape), create_graph=create_graph)
        assert np.isfinite(x.grad.data).all()
