"""Networks learn what they are known to be able to learn, each from a seed and in seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

Data = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def train(
    model: nn.Module,
    loss: Callable[[Any, Any], tg.Tensor],
    data: Data,
    *,
    steps: int,
    lr: float,
    rng: np.random.Generator,
) -> None:
    """Adam on fresh batches of 32, a clipped norm, and a rate that falls in the second half."""
    optimizer = tg.optim.Adam(model.parameters())
    for step in range(steps):
        optimizer.lr = lr * min(1, 2 * (1 - step / steps))
        x, targets = data(32, rng)
        optimizer.zero_grad()
        loss(model(x), targets).backward()
        nn.utils.clip_grad_norm_(optimizer.parameters, 1.0)
        optimizer.step()


# The adding problem


def adding(B: int, rng: np.random.Generator, T: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and marks (T, B, 2); the sums of the two marked numbers (B, 1)."""
    numbers, marks = rng.random((T, B)), np.zeros((T, B))
    for first, last in ((0, T // 2), (T // 2, T)):
        marks[rng.integers(first, last, size=B), np.arange(B)] = 1
    x, sums = np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=0)
    return x.astype(np.float32), sums[:, None].astype(np.float32)


def test_an_lstm_solves_the_adding_problem() -> None:
    """T = 50: a mean squared error below 0.01 on unseen sequences; always answering 1 has 1/6.

    Hochreiter & Schmidhuber (1997). The gates start as Tallec & Ollivier (2018) propose, in
    "Can recurrent neural networks warp time?": without that some seeds need thousands of batches.
    """
    rng, H, T = np.random.default_rng(0), 32, 50
    lstm = nn.LSTM(2, H, dtype=np.float32, rng=rng)
    forget = np.log(rng.uniform(1, T - 1, size=H))
    lstm.bias_ih_l0.data[: 2 * H] = np.concatenate([-forget, forget])
    model = nn.ManyToOne(lstm, nn.Linear(H, 1, dtype=np.float32, rng=rng))

    train(model, tg.mse_loss, adding, steps=550, lr=0.02, rng=rng)

    x, sums = adding(1000, np.random.default_rng(1))
    assert 0.14 < np.mean((sums - 1) ** 2) < 0.2
    with tg.no_grad():
        assert tg.mse_loss(model(x), sums).item() < 0.01


# Copying

N, V, DELAY = 10, 8, 5  # symbols to copy, kinds of symbols, blank steps before the copy


def copying(B: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """N symbols, blanks, then N times the signal to write: one-hot (T, B, V + 2); the symbols."""
    symbols = rng.integers(V, size=(N, B))
    blanks, signals = np.full((DELAY, B), V), np.full((N, B), V + 1)
    x = np.eye(V + 2, dtype=np.float32)[np.concatenate([symbols, blanks, signals])]
    return x, symbols


@pytest.mark.parametrize("seed", [0, 1])
def test_an_rnn_copies_ten_symbols(seed: int) -> None:
    """A plain network that starts orthogonal: at least 99.9 % are right; guessing has 12.5 %."""
    rng, H = np.random.default_rng(seed), 128
    rnn = nn.RNN(V + 2, H, dtype=np.float32, rng=rng)
    nn.init.orthogonal_(rnn.weight_hh_l0, rng=rng)
    for bias in (rnn.bias_ih_l0, rnn.bias_hh_l0):
        nn.init.zeros_(bias)
    model = nn.ManyToMany(rnn, nn.Linear(H, V, dtype=np.float32, rng=rng))

    def loss(result: Any, symbols: Any) -> Any:
        return tg.cross_entropy(result[0][-N:], symbols)

    train(model, loss, copying, steps=400, lr=0.003, rng=rng)

    x, symbols = copying(1000, np.random.default_rng(5))
    with tg.no_grad():
        written = model(x)[0].data[-N:].argmax(axis=-1)
    assert np.mean(written == symbols) >= 0.999


# Parity

BITS = 10


def parity_network(kind: str, seed: int) -> tuple[nn.ManyToMany, np.random.Generator]:
    """A small network of this kind with one output at each step, and its generator."""
    rng = np.random.default_rng(seed)
    settings: dict[str, Any] = {"dtype": np.float32, "rng": rng}
    layer = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}[kind]
    return nn.ManyToMany(layer(1, 16, **settings), nn.Linear(16, 1, **settings)), rng


@pytest.mark.parametrize(
    ("kind", "steps", "lr"), [("RNN", 600, 0.01), ("LSTM", 250, 0.02), ("GRU", 250, 0.02)]
)
def test_every_layer_learns_parity(kind: str, steps: int, lr: float) -> None:
    """Of all strings of 10 bits, a quarter is held out: each one's parity is told right.

    In training the parity so far is shown at every step, which makes it a matter of remembering one
    bit; judged is the last step alone.
    """
    model, rng = parity_network(kind, seed=0)
    every = (np.arange(2**BITS) >> np.arange(BITS)[:, None]) & 1
    held_out, known = np.split(rng.permutation(every, axis=1), [2**BITS // 4], axis=1)

    def signs(bits: np.ndarray) -> np.ndarray:
        return (2 * bits - 1)[..., None].astype(np.float32)

    def strings(B: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        bits = known[:, rng.integers(known.shape[1], size=B)]
        return signs(bits), (bits.cumsum(axis=0) % 2)[..., None].astype(np.float32)

    def loss(result: Any, targets: Any) -> Any:
        return tg.binary_cross_entropy_with_logits(result[0], targets)

    train(model, loss, strings, steps=steps, lr=lr, rng=rng)

    with tg.no_grad():
        odd = model(signs(held_out))[0].data[-1, :, 0] > 0
    np.testing.assert_array_equal(odd, held_out.sum(axis=0) % 2)
