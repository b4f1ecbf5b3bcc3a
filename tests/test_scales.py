"""Reductions and losses are right at any scale of the entries, and for any number of them.

A sum of powers may leave a dtype's range where its root does not, and float16 ends at 65,504, so
that a count of 70,000 is infinite in it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import ops

Call = Callable[..., Any]
PS = (1, 1.5, 2, 2.5, 3, 100, 0.5, 0.3, -0.5, -1, -3, np.inf, -np.inf)


def cotangent(y: Any) -> Any:
    """Random numbers, 0.25 to 0.75, that float16 has exactly."""
    return (np.random.default_rng(1).integers(2, 7, y.shape) / 8).astype(y.dtype)


def judged(call: Call, x: Any, order: int = 1) -> list[np.ndarray]:
    """Value, gradient for random cotangents and, if asked for, what becomes of the gradient."""
    leaf = tg.Tensor(x, requires_grad=True)
    y = call(leaf)
    (first,) = tg.grad(y, leaf, cotangent(y), create_graph=order > 1)
    if order == 1:
        return [y.data, first.data]
    if not first.requires_grad:
        return [y.data, first.data, 0 * x]
    (second,) = tg.grad(first, leaf, cotangent(first), allow_unused=True)
    return [y.data, first.data, 0 * x if second is None else second.data]


# Any scale

LENGTHS: dict[str, Call] = {
    **{f"norm {p}": lambda x, p=p: tg.norm(x[0, 0], p) for p in PS},
    **{f"norm {p} of rows": lambda x, p=p: tg.norm(x, p, axis=1) for p in PS},
    **{
        f"norm {p} of columns": lambda x, p=p: tg.norm(x, p, axis=-2, keepdims=True)
        for p in (2, 3, -1.5)
    },
    **{
        f"norm {p} of matrices": lambda x, p=p: tg.norm(x, p, axis=(2, 0))
        for p in ("fro", 1, -1, np.inf, -np.inf)
    },
    "norm of all": tg.norm,
    "norm over two axes": lambda x: tg.norm(x, axis=(0, 2), keepdims=True),
    "std": tg.std,
    "std of rows": lambda x: tg.std(x, axis=-1, ddof=1, keepdims=True),
    "std over two axes": lambda x: tg.std(x, axis=(0, 1)),
    "mean": lambda x: tg.mean(x, axis=1),
    "sum": lambda x: tg.sum(x, axis=(0, 2)),
    "max": lambda x: tg.max(x, axis=0),
    "min": lambda x: tg.min(x, axis=2),
    "cumsum": lambda x: tg.cumsum(x, axis=1),
    "sort": tg.sort,
    "l1": lambda x: tg.l1_loss(x, 0 * x),
}
SCALES = [
    (np.float64, 2.0**-530),
    (np.float64, 2.0**530),
    (np.float64, 2.0**-1000),
    (np.float64, 2.0**1000),
    (np.float32, 2.0**-83),
    (np.float32, 2.0**83),
    (np.float32, 2.0**-120),
    (np.float32, 2.0**120),
    (np.float16, 2.0**-21),
    (np.float16, 2.0**14),
]


@pytest.mark.parametrize(("dtype", "scale"), SCALES, ids=str)
@pytest.mark.parametrize("name", LENGTHS)
def test_lengths_grow_with_the_entries_and_their_slopes_do_not(
    name: str, dtype: Any, scale: float
) -> None:
    """Of s x it is s times that of x, with the same gradient; the second derivative is 1/s."""
    drawn = np.random.default_rng(0).uniform(0.5, 2, (2, 4, 3)) * np.resize([1, -1, 1], 3)
    x = (drawn * scale).astype(dtype)
    unscaled = (x.astype(np.longdouble) / scale).astype(float)
    order = 1 if dtype == np.float16 or not 2**-600 < scale < 2**600 else 2
    rtol = {np.float64: 1e-11, np.float32: 1e-4, np.float16: 4e-3}[dtype]
    expected = judged(LENGTHS[name], unscaled, order)
    if abs(expected[0]).max() * scale > np.finfo(dtype).max:
        return  # it has no place
    for k, (found, right) in enumerate(zip(judged(LENGTHS[name], x, order), expected, strict=True)):
        assert found.dtype == dtype
        size = max(abs(right).max(), 1.0 if k else 0.0)
        unit = scale ** (1 - k)
        resolution = 2.0**-24 if dtype == np.float16 else 0
        np.testing.assert_allclose(
            found.astype(float), right * unit, rtol=0, atol=rtol * size * unit + resolution
        )


@pytest.mark.parametrize(("dtype", "tiny"), [(np.float64, 1e-200), (np.float32, 1e-25)], ids=str)
@pytest.mark.parametrize("p", [1, 1.1, 1.5, 2, 2.1, 3, 0.5, 0.9, -0.5, -2])
def test_small_entries_beside_large_ones_have_their_slopes(p: float, dtype: Any, tiny: Any) -> None:
    """(|x| / z)^(p - 1), as logarithms give it; what has no place in the dtype is 0 or infinite."""
    x = np.array([tiny, -2 / tiny, 3 / tiny, 2 * tiny], dtype)
    logs = np.log(abs(x.astype(float)))
    z = tg.logsumexp(p * logs) / p
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = (np.sign(x) * np.exp((p - 1) * (logs - z))).astype(dtype)
        value, gradient = judged(lambda x: tg.norm(x, p), x)
    g = cotangent(value)
    small = np.finfo(dtype).tiny
    np.testing.assert_allclose(value, np.exp(z), rtol=1e-4 if dtype == np.float32 else 1e-11)
    np.testing.assert_allclose(gradient, g * expected, rtol=3e-4, atol=small)


def test_large_powers_have_no_range_to_leave() -> None:
    """Entries of a usual size too have a norm and a slope for p = 1000."""
    value, gradient = judged(lambda x: tg.norm(x, 1000), np.array([0.25, 0.5, -0.125]))
    assert value == pytest.approx(0.5, rel=1e-12)
    np.testing.assert_allclose(gradient / gradient[1], [0, 1, 0], atol=1e-200)


@pytest.mark.parametrize(("ord", "right"), [(2, np.inf), (3, np.inf), (-2, 1.0), (1, np.inf)])
def test_infinite_entries_count_as_such(ord: float, right: float) -> None:
    """Of inf and 1 the norms are infinite for p > 0, and 1 for p < 0; NaN makes NaN."""
    assert tg.norm(np.array([np.inf, 1.0]), ord) == right
    assert np.isnan(tg.norm(np.array([np.nan, 1.0]), ord))


@pytest.mark.parametrize("call", [tg.norm, lambda x, axis: tg.norm(x, 3, axis), tg.std])
def test_rows_are_measured_one_by_one(call: Call) -> None:
    """Beside rows of NaN, of 0 and of usual size, the small and the large ones have theirs."""
    row = np.array([1.0, -3.0, 2.0])
    x = np.array([row, row * 1e-200, row * 1e200, row * 0, row * np.nan])
    expected = np.array([1, 1e-200, 1e200, 0, np.nan]) * call(row, axis=0)
    np.testing.assert_allclose(call(x, axis=1), expected, rtol=1e-14)
    np.testing.assert_allclose(call(x.T, axis=0), expected, rtol=1e-14)


@pytest.mark.parametrize("scale", [2.0**-530, 2.0**530])
@pytest.mark.parametrize(
    "call", [tg.var, lambda x: tg.mse_loss(x, np.zeros(5)), lambda x: tg.sum(x * x)]
)
def test_squares_out_of_range_have_their_slopes(call: Call, scale: float) -> None:
    """Where the square itself is 0 or infinite, as NumPy's, its gradient is not."""
    x = np.array([1.0, -3.0, 2.0, 5.0, 4.0])
    with np.errstate(over="ignore"):
        value, gradient = judged(call, x * scale)
    assert value == scale * scale * judged(call, x)[0]
    np.testing.assert_allclose(gradient, judged(call, x)[1] * scale, rtol=1e-14)


def test_whole_numbers_are_measured_as_floats() -> None:
    """Small integers do not wrap around when they are squared; -128 has a size."""
    x = np.array([100, -128], np.int8)
    for ord in (None, 1, 2, 3, np.inf, -np.inf):
        assert tg.norm(x, ord) == pytest.approx(np.linalg.norm(x.astype(float), ord), rel=1e-14)
        assert tg.norm(x, ord).dtype == np.float64


# Any number

N = 70_000
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=N)
MANY = (RNG.normal(size=(N, 3)), RNG.integers(0, 3, N))
CLASSES = RNG.normal(size=(2, N)) / 64  # so that all count
SHARES = RNG.random(N)
ROWS = np.ones((5000, 2))  # along a first axis NumPy adds float16 up in float16, to 2048
COUNTED: dict[str, tuple[Call, np.ndarray]] = {
    "sum": (lambda x: tg.sum(x * 0.125), NORMAL),
    "sum of rows": (lambda x: tg.sum(x, axis=0), ROWS),
    "mean": (tg.mean, NORMAL),
    "mean of rows": (lambda x: tg.mean(x, axis=0), ROWS),
    "mean of large entries": (tg.mean, 100 * SHARES),
    "max": (tg.max, np.ones(N)),
    "max of rows": (lambda x: tg.max(x, axis=0, keepdims=True), ROWS),
    "min": (tg.min, np.ones(N)),
    "min of rows": (lambda x: tg.min(x, axis=0), ROWS),
    "var": (tg.var, NORMAL),
    "var of rows": (lambda x: tg.var(x, axis=0, ddof=1), 2 * ROWS * np.sign(NORMAL[:5000, None])),
    "std": (tg.std, NORMAL),
    "std of rows": (lambda x: tg.std(x, axis=0, ddof=1), 2 * ROWS * np.sign(NORMAL[:5000, None])),
    "var beside 1000": (tg.var, 1000 + (np.arange(N) % 4 == 0)),
    "std beside 1000": (tg.std, 1000 + (np.arange(N) % 4 == 0)),
    "norm": (tg.norm, NORMAL),
    "norm of large entries": (tg.norm, 200 * NORMAL),
    "norm of rows": (lambda x: tg.norm(x, axis=0), ROWS),
    "norm 1": (lambda x: tg.norm(x, 1), NORMAL),
    "norm 3": (lambda x: tg.norm(x, 3), 50 * NORMAL),
    "norm 0.7": (lambda x: tg.norm(x, 0.7), NORMAL / 256),
    "norm inf": (lambda x: tg.norm(x, np.inf), np.ones(N)),
    "prod": (tg.prod, np.ones(N)),
    "cumsum of rows": (lambda x: tg.cumsum(x, axis=0), ROWS),
    "take_along_axis of one entry": (
        lambda x: tg.take_along_axis(x, np.zeros((5000, 2), int), 0),
        np.ones((1, 2)),
    ),
    "a bias of many rows": (lambda x: x + np.ones((5000, 2), x.dtype), np.ones(2)),
    "softmax": (tg.softmax, CLASSES),
    "log_softmax": (tg.log_softmax, CLASSES),
    "logsumexp": (lambda x: tg.logsumexp(x, axis=1), CLASSES),
    "cross_entropy": (lambda x: tg.cross_entropy(x, MANY[1]), MANY[0]),
    "cross_entropy of large losses": (lambda x: tg.cross_entropy(x, MANY[1]), 30 * MANY[0]),
    "cross_entropy, weighted": (
        lambda x: tg.cross_entropy(x, MANY[1], weight=[1.0, 2.0, 3.0], ignore_index=1),
        MANY[0],
    ),
    "cross_entropy, smoothed": (
        lambda x: tg.cross_entropy(x, MANY[1], label_smoothing=0.25),
        MANY[0],
    ),
    "cross_entropy of shares": (
        lambda x: tg.cross_entropy(x, np.full(MANY[0].shape, 0.25, x.dtype)),
        MANY[0],
    ),
    "cross_entropy of many classes": (lambda x: tg.cross_entropy(x, [5, N - 1]), CLASSES),
    "cross_entropy of a million": (lambda x: tg.cross_entropy(x, 5) * 1024, np.zeros(10**6)),
    "logsumexp of a million": (lambda x: tg.logsumexp(x) * 1024, np.zeros(10**6)),
    "mse_loss": (lambda x: tg.mse_loss(x, 0 * x), NORMAL),
    "l1_loss": (lambda x: tg.l1_loss(x, 0 * x), NORMAL),
    "huber_loss": (lambda x: tg.huber_loss(x, 0 * x), NORMAL),
    "binary_cross_entropy_with_logits": (
        lambda x: tg.binary_cross_entropy_with_logits(x, SHARES.astype(x.dtype)),
        NORMAL,
    ),
    "binary_cross_entropy_with_logits, weighted": (
        lambda x: tg.binary_cross_entropy_with_logits(
            x, SHARES.astype(x.dtype), weight=[2.0], pos_weight=[0.5]
        ),
        NORMAL,
    ),
}


def test_every_reduction_and_every_loss_is_counted() -> None:
    """What ops/ has to add up, to compare and to measure is in the table."""
    every = {*ops.reduce.__all__, *ops.likelihood.__all__, *ops.loss.__all__}
    assert every <= {name.partition(" ")[0].strip(",") for name in COUNTED}


def near(found: Any, right: np.ndarray) -> None:
    """Equal up to float16's rounding, and to its smallest steps."""
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.astype(float), right, rtol=4e-3, atol=2.0**-22)


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("name", COUNTED)
def test_float16_counts_beyond_its_end(name: str, recorded: bool) -> None:
    """Value and gradient over 70,000 entries, or 5,000 rows, are float64's."""
    call, drawn = COUNTED[name]
    x = drawn.astype(np.float16)
    expected = judged(call, x.astype(float))
    leaf = tg.Tensor(x, requires_grad=True)
    y = call(leaf)
    (gradient,) = tg.grad(y, leaf, cotangent(y), create_graph=recorded)
    near(y.data, expected[0])
    near(gradient.data, expected[1])


@pytest.mark.parametrize("name", COUNTED)
def test_compiled_steps_count_as_eager_ones(name: str) -> None:
    """The loss and the gradient of a compiled step in float16 are float64's."""
    call, drawn = COUNTED[name]
    x = drawn.astype(np.float16)
    value, gradient = judged(call, x.astype(float))
    leaf = tg.Tensor(x, requires_grad=True)
    g = cotangent(value).astype(np.float16)
    loss = tg.compile(lambda g: (call(leaf) * g).mean())(g)
    near(np.asarray(loss.data), np.mean(value * g))
    near(leaf.grad.data, gradient / value.size)
