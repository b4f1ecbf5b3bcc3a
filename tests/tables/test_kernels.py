"""Every kernel writes what its op computes: the rows of `ROWS`, and those made for ufuncs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from .found import assert_complete, in_code
from .kernels import BY_NAME, KERNELS, ROWS, UFUNCS, Row, bound, of_ufunc

EVERY = [*ROWS, *(row for name in UFUNCS for row in of_ufunc(name))]
OPS = BY_NAME | {op.name: op for op in KERNELS}


def test_every_kernel_has_a_row() -> None:
    """Each op of `KERNELS` in the package; ufuncs are those of ops of the same name."""
    names = [op.name for op in KERNELS]
    rows = [row.op for row in ROWS]
    assert_complete("ROWS of tests/tables/kernels.py", names, rows, "operands to run it on")
    assert UFUNCS.keys() <= BY_NAME.keys()
    assert all(isinstance(ufunc, np.ufunc) for ufunc in UFUNCS.values())
    assert in_code("IN_PLACE") <= set(KERNELS)


def _strided(x: np.ndarray) -> np.ndarray:
    whole = np.empty([2 * n for n in x.shape], x.dtype)
    return whole[(slice(None, None, 2),) * x.ndim][...]


def _reversed(x: np.ndarray) -> np.ndarray:
    return np.empty(x.shape, x.dtype)[(slice(None, None, -1),) * x.ndim][...]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": lambda x: np.empty(x.shape, x.dtype),
    "columns": lambda x: np.empty(x.shape, x.dtype, order="F"),
    "every second": _strided,
    "reversed": _reversed,
}


def _poisoned(x: np.ndarray) -> np.ndarray:
    """The array, full of what no result is."""
    x[...] = np.nan if x.dtype.kind == "f" else True if x.dtype.kind == "b" else 77
    return x


def _answer(row: Row) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(OPS[row.op].forward(*row.operands, **row.settings))


def assert_written(found: np.ndarray, right: np.ndarray, rtol: float, message: str) -> None:
    """Bit by bit, NaN being NaN; or up to rtol of the largest entry."""
    assert (found.shape, found.dtype) == (right.shape, right.dtype)
    if rtol:
        size = max(1.0, float(np.abs(right[np.isfinite(right)]).max(initial=0)))
        np.testing.assert_allclose(found, right, rtol=0, atol=rtol * size, err_msg=message)
    else:
        np.testing.assert_array_equal(found, right, err_msg=message)


def _rounding(x: np.ndarray) -> float:
    """By what NumPy's functions differ from one layout to another."""
    return 4 * float(np.finfo(x.dtype).eps) if x.dtype.kind == "f" else 0.0


@pytest.mark.parametrize("row", EVERY, ids=str)
def test_a_kernel_writes_what_its_op_computes(row: Row) -> None:
    """Into memory that was poisoned, of any layout, from operands of any, which are filled later.

    The operands stay as they are, and a second run gives the same.
    """
    right = _answer(row)
    for of_operands in LAYOUTS:
        for of_out in ("contiguous", "columns", "every second"):
            given = [
                _poisoned(LAYOUTS[of_operands](x)) if isinstance(x, np.ndarray) else x
                for x in row.operands
            ]
            out = _poisoned(LAYOUTS[of_out](right))
            run = bound(OPS[row.op], given, row.settings, out)
            pairs = [(x, v) for x, v in zip(given, row.operands, strict=True) if x is not v]
            for x, value in pairs:
                x[...] = value
            for _ in range(2):
                with np.errstate(all="ignore"):
                    run()
                alike = of_operands == of_out == "contiguous"
                rtol = row.rtol or (0.0 if alike else _rounding(right))
                assert_written(out, right, rtol, f"{of_operands} to {of_out}")
                for x, value in pairs:
                    np.testing.assert_array_equal(x, value)


def _may_take_over(row: Row) -> bool:
    """Whether the op may write in place of its first operand, and this row's fits."""
    x, right = row.operands[0], _answer(row)
    fits = isinstance(x, np.ndarray) and (x.shape, x.dtype) == (right.shape, right.dtype)
    return fits and bool(in_code("writes_in_place")(OPS[row.op]))


@pytest.mark.parametrize("row", [row for row in EVERY if _may_take_over(row)], ids=str)
def test_a_kernel_may_write_in_place(row: Row) -> None:
    """Over its first operand, where the package says that it may."""
    given = [np.array(x) if isinstance(x, np.ndarray) else x for x in row.operands]
    run = bound(OPS[row.op], given, row.settings, given[0])
    with np.errstate(all="ignore"):
        run()
    assert_written(given[0], _answer(row), row.rtol, "in place")
