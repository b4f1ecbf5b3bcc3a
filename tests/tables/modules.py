"""MODULES: a row or more for each Module of `tg.nn`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn import nn

from .recurrences import (
    Arrays,
    B,
    H,
    I,
    State,
    T,
    gru_step,
    gru_step_before,
    layers,
    lstm_step,
    relu_step,
    tanh_step,
)

IDS = np.array([[0, 4], [2, 2], [4, 1]])  # (T, B), of five words
TOKENS = np.array([[1, 0], [3, 3]])
LENGTHS = np.array([3, 1])


class Row(NamedTuple):
    """How to build a module, what to give it, and what it should answer.

    settings: the constructor's arguments, or, of parts, a function of dtype and rng that makes
    them. inputs: a shape of normal numbers, or an array as it is, for each. right: of the state
    dict and the inputs, the outputs in NumPy. wrong: inputs that are refused, naming `named` or
    the class. call: how the inputs are given. noisy: draws random numbers in training.
    """

    label: str
    kind: type[nn.Module]
    settings: Mapping[str, Any] | Callable[..., Mapping[str, Any]]
    inputs: tuple[Any, ...]
    right: Callable[..., list[np.ndarray]]
    wrong: tuple[Any, ...]
    named: str = ""
    call: Callable[..., Any] = lambda module, *inputs: module(*inputs)
    noisy: bool = False

    def __str__(self) -> str:
        return f"{self.kind.__name__} {self.label}".strip()


def _lstm(module: Any, x: Any, h: Any, c: Any) -> Any:
    return module(x, (h, c))


def _inner(p: Arrays, part: str) -> Arrays:
    """The weights of a part."""
    return {
        name.removeprefix(f"{part}."): a for name, a in p.items() if name.startswith(f"{part}.")
    }


def _affine(p: Arrays, x: np.ndarray) -> np.ndarray:
    return x @ p["weight"].T + p.get("bias", np.zeros(1))


def _normal(p: Arrays, x: np.ndarray, axes: Any, eps: float = 1e-5) -> np.ndarray:
    centred = x - x.mean(axes, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + eps)
    return y * p.get("weight", np.ones(1)) + p.get("bias", np.zeros(1))


def _cell(step: Callable[..., State]) -> Callable[..., list[np.ndarray]]:
    return lambda p, x, *state: list(step(x, state, p))


def _layers(step: Callable[..., State], lengths: Any = None) -> Callable[..., list[np.ndarray]]:
    return lambda p, x, *state: layers(step, p, x, *state, lengths=lengths)


def _many(p: Arrays, ids: np.ndarray, h: np.ndarray) -> list[np.ndarray]:
    """Rows of an embedding through a GRU, and the head at each step."""
    x, h_n = layers(gru_step, _inner(p, "recurrent"), p["embedding.weight"][ids], h)
    return [_affine(_inner(p, "head"), x), h_n]


def _one(p: Arrays, ids: np.ndarray, h: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """The head of both directions' last states, each at its own end."""
    x, own = p["embedding.weight"][ids], _inner(p, "recurrent")
    _, h_n = layers(tanh_step, own, x, h, lengths=lengths)
    return [_affine(_inner(p, "head"), np.concatenate([h_n[-2], h_n[-1]], -1))]


def _fed_back(p: Arrays, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> list[np.ndarray]:
    """Each output's tanh is the next step's input; batches first."""
    state, outputs = (h, c), []
    for _ in range(3):
        state = lstm_step(x, state, _inner(p, "cell"))
        outputs.append(_affine(_inner(p, "head"), state[0]))
        x = np.tanh(outputs[-1])
    return [np.stack(outputs, axis=1)]


def _translated(p: Arrays, ids: np.ndarray, shown: np.ndarray) -> list[np.ndarray]:
    """The decoder starts in twice the encoder's last state."""
    zeros = np.zeros((1, B, H))
    _, h = layers(gru_step, _inner(p, "encoder"), p["embedding.weight"][ids], zeros)
    x = p["target_embedding.weight"][shown]
    y, _ = layers(tanh_step, _inner(p, "decoder"), x, 2 * h)
    return [_affine(_inner(p, "head"), y)]


def double(state: Any) -> Any:
    """A bridge."""
    return state * 2


def _dropped(p: Arrays, x: np.ndarray) -> list[np.ndarray]:
    """The numbers of rng 0, a quarter of which fall below p."""
    return [x * (np.random.default_rng(0).random(x.shape) >= 0.25) / 0.75]


LSTM_WRONG = np.ones((B, I)), np.ones((B, H)), np.ones((B, 1))
STACKED = {"num_layers": 2, "bidirectional": True}
SIZES = {"input_size": I, "hidden_size": H}
MODULES = [
    Row("", nn.Linear, {"in_features": 3, "out_features": 2}, ((4, 5, 3),),
        lambda p, x: [_affine(p, x)], (np.ones((4, 2)),)),
    Row("no bias", nn.Linear, {"in_features": 3, "out_features": 2, "bias": False}, ((4, 3),),
        lambda p, x: [_affine(p, x)], (np.ones(2),)),
    Row("", nn.Embedding, {"num_embeddings": 5, "embedding_dim": 3}, (IDS,),
        lambda p, ids: [p["weight"][ids]], (np.array([5]),)),
    Row("padding", nn.Embedding,
        {"num_embeddings": 5, "embedding_dim": 3, "padding_idx": 3}, (IDS,),
        lambda p, ids: [p["weight"][ids]], (np.array([1.0]),)),
    Row("", nn.LayerNorm, {"normalized_shape": 4}, ((3, 4),),
        lambda p, x: [_normal(p, x, -1)], (np.ones((3, 5)),)),
    Row("two axes", nn.LayerNorm, {"normalized_shape": (2, 3), "eps": 0.1, "bias": False},
        ((4, 2, 3),), lambda p, x: [_normal(p, x, (1, 2), 0.1)], (np.ones((2, 4)),)),
    Row("plain", nn.LayerNorm, {"normalized_shape": 3, "elementwise_affine": False}, ((3,),),
        lambda p, x: [_normal(p, x, -1)], (np.ones(()),)),
    Row("", nn.Dropout, {"p": 0.25}, ((5, 4),), _dropped, (np.ones(3, int),), noisy=True),
    Row("", nn.Sequential,
        lambda **own: {"parts": (nn.Linear(3, 4, **own), nn.Dropout(0.0), nn.LayerNorm(
            4, dtype=own["dtype"]))},
        ((5, 3),), lambda p, x: [_normal(_inner(p, "2"), _affine(_inner(p, "0"), x), -1)],
        (np.ones((5, 2)),), "Linear"),
    Row("", nn.RNNCell, SIZES, ((B, I), (B, H)), _cell(tanh_step), (np.ones((B, 2)),)),
    Row("relu", nn.RNNCell, {**SIZES, "nonlinearity": "relu", "bias": False}, ((I,), (H,)),
        _cell(relu_step), (np.ones(I), np.ones((1, H)))),
    Row("", nn.LSTMCell, SIZES, ((B, I), (B, H), (B, H)), _cell(lstm_step), LSTM_WRONG, call=_lstm),
    Row("no bias", nn.LSTMCell, {**SIZES, "bias": False}, ((B, I), (B, H), (B, H)),
        _cell(lstm_step), LSTM_WRONG, call=_lstm),
    Row("", nn.GRUCell, SIZES, ((B, I), (B, H)), _cell(gru_step), (np.ones((B, 1, I)),)),
    Row("reset before", nn.GRUCell, {**SIZES, "reset_after": False, "bias": False},
        ((B, I), (B, H)), _cell(gru_step_before), (np.ones((B, I)), np.ones(H))),
    Row("", nn.RNN, SIZES, ((T, B, I), (1, B, H)), _layers(tanh_step), (np.ones((T, B, 2)),)),
    Row("relu", nn.RNN, {**SIZES, **STACKED, "nonlinearity": "relu", "bias": False},
        ((T, B, I), (4, B, H)), _layers(relu_step), (np.ones((0, B, I)),)),
    Row("unrolled, lengths", nn.RNN, {**SIZES, **STACKED, "unroll": True},
        ((T, B, I), (4, B, H)), _layers(tanh_step, LENGTHS), (np.ones((0, B, I)), None),
        call=lambda module, x, h: module(x, h, lengths=LENGTHS)),
    Row("batch first", nn.RNN, {**SIZES, "batch_first": True}, ((B, T, I), (1, B, H)),
        lambda p, x, h: [y.swapaxes(0, 1) if k == 0 else y for k, y in enumerate(
            layers(tanh_step, p, x.swapaxes(0, 1), h))], (np.ones((T, B, I)), np.ones((1, B, H)))),
    Row("dropout", nn.RNN, {**SIZES, "num_layers": 2, "dropout": 1.0}, ((T, B, I), (2, B, H)),
        lambda p, x, h: layers(tanh_step, {**p, "weight_ih_l1": 0 * p["weight_hh_l1"]}, x, h),
        (np.ones((T, B)),), noisy=True),
    Row("", nn.LSTM, {**SIZES, **STACKED}, ((T, B, I), (4, B, H), (4, B, H)),
        _layers(lstm_step), (np.ones((T, B, I)), np.ones((4, B, H)), np.ones((4, 1, H))),
        call=_lstm),
    Row("unrolled, alone", nn.LSTM, {**SIZES, "unroll": True, "bias": False},
        ((T, I), (1, H), (1, H)), _layers(lstm_step),
        (np.ones((T, I)), np.ones((1, H)), np.ones(H)), call=_lstm),
    Row("batch first", nn.LSTM, {**SIZES, "batch_first": True},
        ((B, T, I), (1, B, H), (1, B, H)),
        lambda p, x, h, c: [y.swapaxes(0, 1) if k == 0 else y for k, y in enumerate(
            layers(lstm_step, p, x.swapaxes(0, 1), h, c))],
        (np.ones((T, B, I)), np.ones((1, B, H)), np.ones((1, B, H))), call=_lstm),
    Row("dropout", nn.LSTM, {**SIZES, "num_layers": 2, "dropout": 1.0},
        ((T, B, I), (2, B, H), (2, B, H)),
        lambda p, *xs: layers(lstm_step, {**p, "weight_ih_l1": p["weight_ih_l1"] * 0}, *xs),
        (np.ones((T, B)), np.ones((2, B, H)), np.ones((2, B, H))), call=_lstm, noisy=True),
    Row("", nn.GRU, {**SIZES, **STACKED}, ((T, B, I), (4, B, H)), _layers(gru_step, LENGTHS),
        (np.ones((T, B, I)), np.ones((2, B, H))),
        call=lambda module, x, h: module(x, h, lengths=LENGTHS)),
    Row("reset before", nn.GRU, {**SIZES, "reset_after": False, "unroll": True},
        ((T, B, I), (1, B, H)), _layers(gru_step_before), (np.ones((T, B, 2)),)),
    Row("batch first", nn.GRU, {**SIZES, "batch_first": True, "bias": False},
        ((B, T, I), (1, B, H)),
        lambda p, x, h: [y.swapaxes(0, 1) if k == 0 else y for k, y in enumerate(
            layers(gru_step, p, x.swapaxes(0, 1), h))], (np.ones((T, B, I)), np.ones((1, B, H)))),
    Row("dropout", nn.GRU, {**SIZES, "num_layers": 2, "dropout": 1.0}, ((T, B, I), (2, B, H)),
        lambda p, *xs: layers(gru_step, {**p, "weight_ih_l1": p["weight_ih_l1"] * 0}, *xs),
        (np.ones((T, B)),), noisy=True),
    Row("", nn.ManyToOne,
        lambda **own: {"recurrent": nn.RNN(I, H, bidirectional=True, **own),
                       "head": nn.Linear(2 * H, 2, **own), "embedding": nn.Embedding(5, I, **own)},
        (IDS, (2, B, H), LENGTHS), _one, (IDS, np.ones((1, B, H)), LENGTHS), "RNN",
        call=lambda module, ids, h, lengths: module(ids, lengths, state=h)),
    Row("", nn.OneToMany,
        lambda **own: {"cell": nn.LSTMCell(I, H, **own), "head": nn.Linear(H, I, **own),
                       "steps": 3, "feedback": nn.Sequential(np.tanh), "batch_first": True},
        ((B, I), (B, H), (B, H)), _fed_back, LSTM_WRONG, "LSTMCell", call=_lstm),
    Row("", nn.ManyToMany,
        lambda **own: {"recurrent": nn.GRU(I, H, **own), "head": nn.Linear(H, 2, **own),
                       "embedding": nn.Embedding(5, I, **own)},
        (IDS, (1, B, H)), _many, (IDS, np.ones((1, B, 1))), "GRU"),
    Row("", nn.EncoderDecoder,
        lambda **own: {"encoder": nn.GRU(I, H, **own), "decoder": nn.RNN(2, H, **own),
                       "head": nn.Linear(H, 3, **own), "embedding": nn.Embedding(5, I, **own),
                       "target_embedding": nn.Embedding(5, 2, **own), "bridge": double},
        (IDS, TOKENS), _translated, (IDS, np.array([[5, 0]])), "Embedding"),
]  # fmt: skip
