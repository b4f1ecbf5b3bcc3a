"""The table of special points holds, in numbers and recorded, and the page shows it."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg

from .special_points import COMMAND, PAGE, POINTS, Point, with_table

NAMES = {name: getattr(tg, name) for name in tg.ops.__all__}
NAMES |= {"inf": np.inf, "nan": np.nan, "zeros": np.zeros}


def walked(point: Point, dtype: Any, create_graph: bool = False) -> tuple[Any, list[Any]]:
    """Value and gradients at the point."""
    leaves = [tg.Tensor(x, dtype=dtype, requires_grad=True) for x in point.inputs]
    y = eval(point.call, NAMES | dict(zip("xyz", leaves, strict=False)))
    y.backward(np.ones(y.shape), create_graph=create_graph)
    return y.data, [x.grad.data for x in leaves]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("create_graph", [False, True], ids=["numbers", "recorded"])
@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.call} {point.what}")
def test_values_and_gradients_at_special_points(
    point: Point, create_graph: bool, dtype: Any
) -> None:
    """The table holds, in float64 and float32; quiet points, and no others, give no warning."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        value, gradients = walked(point, dtype, create_graph)
    assert bool(warned) != point.quiet, [str(warning.message) for warning in warned]
    rtol = 1e-12 if dtype == np.float64 else 1e-6
    assert value.shape == np.shape(point.value)
    np.testing.assert_allclose(value, point.value, rtol, atol=1e-15)
    for gradient, expected in zip(gradients, point.gradients, strict=True):
        assert (gradient.dtype, gradient.shape) == (dtype, np.shape(expected))
        np.testing.assert_allclose(gradient, expected, rtol, atol=1e-15)


def test_no_point_is_in_the_table_twice() -> None:
    """Each row has a call or inputs of its own."""
    rows = [(point.call, repr(point.inputs)) for point in POINTS]
    assert len(set(rows)) == len(rows)


def test_the_page_shows_the_table() -> None:
    """What stands in docs/conventions.md is the table as it is now."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), f"the table has changed: run `{COMMAND}`"


# What a row cannot say


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
@pytest.mark.parametrize("f", [tg.max, tg.min], ids=["max", "min"])
def test_nothing_has_no_extremes(f: Any, shape: tuple[int, ...]) -> None:
    """As NumPy's: a ValueError, but for an axis along which there are entries."""
    x = tg.Tensor(np.zeros(shape), requires_grad=True)
    with pytest.raises(ValueError, match=rf"{f.name}: .*{re.escape(str(shape))}"):
        f(x)
    assert f(tg.Tensor(np.zeros((2, 0)), requires_grad=True), axis=0).shape == (0,)


@pytest.mark.parametrize("name", ["mean", "prod", "std", "var"])
def test_a_number_has_no_axis(name: str) -> None:
    """As NumPy's: an axis of a 0-d tensor is an AxisError for these, which names the op."""
    with pytest.raises(np.exceptions.AxisError, match=f"{name}: axis -1"):
        getattr(tg, name)(tg.Tensor(1.0), axis=-1)


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
    [0, -np.inf, 0],
    [1000, -np.inf, -1000],
    [-np.inf, 1000, -np.inf],
]
LABELS = np.arange(6) % 3
HIT = np.arange(3) == LABELS[:, None]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("create_graph", [False, True], ids=["numbers", "recorded"])
@pytest.mark.parametrize(
    "f",
    [
        tg.softmax,
        tg.log_softmax,
        lambda x: tg.logsumexp(x, axis=-1),
        tg.sigmoid,
        tg.softplus,
        lambda x: tg.logaddexp(x, np.array([1000, 0, -1000], x.dtype)),
        lambda x: tg.logaddexp(0.0, x),
        lambda x: tg.cross_entropy(x, LABELS, reduction="none"),
        lambda x: tg.binary_cross_entropy_with_logits(x, HIT, reduction="none"),
        lambda x: tg.binary_cross_entropy_with_logits(x, HIT / 2, reduction="none"),
    ],
    ids=[
        "softmax",
        "log_softmax",
        "logsumexp",
        "sigmoid",
        "softplus",
        "logaddexp",
        "logaddexp with 0",
        "cross_entropy",
        "binary_cross_entropy",
        "binary_cross_entropy by half",
    ],
)
def test_extreme_logits_give_neither_warnings_nor_nan(
    f: Any, create_graph: bool, dtype: Any
) -> None:
    """At ±1000 and -inf: forward, backward, and the recorded walk."""
    x = tg.Tensor(EXTREMES, dtype=dtype, requires_grad=True)
    y = f(x)
    assert y.dtype == dtype
    assert not np.isnan(y.data).any()
    y.backward(np.ones(y.shape), create_graph=create_graph)
    assert np.isfinite(x.grad.data).all()
