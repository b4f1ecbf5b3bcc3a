"""Every initialisation fills a Tensor as its formula says: the rows of `INITS`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.nn import init

from .found import assert_complete, assert_options_tried
from .inits import INITS, OTHERS, SHAPE, Row, assert_distributed

FILLS = {name: getattr(init, name) for name in init.__all__ if name not in OTHERS}
every_row = pytest.mark.parametrize("row", INITS, ids=str)
random_row = pytest.mark.parametrize("row", [r for r in INITS if r.kind != "constant"], ids=str)
every_fill = pytest.mark.parametrize("row", {r.fill: r for r in INITS}.values(), ids=str)


def test_every_initialisation_has_a_row() -> None:
    """Each name in `tg.nn.init.__all__`, in one of the two tables."""
    rows = [*OTHERS, *(row.fill.__name__ for row in INITS)]
    row = "its settings, the form of its numbers, their mean and spread"
    assert_complete("INITS of tests/tables/inits.py", init.__all__, rows, row)


@pytest.mark.parametrize("fill", FILLS.values(), ids=list(FILLS))
def test_every_option_is_tried(fill: Any) -> None:
    """A row has another value than the default for it."""
    rows = [row.settings for row in INITS if row.fill is fill]
    assert_options_tried("INITS of tests/tables/inits.py", fill.__name__, fill, rows)


def filled(row: Row, shape: tuple[int, ...] = SHAPE, dtype: Any = float, **given: Any) -> Any:
    """The values of a new tensor, after the row's function."""
    return row.fill(tg.Tensor(np.full(shape, 7.0), dtype=dtype), **row.settings, **given).data


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_row
def test_numbers_are_spread_as_the_formula_says(row: Row, dtype: Any) -> None:
    """Mean, standard deviation and form, or the one number; or Q Qᵀ = gain²."""
    seed = {} if row.kind == "constant" else {"rng": 0}
    x = filled(row, dtype=dtype, **seed)
    assert x.dtype == dtype
    if dtype is np.float64:
        assert_distributed(x, row)
    else:
        np.testing.assert_allclose(x, filled(row, **seed), rtol=1e-6)


@random_row
def test_random_numbers_come_from_the_rng(row: Row) -> None:
    """A seed gives the same numbers again, a generator goes on, and without one they differ."""
    rng = np.random.default_rng(3)
    x, y, z, u, v = (
        filled(row, (4, 3), **given) for given in ({"rng": 3}, {"rng": rng}, {"rng": rng}, {}, {})
    )
    np.testing.assert_array_equal(x, y)
    assert not np.array_equal(y, z)
    assert not np.array_equal(u, v)


@every_row
def test_any_number_of_axes_is_filled_or_refused(row: Row) -> None:
    """With fewer than two a fan has no meaning; without entries there is nothing to do."""
    for shape in [(), (4,), (4, 3), (4, 3, 2), (0, 3), (4, 0), (0,)]:
        if len(shape) < row.axes:
            with pytest.raises(ValueError, match=rf"^{row.fill.__name__}: the tensor has shape"):
                filled(row, shape)
        else:
            x = filled(row, shape)
            assert x.shape == shape
            assert np.isfinite(x).all()
            assert not np.any(x == 7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_fill
def test_values_are_written_in_place(row: Row, dtype: Any) -> None:
    """Into the tensor's own array; the tape notices; the tensor is returned, and can learn."""
    tensor = tg.nn.Parameter(np.full((4, 3), 7.0), dtype=dtype)
    array, loss = tensor.data, tg.sum(tensor * tensor)

    assert row.fill(tensor, **row.settings) is tensor

    assert tensor.data is array
    assert tensor.dtype == dtype
    assert tensor.requires_grad
    with pytest.raises(RuntimeError, match="written after it was recorded"):
        loss.backward()


@every_fill
def test_only_leaf_tensors_of_floats_can_be_filled(row: Row) -> None:
    """Not arrays, not results, which stay as they are; integers take no fractions."""
    leaf = tg.Tensor(np.ones((4, 2)), requires_grad=True)
    result, array = leaf * 2, np.ones((4, 2))

    with pytest.raises(TypeError, match="needs a Tensor to write into, not a ndarray"):
        row.fill(array, **row.settings)
    with pytest.raises(RuntimeError, match="a result of multiply cannot be written"):
        row.fill(result, **row.settings)
    with pytest.raises(TypeError, match="same_kind"):
        row.fill(tg.Tensor([[1, 2], [3, 4], [5, 6], [7, 8]]), **row.settings)

    assert np.all(result.data == 2)
    assert np.all(array == 1)
