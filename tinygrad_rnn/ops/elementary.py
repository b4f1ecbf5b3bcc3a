# Rules name ops that are declared further down, which mypy cannot follow:
# mypy: disable-error-code="has-type"
"""The elementary functions, entry by entry: powers, exponentials, circular and hyperbolic ones.

In the rules g is the incoming gradient, z the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import equal, greater, greater_equal, not_equal, where
from .op import op

__all__ = [
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "log",
    "log1p",
    "logaddexp",
    "power",
    "relu",
    "sigmoid",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "tan",
    "tanh",
]


@op(
    elementwise=True,
    x=lambda g, z, x, y: g * _slope_of_power(x, y),
    y=lambda g, z, x, y: g * (z * log(_positive_or_one(x, y))),
)
def power(x: Any, y: Any) -> Any:
    """x to the power y, entry by entry. x, y: shapes that broadcast.

    Where y = 0 the derivative by x is 0, also at x = 0; where x = 0 and y >= 0 that by y is 0.

    >>> power(np.array([1.0, 3.0]), 2.0)
    array([1., 9.])
    """
    return x**y


def _slope_of_power(x: Any, y: Any) -> Any:
    """y x^(y - 1), and 0 where y is 0, of 0 and NaN too.

    Of other x nothing is guarded: at y = 0 the derivative by y is 1/x.
    """
    if isinstance(y, (int, float)):
        return y * power(x, y - 1) if y else 0
    flat = equal(y, 0) * (equal(x, 0) + not_equal(x, x))
    return where(flat, 0, y * power(where(flat, 1, x), y - 1))


def _positive_or_one(x: Any, y: Any) -> Any:
    """x, but 1, whose logarithm is 0, where 0 is raised to 0 or more."""
    return where(equal(x, 0) * greater_equal(y, 0), 1, x)


@op(elementwise=True, x=lambda g, z, x: g * z)
def exp(x: Any) -> Any:
    """e to the power x, entry by entry.

    >>> exp(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """
    return np.exp(x)


@op(elementwise=True, x=lambda g, z, x: g * (z + 1))
def expm1(x: Any) -> Any:
    """exp(x) - 1, entry by entry, exact for small x too.

    >>> expm1(1e-20)
    np.float64(1e-20)
    """
    return np.expm1(x)


@op(elementwise=True, x=lambda g, z, x: g / x)
def log(x: Any) -> Any:
    """Natural logarithm, entry by entry.

    >>> log(np.array([1.0, 2.0]))
    array([0.        , 0.69314718])
    """
    return np.log(x)


@op(elementwise=True, x=lambda g, z, x: g / (1 + x))
def log1p(x: Any) -> Any:
    """log(1 + x), entry by entry, exact for small x too.

    >>> log1p(1e-20)
    np.float64(1e-20)
    """
    return np.log1p(x)


@op(elementwise=True, x=lambda g, z, x: g / (z + z))
def sqrt(x: Any) -> Any:
    """Square root, entry by entry; its derivative at 0 is infinite.

    >>> sqrt(np.array([1.0, 4.0]))
    array([1., 2.])
    """
    return np.sqrt(x)


@op(elementwise=True, x=lambda g, z, x: g * cos(x))
def sin(x: Any) -> Any:
    """Sine of an angle in radians, entry by entry.

    >>> sin(np.array([0.0, 1.0]))
    array([0.        , 0.84147098])
    """
    return np.sin(x)


@op(elementwise=True, x=lambda g, z, x: -(g * sin(x)))
def cos(x: Any) -> Any:
    """Cosine of an angle in radians, entry by entry.

    >>> cos(np.array([0.0, 1.0]))
    array([1.        , 0.54030231])
    """
    return np.cos(x)


@op(elementwise=True, x=lambda g, z, x: g * (1 + z * z))
def tan(x: Any) -> Any:
    """Tangent of an angle in radians, entry by entry.

    >>> tan(np.array([0.0, 1.0]))
    array([0.        , 1.55740772])
    """
    return np.tan(x)


@op(elementwise=True, x=lambda g, z, x: g / sqrt((1 - x) * (1 + x)))
def arcsin(x: Any) -> Any:
    """The angle from -π/2 to π/2 whose sine is x, entry by entry.

    >>> arcsin(np.array([0.0, 1.0]))
    array([0.        , 1.57079633])
    """
    return np.arcsin(x)


@op(elementwise=True, x=lambda g, z, x: -(g / sqrt((1 - x) * (1 + x))))
def arccos(x: Any) -> Any:
    """The angle from 0 to π whose cosine is x, entry by entry.

    >>> arccos(np.array([0.0, 1.0]))
    array([1.57079633, 0.        ])
    """
    return np.arccos(x)


@op(elementwise=True, x=lambda g, z, x: g / (1 + x * x))
def arctan(x: Any) -> Any:
    """The angle from -π/2 to π/2 whose tangent is x, entry by entry.

    >>> arctan(np.array([0.0, 1.0]))
    array([0.        , 0.78539816])
    """
    return np.arctan(x)


@op(elementwise=True, x=lambda g, z, x: g * cosh(x))
def sinh(x: Any) -> Any:
    """Hyperbolic sine, entry by entry.

    >>> sinh(np.array([0.0, 1.0]))
    array([0.        , 1.17520119])
    """
    return np.sinh(x)


@op(elementwise=True, x=lambda g, z, x: g * sinh(x))
def cosh(x: Any) -> Any:
    """Hyperbolic cosine, entry by entry.

    >>> cosh(np.array([0.0, 1.0]))
    array([1.        , 1.54308063])
    """
    return np.cosh(x)


@op(elementwise=True, x=lambda g, z, x: g * (1.0 - z * z))
def tanh(x: Any) -> Any:
    """Hyperbolic tangent, entry by entry.

    >>> tanh(np.array([0.0, 1.0]))
    array([0.        , 0.76159416])
    """
    return np.tanh(x)


@op(elementwise=True, x=lambda g, z, x: g / cosh(z))
def arcsinh(x: Any) -> Any:
    """The number whose hyperbolic sine is x, entry by entry.

    >>> arcsinh(np.array([0.0, 1.0]))
    array([0.        , 0.88137359])
    """
    return np.arcsinh(x)


@op(elementwise=True, x=lambda g, z, x: g / (sqrt(x - 1) * sqrt(x + 1)))
def arccosh(x: Any) -> Any:
    """The number, 0 or more, whose hyperbolic cosine is x, entry by entry.

    >>> arccosh(np.array([1.0, 2.0]))
    array([0.       , 1.3169579])
    """
    return np.arccosh(x)


@op(elementwise=True, x=lambda g, z, x: g / ((1 - x) * (1 + x)))
def arctanh(x: Any) -> Any:
    """The number whose hyperbolic tangent is x, entry by entry.

    >>> arctanh(np.array([0.0, 0.5]))
    array([0.        , 0.54930614])
    """
    return np.arctanh(x)


@op(elementwise=True, x=lambda g, z, x: g * (z * (1.0 - z)))
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), entry by entry, without overflow.

    >>> sigmoid(np.array([0.0, -800.0, 800.0]))
    array([0.5, 0. , 1. ])
    """
    with np.errstate(over="ignore"):  # exp(800) = inf gives the right 0
        return 1 / (1 + np.exp(-x))


@op(elementwise=True, x=lambda g, z, x: where(greater(x, 0), g, 0))
def relu(x: Any) -> Any:
    """max(x, 0), entry by entry; its derivative at 0 is 0.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(x, 0)


@op(elementwise=True, x=lambda g, z, x: g * sigmoid(x))
def softplus(x: Any) -> Any:
    """log(1 + exp(x)), entry by entry, without overflow: a smooth relu.

    >>> softplus(np.array([-1000.0, 0.0, 1000.0]))
    array([0.00000000e+00, 6.93147181e-01, 1.00000000e+03])
    """
    return np.logaddexp(x, 0)


@op(
    elementwise=True,
    x=lambda g, z, x, y: g * sigmoid(x - y),
    y=lambda g, z, x, y: g * sigmoid(y - x),
)
def logaddexp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)), entry by entry, without overflow. x, y: shapes that broadcast.

    >>> logaddexp(np.array([0.0, 1000.0]), 0.0)
    array([6.93147181e-01, 1.00000000e+03])
    """
    return np.logaddexp(x, y)
