"""Rows of ops/elementwise.py and ops/elementary.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import ops
from tinygrad_rnn.ops.likelihood import bernoulli_likelihood, weighted_likelihood

from .rows import (
    Draw,
    above_one,
    around,
    exactly,
    flags,
    fraction,
    nonzero,
    normal,
    positive,
    row,
)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


ELEMENTWISE = [
    row("abs", np.abs, Draw(nonzero, (2, 3))),
    row("arccos", np.arccos, Draw(fraction, (2, 3))),
    row("arccosh", np.arccosh, Draw(above_one, (2, 3))),
    row("arcsin", np.arcsin, Draw(fraction, (2, 3))),
    row("arcsinh", np.arcsinh, Draw(normal, (2, 3))),
    row("arctan", np.arctan, Draw(normal, (2, 3))),
    row("arctanh", np.arctanh, Draw(fraction, (2, 3))),
    row("cos", np.cos, Draw(normal, (2, 3))),
    row("cosh", np.cosh, Draw(normal, (2, 3))),
    row("exp", np.exp, Draw(normal, (2, 3))),
    row("expm1", np.expm1, Draw(normal, (2, 3))),
    row("log", np.log, Draw(positive, (2, 3))),
    row("log1p", np.log1p, Draw(positive, (2, 3))),
    row("negative", np.negative, Draw(normal, (2, 3))),
    row("positive", np.positive, Draw(normal, (2, 3))),
    row("reciprocal", np.reciprocal, Draw(nonzero, (2, 3))),
    row("relu", lambda x: np.where(x > 0, x, x * 0), Draw(nonzero, (2, 3))),
    row("sigmoid", _sigmoid, Draw(normal, (2, 3))),
    row("sign", np.sign, Draw(nonzero, (2, 3))),
    row("sin", np.sin, Draw(normal, (2, 3))),
    row("sinh", np.sinh, Draw(normal, (2, 3))),
    row("softplus", lambda x: np.log(1 + np.exp(x)), Draw(normal, (2, 3))),
    row("sqrt", np.sqrt, Draw(positive, (2, 3))),
    row("square", np.square, Draw(normal, (2, 3))),
    row("tan", np.tan, Draw(fraction, (2, 3))),
    row("tanh", np.tanh, Draw(normal, (2, 3))),
    row("add", np.add, Draw(normal, (2, 3)), Draw(normal, (2, 3))),
    row("subtract", np.subtract, Draw(normal, (2, 3)), Draw(normal, (2, 3))),
    row("multiply", np.multiply, Draw(normal, (2, 3)), Draw(normal, (2, 3))),
    row("divide", np.divide, Draw(normal, (2, 3)), Draw(nonzero, (2, 3))),
    row("power", np.power, Draw(positive, (2, 3)), Draw(normal, (2, 3))),
    row("logaddexp", np.logaddexp, Draw(normal, (2, 3)), Draw(normal, (2, 3))),
    row(
        "bernoulli_likelihood",
        lambda x, t: np.log(1 + np.exp(x)) - t * x,
        Draw(normal, (2, 3)),
        Draw(fraction, (2, 3)),
        call=bernoulli_likelihood,
    ),
    row(
        "weighted_likelihood",
        lambda x, a, b: a * np.log(1 + np.exp(-x)) + b * np.log(1 + np.exp(x)),
        Draw(normal, (2, 3)),
        Draw(fraction, (2, 3)),
        Draw(normal, (2, 3)),
        call=weighted_likelihood,
    ),
    row("maximum", np.maximum, Draw(around(-1, 0, 1), (2, 3)), Draw(around(-0.5, 0.5), (2, 3))),
    row("minimum", np.minimum, Draw(around(-1, 0, 1), (2, 3)), Draw(around(-0.5, 0.5), (2, 3))),
    *(
        row(name, getattr(np, name), *[Draw(around(-1, 1), (2, 3))] * 2, by=())
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    ),
    row("where", np.where, Draw(flags, (2, 3)), *[Draw(normal, (2, 3))] * 2, by=(1, 2)),
    row(
        "clip",
        np.clip,
        Draw(around(-2, -1, 0, 1, 2), (2, 3)),
        Draw(around(-1.5, -0.5), (2, 3)),
        Draw(around(0.5, 1.5), (2, 3)),
    ),
]

MORE_ELEMENTWISE = [
    row("reciprocal", np.reciprocal, exactly([1, 2, -3]), by=(), label="ints"),
    row("square", np.square, exactly([1, 2, -3]), by=(), label="ints"),
    row("equal", np.equal, *[exactly([1.0, 2.0, 2.0])] * 2, by=(), label="ties"),
    row("less_equal", np.less_equal, *[exactly([1.0, 2.0])] * 2, by=(), label="ties"),
    row("greater", np.greater, exactly([1, 2, 3]), exactly([3, 2, 1]), by=(), label="ints"),
    *(
        row(
            "clip",
            lambda x, low=low, high=high: np.clip(x, low, high),
            Draw(around(-2, 0, 2), (3, 2)),
            label=f"between {low} and {high}",
            call=lambda x, low=low, high=high: ops.clip(x, low, high),
        )
        for low, high in [(None, 1.0), (-1.0, None), (-1.0, 1.0), (-1, 1)]
    ),
    *(
        row(
            "power",
            lambda x, y=y: np.power(x, y),
            Draw(positive if y == 0.5 else nonzero, (3, 2)),
            label=f"to {y}",
            call=lambda x, y=y: ops.power(x, y),
        )
        for y in (2, 3.0, 0.5, -1.0, 1, 0)
    ),
    row("power", lambda y: np.power(2.0, y), Draw(normal, (3,)), label="of 2",
        call=lambda y: ops.power(2.0, y)),
    row("where", np.where, Draw(flags, (3, 1)), Draw(normal, (4,)), Draw(normal, ()), by=(1, 2)),
    row("where", lambda c, x: np.where(c, x, 0.0), Draw(flags, (3,)), Draw(normal, (3,)), by=(1,),
        label="else a number", call=lambda c, x: ops.where(c, x, 0.0)),
    row("subtract", lambda x: 1.0 - x, Draw(normal, (3,)), label="from a number",
        call=lambda x: 1.0 - x),
    row("divide", lambda x: 1.0 / x, Draw(nonzero, (3,)), label="of a number",
        call=lambda x: 1.0 / x),
]  # fmt: skip
