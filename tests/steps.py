"""A check that a compiled step is the step, whatever its memory held before each call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.engine.tree import values_of
from tinygrad_rnn.program import kernels, run


class Poison:
    """NumPy, but for `empty`: its arrays hold what no result may show."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Any, dtype: Any = float) -> np.ndarray:
        """An array that is filled anew by each `spread`."""
        array = np.empty(shape, dtype)
        self.arrays.append(array)
        _fill(array, 0)
        return array

    def spread(self, k: int) -> None:
        """Everything that was not written since is NaN, or extreme."""
        for array in self.arrays:
            _fill(array, k)


def _fill(array: np.ndarray, k: int) -> None:
    if array.dtype.kind == "f":
        array.fill((np.nan, np.finfo(array.dtype).max, -np.inf)[k % 3])
    elif array.dtype.kind == "b":
        array.fill(k % 2 == 0)
    else:
        limits = np.iinfo(array.dtype)
        array.fill((limits.min, limits.max)[k % 2])


@contextmanager
def poisoned() -> Iterator[Poison]:
    """What a Program is bound to inside lies in poisoned memory."""
    poison = Poison()
    with pytest.MonkeyPatch.context() as patch:
        for module in (run, kernels):
            patch.setattr(module, "np", poison)
        yield poison


def agree(
    f: Callable[..., Any],
    weights: Sequence[tg.Tensor],
    *calls: Sequence[Any],
    rtol: float = 1e-12,
    backward: bool = True,
    **options: Any,
) -> Any:
    """f compiled, which at each of the calls gives the results and the gradients that f gives."""
    step = tg.compile(f, backward=backward, **options)
    with poisoned() as poison, np.errstate(all="ignore"):
        for k, inputs in enumerate(calls):
            poison.spread(k)
            results = step(*inputs)
            found = _arrays(results, weights)
            eager = f(*map(tg.Tensor, inputs))
            if backward:
                next(iter(values_of(eager).values())).backward()
            for y, right in zip(found, _arrays(eager, weights), strict=True):
                same(y, right, rtol)
    return step


def _arrays(results: Any, weights: Sequence[tg.Tensor]) -> list[Any]:
    """The results, then the gradients of the weights, which forget them; None for none."""
    several = values_of(results).values()
    found: list[Any] = [np.array(getattr(y, "_array", y)) for y in several]
    for w in weights:
        found.append(None if w.grad is None else w.grad.numpy())
        w.grad = None
    return found


def same(found: Any, right: Any, rtol: float) -> None:
    """Equal in shape, dtype and, up to rtol of the largest finite entry, in value."""
    assert (found is None) == (right is None)
    if right is None:
        return
    assert (found.shape, found.dtype) == (right.shape, right.dtype)
    if right.dtype.kind != "f":
        np.testing.assert_array_equal(found, right)
        return
    scale = np.max(np.abs(right), initial=1, where=np.isfinite(right))
    np.testing.assert_allclose(found, right, rtol=0, atol=rtol * scale, equal_nan=True)
