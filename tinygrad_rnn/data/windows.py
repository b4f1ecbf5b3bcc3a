"""Windows over a time series, each with the element that follows it."""

from __future__ import annotations

import operator
from typing import Any

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
