# Rules name ops that are declared further down, which mypy cannot follow:
# mypy: disable-error-code="has-type"
"""Operations entry by entry: the result has the shape that the inputs broadcast to.

In the rules g is the incoming gradient and z the result. What an input was broadcast over is
summed by the tape, so no rule mentions it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .op import op

__all__ = [
    "abs",
    "add",
    "clip",
    "divide",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "positive",
    "reciprocal",
    "sign",
    "square",
    "subtract",
    "where",
]


@op(elementwise=True, x=lambda g, z, x, y: g, y=lambda g, z, x, y: g)
def add(x: Any, y: Any) -> Any:
    """Sum, entry by entry. x, y: shapes that broadcast.

    >>> add(np.array([1.0, 2.0]), 3.0)
    array([4., 5.])
    """
    return x + y


@op(elementwise=True, x=lambda g, z, x, y: g, y=lambda g, z, x, y: -g)
def subtract(x: Any, y: Any) -> Any:
    """Difference, entry by entry. x, y: shapes that broadcast.

    >>> subtract(np.array([1.0, 2.0]), 3.0)
    array([-2., -1.])
    """
    return x - y


@op(elementwise=True, x=lambda g, z, x, y: g * y, y=lambda g, z, x, y: g * x)
def multiply(x: Any, y: Any) -> Any:
    """Product, entry by entry. x, y: shapes that broadcast.

    >>> multiply(np.array([1.0, 2.0]), 3.0)
    array([3., 6.])
    """
    return x * y


@op(elementwise=True, x=lambda g, z, x, y: g / y, y=lambda g, z, x, y: -(g * z) / y)
def divide(x: Any, y: Any) -> Any:
    """Quotient, entry by entry. x, y: shapes that broadcast.

    >>> divide(np.array([1.0, 2.0]), 2.0)
    array([0.5, 1. ])
    """
    return x / y


@op(elementwise=True, x=lambda g, z, x: g)
def positive(x: Any) -> Any:
    """+x, entry by entry: a copy.

    >>> positive(np.array([1.0, -2.0]))
    array([ 1., -2.])
    """
    return +x


@op(elementwise=True, x=lambda g, z, x: -g)
def negative(x: Any) -> Any:
    """-x, entry by entry.

    >>> negative(np.array([1.0, -2.0]))
    array([-1.,  2.])
    """
    return -x


@op(elementwise=True, x=lambda g, z, x: -(g * (z * z)))
def reciprocal(x: Any) -> Any:
    """1 / x, entry by entry.

    >>> reciprocal(np.array([1.0, 4.0]))
    array([1.  , 0.25])
    """
    return np.reciprocal(x)


@op(elementwise=True, x=lambda g, z, x: g * (x + x))
def square(x: Any) -> Any:
    """x times x, entry by entry.

    >>> square(np.array([1.0, -3.0]))
    array([1., 9.])
    """
    return np.square(x)


@op(elementwise=True, x=lambda g, z, x: g * sign(x))
def abs(x: Any) -> Any:
    """|x|, entry by entry; its derivative at 0 is 0.

    >>> abs(np.array([1.0, -2.0]))
    array([1., 2.])
    """
    return np.abs(x)


@op(elementwise=True, x=lambda g, z, x: where(equal(x, x), 0, x))
def sign(x: Any) -> Any:
    """-1, 0 or 1, entry by entry; its derivative is 0.

    >>> sign(np.array([3.0, 0.0, -2.0]))
    array([ 1.,  0., -1.])
    """
    return np.sign(x)


@op(
    elementwise=True,
    x=lambda g, z, x, y: where(less(x, y), 0, where(equal(x, y), g / 2, g)),
    y=lambda g, z, x, y: where(greater(x, y), 0, where(equal(x, y), g / 2, g)),
)
def maximum(x: Any, y: Any) -> Any:
    """The larger of x and y, entry by entry; where they are equal each gets half of the gradient.

    >>> maximum(np.array([1.0, 5.0]), 3.0)
    array([3., 5.])
    """
    return np.maximum(x, y)


@op(
    elementwise=True,
    x=lambda g, z, x, y: where(greater(x, y), 0, where(equal(x, y), g / 2, g)),
    y=lambda g, z, x, y: where(less(x, y), 0, where(equal(x, y), g / 2, g)),
)
def minimum(x: Any, y: Any) -> Any:
    """The smaller of x and y, entry by entry; where they are equal each gets half of the gradient.

    >>> minimum(np.array([1.0, 5.0]), 3.0)
    array([1., 3.])
    """
    return np.minimum(x, y)


@op(
    elementwise=True,
    x=lambda g, z, condition, x, y: where(condition, g, 0),
    y=lambda g, z, condition, x, y: where(condition, 0, g),
)
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y. condition, x, y: shapes that broadcast.

    The gradient of the value that was not chosen is exactly 0.

    >>> where(np.array([True, False]), 1.0, 2.0)
    array([1., 2.])
    """
    return np.where(condition, x, y)


@op(
    elementwise=True,
    x=lambda g, z, x, a_min, a_max: where(equal(x, z), g, 0),
    a_min=lambda g, z, x, a_min, a_max: where(less(x, z) * not_equal(z, a_max), g, 0),
    a_max=lambda g, z, x, a_min, a_max: where((less(x, z) + greater(x, z)) * equal(z, a_max), g, 0),
)
def clip(x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """x held between a_min and a_max (None: no bound); at a bound x gets the whole gradient.

    >>> clip(np.array([-1.0, 0.5, 9.0]), 0.0, 1.0)
    array([0. , 0.5, 1. ])
    """
    return np.clip(x, a_min, a_max)


@op(elementwise=True)
def equal(x: Any, y: Any) -> Any:
    """x == y, entry by entry; bool.

    >>> equal(np.array([1.0, 2.0]), 2.0)
    array([False,  True])
    """
    return np.equal(x, y)


@op(elementwise=True)
def not_equal(x: Any, y: Any) -> Any:
    """x != y, entry by entry; bool.

    >>> not_equal(np.array([1.0, 2.0]), 2.0)
    array([ True, False])
    """
    return np.not_equal(x, y)


@op(elementwise=True)
def less(x: Any, y: Any) -> Any:
    """x < y, entry by entry; bool.

    >>> less(np.array([1.0, 2.0]), 2.0)
    array([ True, False])
    """
    return np.less(x, y)


@op(elementwise=True)
def less_equal(x: Any, y: Any) -> Any:
    """x <= y, entry by entry; bool.

    >>> less_equal(np.array([1.0, 2.0]), 2.0)
    array([ True,  True])
    """
    return np.less_equal(x, y)


@op(elementwise=True)
def greater(x: Any, y: Any) -> Any:
    """x > y, entry by entry; bool.

    >>> greater(np.array([1.0, 3.0]), 2.0)
    array([False,  True])
    """
    return np.greater(x, y)


@op(elementwise=True)
def greater_equal(x: Any, y: Any) -> Any:
    """x >= y, entry by entry; bool.

    >>> greater_equal(np.array([1.0, 2.0]), 2.0)
    array([False,  True])
    """
    return np.greater_equal(x, y)
