"""Initial values: their range, spread and structure, and where they are written."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.nn import init

SHAPE = (40, 30, 5)  # fan_in 150, fan_out 200
SPREADS: list[tuple[Any, dict[str, Any], str, float]] = [
    (init.uniform_, {"a": -2.0, "b": 2.0}, "uniform", 2 / math.sqrt(3)),
    (init.normal_, {"std": 0.3}, "normal", 0.3),
    (init.xavier_uniform_, {"gain": 3.0}, "uniform", 3 * math.sqrt(2 / 350)),
    (init.xavier_normal_, {"gain": 3.0}, "normal", 3 * math.sqrt(2 / 350)),
    (init.kaiming_uniform_, {}, "uniform", math.sqrt(2 / 150)),
    (init.kaiming_normal_, {}, "normal", math.sqrt(2 / 150)),
    (init.kaiming_uniform_, {"a": 1.0}, "uniform", math.sqrt(1 / 150)),
    (init.kaiming_normal_, {"mode": "fan_out"}, "normal", math.sqrt(2 / 200)),
    (init.kaiming_normal_, {"nonlinearity": "tanh"}, "normal", 5 / 3 / math.sqrt(150)),
    (init.kaiming_uniform_, {"mode": "fan_out", "nonlinearity": "linear"}, "uniform",
     math.sqrt(1 / 200)),
]  # fmt: skip
every_spread = pytest.mark.parametrize(("fill", "settings", "kind", "std"), SPREADS)
RANDOM = [init.uniform_, init.normal_, init.xavier_uniform_, init.xavier_normal_,
          init.kaiming_uniform_, init.kaiming_normal_, init.orthogonal_]  # fmt: skip
FILLS = [*RANDOM, init.ones_, init.zeros_, lambda x: init.constant_(x, 0.5)]


@every_spread
def test_numbers_are_spread_as_the_formula_says(
    fill: Any, settings: dict[str, Any], kind: str, std: float
) -> None:
    """Mean 0, the formula's standard deviation, and the shape of their distribution."""
    x = fill(tg.Tensor(np.zeros(SHAPE)), **settings, rng=0).data

    assert x.std() == pytest.approx(std, rel=0.03)
    assert abs(x.mean()) < 0.05 * std
    largest = np.abs(x).max() / std
    assert largest <= math.sqrt(3) if kind == "uniform" else largest > 3


def test_uniform_and_normal_numbers_may_lie_anywhere() -> None:
    """Between a and b, around the mean."""
    x = init.uniform_(tg.Tensor(np.zeros(1000)), 5.0, 6.0, rng=0).data
    y = init.normal_(tg.Tensor(np.zeros(1000)), 5.0, 0.1, rng=0).data

    assert 5 <= x.min() < 5.01 < 5.99 < x.max() <= 6
    assert y.mean() == pytest.approx(5, abs=0.01)


def test_constants() -> None:
    """One number everywhere."""
    x = tg.Tensor(np.arange(3.0))

    assert init.ones_(x).data.tolist() == [1, 1, 1]
    assert init.zeros_(x).data.tolist() == [0, 0, 0]
    assert init.constant_(x, -0.5).data.tolist() == [-0.5, -0.5, -0.5]


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_are_written_in_place(fill: Any, dtype: Any) -> None:
    """Into the tensor's own array and dtype; the tape notices; the tensor is returned."""
    tensor = tg.nn.Parameter(np.full((4, 3), 7.0), dtype=dtype)
    array, loss = tensor.data, tg.sum(tensor * tensor)

    assert fill(tensor) is tensor

    assert tensor.data is array
    assert tensor.dtype == dtype
    assert not np.any(array == 7)
    with pytest.raises(RuntimeError, match="written after it was recorded"):
        loss.backward()


@pytest.mark.parametrize("fill", RANDOM)
def test_random_numbers_come_from_the_rng(fill: Any) -> None:
    """A seed gives the same numbers again, a generator goes on, and without one they differ."""
    rng = np.random.default_rng(3)
    x, y, z, u, v = (
        fill(tg.Tensor(np.zeros((3, 3))), **given).data
        for given in ({"rng": 3}, {"rng": rng}, {"rng": rng}, {}, {})
    )

    np.testing.assert_array_equal(x, y)
    assert not np.array_equal(y, z)
    assert not np.array_equal(u, v)


@pytest.mark.parametrize("fill", FILLS)
def test_only_leaf_tensors_of_floats_can_be_filled(fill: Any) -> None:
    """Not arrays, not results; integers take no fractions."""
    leaf = tg.Tensor(np.ones((2, 2)), requires_grad=True)

    with pytest.raises(TypeError, match="needs a Tensor to write into, not a ndarray"):
        fill(np.ones((2, 2)))
    with pytest.raises(RuntimeError, match="a result of multiply cannot be written"):
        fill(leaf * 2)
    with pytest.raises(TypeError, match="same_kind"):
        fill(tg.Tensor([[1, 2], [3, 4]]))


@pytest.mark.parametrize("fill", RANDOM[2:])
def test_fans_need_two_axes(fill: Any) -> None:
    """A vector has no fan_in; without entries there is nothing to do."""
    with pytest.raises(ValueError, match=rf"{fill.__name__}: the tensor has shape \(3,\)"):
        fill(tg.Tensor(np.zeros(3)))
    for shape in [(0, 3), (3, 0), (0, 0)]:
        assert fill(tg.Tensor(np.zeros(shape))).shape == shape


def test_other_modes_and_nonlinearities_are_refused() -> None:
    """The error lists those there are."""
    x = tg.Tensor(np.zeros((2, 2)))

    with pytest.raises(ValueError, match="kaiming_normal_: mode is 'fan'; it must be 'fan_in'"):
        init.kaiming_normal_(x, mode="fan")
    with pytest.raises(ValueError, match="nonlinearity is 'gelu'; it must be one of linear, "):
        init.kaiming_uniform_(x, nonlinearity="gelu")


def test_gains() -> None:
    """PyTorch's table."""
    assert init.calculate_gain("linear") == init.calculate_gain("sigmoid") == 1
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / 1.0001)
    assert init.calculate_gain("leaky_relu", 1.0) == 1
    assert init.calculate_gain("selu") == 0.75


# Orthogonal matrices


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (2, 3, 2), (1, 5), (5, 1)], ids=str)
def test_orthogonal_matrices_are_orthogonal(shape: tuple[int, ...]) -> None:
    """Rows, or with more rows than columns columns, of length gain, at right angles."""
    W = init.orthogonal_(tg.Tensor(np.zeros(shape)), gain=2.0, rng=0).data.reshape(shape[0], -1)

    product = W @ W.T if W.shape[0] <= W.shape[1] else W.T @ W
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-14)


def test_orthogonal_matrices_are_drawn_without_preference() -> None:
    """Entries have mean 0 and variance 1/n, and so has the trace of n x n ones; det is ±1."""
    rng = np.random.default_rng(0)
    every = np.stack(
        [init.orthogonal_(tg.Tensor(np.zeros((3, 3))), rng=rng).data for _ in range(2000)]
    )

    np.testing.assert_allclose(every.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(every.var(0), 1 / 3, atol=0.03)
    assert np.trace(every, axis1=1, axis2=2).var() == pytest.approx(1, abs=0.1)
    assert 0.45 < np.mean(np.linalg.det(every) > 0) < 0.55


def test_orthogonal_blocks_are_the_gates_of_a_layer() -> None:
    """Each H x H block of an LSTM's weight_hh is orthogonal, and no two are equal."""
    lstm = tg.nn.LSTM(3, 5, rng=0)

    blocks = init.orthogonal_(lstm.weight_hh_l0, blocks=4, rng=0).data.reshape(4, 5, 5)

    for k, W in enumerate(blocks):
        np.testing.assert_allclose(W @ W.T, np.eye(5), atol=1e-14)
        assert not any(np.allclose(W, other) for other in blocks[:k])
    for wrong in (3, 0, -4):
        with pytest.raises(ValueError, match=f"20 rows are not {wrong} blocks"):
            init.orthogonal_(lstm.weight_hh_l0, blocks=wrong)


# Forget gates


@pytest.mark.parametrize("bidirectional", [False, True])
def test_forget_gates_start_open(bidirectional: bool) -> None:
    """In every layer and direction the sum of the two biases is the value; the rest stays."""
    lstm = tg.nn.LSTM(3, 4, num_layers=2, bidirectional=bidirectional, rng=0)
    before = lstm.state_dict()

    assert init.forget_bias_(lstm, 2.0) is lstm

    biases = {name: x for name, x in lstm.state_dict().items() if name.startswith("bias")}
    assert len(biases) == (8 if bidirectional else 4)
    for name, b in biases.items():
        np.testing.assert_array_equal(b[4:8], 2.0 if "ih" in name else 0.0)
    for name, x in lstm.state_dict().items():
        rest = np.r_[:4, 8:16] if name in biases else np.r_[:16]
        np.testing.assert_array_equal(x[rest], before[name][rest])


def test_a_cell_with_open_forget_gates_remembers() -> None:
    """The cell state passes a step nearly unchanged, as σ(10) is nearly 1."""
    cell = init.forget_bias_(tg.nn.LSTMCell(2, 3, rng=0), 10.0)
    for weight in (cell.weight_ih, cell.weight_hh):
        init.zeros_(weight)
    c = np.array([1.0, -2.0, 3.0])

    _, new = cell(np.zeros(2), (np.zeros(3), c))
    _, added = cell(np.zeros(2), (np.zeros(3), np.zeros(3)))

    np.testing.assert_allclose((new - added).data, c, rtol=1e-4)


def test_opening_forget_gates_after_the_forward_pass_is_noticed() -> None:
    """The biases are written, so gradients of what used them would be wrong."""
    lstm = tg.nn.LSTM(2, 3, rng=0)
    output, _ = lstm(np.ones((4, 1, 2)))

    init.forget_bias_(lstm)

    with pytest.raises(RuntimeError, match="written after it was recorded"):
        tg.sum(output).backward()


def test_forget_biases_are_an_lstms() -> None:
    """A GRU has no forget gate, and an LSTM may have no biases."""
    with pytest.raises(TypeError, match="needs an LSTM or LSTMCell, not GRU"):
        init.forget_bias_(tg.nn.GRU(2, 3))
    with pytest.raises(ValueError, match="the LSTM has no biases"):
        init.forget_bias_(tg.nn.LSTM(2, 3, bias=False))
