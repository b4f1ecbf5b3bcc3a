"""Numbers to judge gradients by: central differences, and what equal means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

EPS = 1e-5


def parts(result: Any) -> list[Any]:
    """A result as a list of arrays or Tensors, for functions that return one or several."""
    return list(result) if isinstance(result, (list, tuple)) else [result]


def flat(arrays: Sequence[Any]) -> np.ndarray:
    """All entries of some arrays one after the other, as float64."""
    return np.concatenate([np.zeros(0), *(np.ravel(np.asarray(a, float)) for a in arrays)])


def differences(f: Callable[..., Any], arrays: Sequence[Any], k: int) -> np.ndarray:
    """The Jacobian (all outputs, all entries of arrays[k]) of f at the arrays, by differences."""
    x = arrays[k]
    columns = []
    for index in np.ndindex(x.shape):
        ends = []
        for step in (EPS, -EPS):
            moved = x.copy()
            moved[index] += step
            ends.append(flat(parts(f(*arrays[:k], moved, *arrays[k + 1 :]))))
        columns.append((ends[0] - ends[1]) / (2 * EPS))
    rows = flat(parts(f(*arrays))).size
    return np.array(columns).reshape(x.size, rows).T


def assert_near(actual: Any, expected: Any, rtol: float = 1e-6) -> None:
    """Equal up to rtol of the largest expected value, or of 1 where all are smaller."""
    expected = np.asarray(expected)
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    assert np.shape(actual) == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=rtol * scale)
