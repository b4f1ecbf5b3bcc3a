"""Initial values of special structure; what all share is in tests/tables/test_inits.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.nn import init


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
