"""Windows over a time series, each with the element that follows it."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


def sliding_windows(
    series: npt.ArrayLike, length: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Every window of a series, and for each the element right after it.

    Window i holds elements i to i + length - 1 and predicts element i + length, so N elements make
    N - length examples. Both results are read-only views of the series: nothing is copied.

    series: (N,) or (N, I), any dtype but object.
    length: elements in a window, from 1 to N - 1.
    Result: for (N, I), windows (N - length, length, I) and targets (N - length, I); for (N,), the
    same without the axis I: (N - length, length) and (N - length,). The dtype is the series'.

    Raises: ValueError for a length below 1, a series too short or of another number of axes;
    TypeError for a series of Python objects or a length that is not an integer.

    >>> windows, targets = sliding_windows(np.arange(5.0), 3)
    >>> windows.tolist(), targets.tolist()
    ([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]], [3.0, 4.0])
    >>> windows, targets = sliding_windows(np.zeros((8327, 1)), 10)
    >>> windows.shape, targets.shape
    ((8317, 10, 1), (8317, 1))
    """
    values, length = np.asarray(series), operator.index(length)
    _require_windows(values, length)
    # The last element is no window's input; the new axis comes last and belongs second.
    windows = np.lib.stride_tricks.sliding_window_view(values[:-1], length, axis=0)
    targets = values[length:]
    targets.flags.writeable = False
    return np.moveaxis(windows, -1, 1), targets


def _require_windows(values: npt.NDArray[Any], length: int) -> None:
    if values.dtype == object:
        raise TypeError(
            "sliding_windows: series holds Python objects: convert it to a numeric dtype, "
            "with rows of equal length"
        )
    if values.ndim not in (1, 2):
        raise ValueError(
            f"sliding_windows: series has shape {values.shape}: it must be (N,) or (N, I)"
        )
    if length < 1:
        raise ValueError(f"sliding_windows: length is {length}: it must be at least 1")
    if len(values) <= length:
        raise ValueError(
            f"sliding_windows: series has {len(values)} elements, but a window of length {length} "
            f"and its target need {length + 1}: shorten length or lengthen the series"
        )


class BpttWindow(NamedTuple):
    """Steps start to end - 1 of a sequence, read from a state that no gradient leaves.

    start: the first step read. carry: where the next window starts, so that the state there must be
    kept. fresh: the first step whose loss no earlier window has counted. end: one past the last.
    """

    start: int
    carry: int
    fresh: int
    end: int


def bptt_windows(T: int, k1: int, k2: int | None = None) -> Iterator[BpttWindow]:
    """The windows of truncated backpropagation through T time steps.

    After every k1 steps gradients are taken through the last k2 steps; k2: k1 if None, else at
    least k1. Each step's loss is fresh in one window alone.
    Raises: ValueError unless 1 <= k1 <= k2 and T >= 1.
    Source: Williams & Peng (1990), An efficient gradient-based algorithm, BPTT(h; h').

    >>> [tuple(window) for window in bptt_windows(5, 2)]
    [(0, 2, 0, 2), (2, 4, 2, 4), (4, 5, 4, 5)]
    >>> [tuple(window) for window in bptt_windows(6, 2, 4)]
    [(0, 0, 0, 2), (0, 2, 2, 4), (2, 4, 4, 6)]
    """
    k2 = k1 if k2 is None else k2
    if not 1 <= k1 <= k2 or T < 1:
        raise ValueError(
            f"bptt_windows: T, k1, k2 are {T}, {k1}, {k2}: there must be a step, and k1 must be "
            "from 1 to k2"
        )
    start = 0
    for fresh in range(0, T, k1):
        end = min(fresh + k1, T)
        carry = min(max(start, fresh + 2 * k1 - k2), end)
        yield BpttWindow(start, carry, fresh, end)
        start = carry
