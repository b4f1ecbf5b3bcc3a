"""Arrays as a page shows them: every entry where there are few, else one for each block."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...derivation.report import norm
from ...ops.op import Array

NARROW = 4


def shown(array: Array, most: int) -> dict[str, Any]:
    """An array as JSON can hold it: a matrix of at most `most` cells, which are 16 or more.

    array: floats, ints or bools of any shape; the axes before the last are laid out downward.
    Result: its shape; rows, cols and the cells row by row; block, the size of the block of entries
    that a cell stands for, whose largest entry in size it is, to four digits; norm, low and high
    of all entries. NaN and infinities are strings, which JSON has no numbers for.

    >>> shown(np.array([[1.0, -2.0], [0.0, np.inf]]), 4)["cells"]
    [1.0, -2.0, 0.0, 'Infinity']
    >>> summary = shown(np.arange(64.0).reshape(8, 8), 16)
    >>> summary["cells"][:4], summary["block"]
    ([9.0, 11.0, 13.0, 15.0], [2, 2])
    """
    cols = array.shape[-1] if array.ndim else 1
    matrix = array.reshape(math.prod(array.shape[:-1]), cols)
    block = _block(*matrix.shape, most)
    cells = matrix if block == (1, 1) else _largest(matrix, *block)
    return {
        "shape": list(array.shape),
        "rows": cells.shape[0],
        "cols": cells.shape[1],
        "block": list(block),
        "cells": [number(x) for x in _rounded(cells, block)],
        "norm": number(norm(array)),
        "low": number(float(array.min())) if array.size else 0.0,
        "high": number(float(array.max())) if array.size else 0.0,
    }


def number(x: float) -> float | str:
    """A number, or its name in JavaScript where JSON has none.

    >>> number(0.5), number(float("-inf")), number(float("nan"))
    (0.5, '-Infinity', 'NaN')
    """
    if math.isfinite(x):
        return float(x)
    return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"


def _block(rows: int, cols: int, most: int) -> tuple[int, int]:
    """The least block that leaves at most so many: square, but a few rows or columns stay whole."""
    if rows * cols <= most:
        return 1, 1
    if cols <= NARROW:
        return -(-rows // (most // cols)), 1
    if rows <= NARROW:
        return 1, -(-cols // (most // rows))
    side = math.isqrt(rows * cols // most)
    while -(-rows // side) * -(-cols // side) > most:
        side += 1
    return min(side, rows), min(side, cols)


def _largest(matrix: Array, down: int, across: int) -> Array:
    """For each block the entry that is largest in size, with its sign; NaN wins."""
    rows, cols = (-(-size // step) for size, step in zip(matrix.shape, (down, across), strict=True))
    padded = np.zeros((rows * down, cols * across), matrix.dtype)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    blocks = padded.reshape(rows, down, cols, across).swapaxes(1, 2).reshape(rows, cols, -1)
    where = np.argmax(np.abs(blocks), axis=-1)[..., None]
    found: Array = np.take_along_axis(blocks, where, axis=-1)[..., 0]
    return found


def _rounded(cells: Array, block: tuple[int, int]) -> list[float]:
    """All digits of an entry that stands for itself, four of one that stands for a block."""
    entries = cells.ravel().tolist()
    return entries if block == (1, 1) else [float(f"{x:.4g}") for x in entries]
