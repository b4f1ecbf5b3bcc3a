"""The cells as a user writes them, once for every framework: m holds what they are called there.

`cell(m, weights, x, state)` is a whole step; `inputs(weights, x)` and `step(m, weights, z, state)`
are the same with the input's part apart, which can then be computed for all steps at once. Letters
and the weights' shapes: `workloads.shapes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .workloads import Problem


class Functions(NamedTuple):
    """What a framework calls these; chunks(x, n) are n equal parts along the last axis.

    cross_entropy(outputs (T, B, O), y (T, B), reduction), mse(output, y): scalars.
    """

    tanh: Callable[[Any], Any]
    sigmoid: Callable[[Any], Any]
    chunks: Callable[[Any, int], Any]
    stack: Callable[[Any], Any]
    cross_entropy: Callable[[Any, Any, str], Any]
    mse: Callable[[Any, Any], Any]


Weights = Sequence[Any]
State = tuple[Any, ...]


def rnn(m: Functions, weights: Weights, x: Any, state: State) -> State:
    """h' = tanh(x W + h U + b)."""
    W, U, b = weights
    (h,) = state
    return (m.tanh(x @ W + h @ U + b),)


def lstm(m: Functions, weights: Weights, x: Any, state: State) -> State:
    """c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c'); [i f g o] = x W + h U + b."""
    W, U, b = weights
    return _lstm_state(m, x @ W + state[0] @ U + b, state[1])


def gru(m: Functions, weights: Weights, x: Any, state: State) -> State:
    """h' = (1 - u) n + u h; [z_r z_u z_n] = x W + b, [a_r a_u a_n] = h U + b_h."""
    return gru_step(m, weights, x @ weights[0] + weights[2], state)


def mgu(m: Functions, weights: Weights, x: Any, state: State) -> State:
    """f = σ(x W_f + h U_f + b_f), n = tanh(x W_n + (f h) U_n + b_n), h' = (1 - f) h + f n."""
    W_f, U_f, b_f, W_n, U_n, b_n = weights
    (h,) = state
    f = m.sigmoid(x @ W_f + h @ U_f + b_f)
    n = m.tanh(x @ W_n + (f * h) @ U_n + b_n)
    return ((1 - f) * h + f * n,)


def _lstm_state(m: Functions, a: Any, c: Any) -> State:
    i, f, g, o = m.chunks(a, 4)
    c = m.sigmoid(f) * c + m.sigmoid(i) * m.tanh(g)
    return m.sigmoid(o) * m.tanh(c), c


def plain_inputs(weights: Weights, x: Any) -> Any:
    """x W + b."""
    return x @ weights[0] + weights[2]


def mgu_inputs(weights: Weights, x: Any) -> Any:
    """x W_f + b_f and x W_n + b_n."""
    W_f, _, b_f, W_n, _, b_n = weights
    return x @ W_f + b_f, x @ W_n + b_n


def rnn_step(m: Functions, weights: Weights, z: Any, state: State) -> State:
    """h' = tanh(z + h U)."""
    return (m.tanh(z + state[0] @ weights[1]),)


def lstm_step(m: Functions, weights: Weights, z: Any, state: State) -> State:
    """As `lstm`, of z = x W + b."""
    return _lstm_state(m, z + state[0] @ weights[1], state[1])


def gru_step(m: Functions, weights: Weights, z: Any, state: State) -> State:
    """As `gru`, of z = x W + b."""
    _, U, _, b_h = weights
    (h,) = state
    z_r, z_u, z_n = m.chunks(z, 3)
    a_r, a_u, a_n = m.chunks(h @ U + b_h, 3)
    u = m.sigmoid(z_u + a_u)
    n = m.tanh(z_n + m.sigmoid(z_r + a_r) * a_n)
    return ((1 - u) * n + u * h,)


def mgu_step(m: Functions, weights: Weights, z: Any, state: State) -> State:
    """As `mgu`, of z = x W + b for both."""
    _, U_f, _, _, U_n, _ = weights
    (z_f, z_n), (h,) = z, state
    f = m.sigmoid(z_f + h @ U_f)
    return ((1 - f) * h + f * m.tanh(z_n + (f * h) @ U_n),)


CELLS = {"RNN": rnn, "LSTM": lstm, "GRU": gru, "MGU": mgu}
HOISTED = {
    "RNN": (plain_inputs, rnn_step),
    "LSTM": (plain_inputs, lstm_step),
    "GRU": (plain_inputs, gru_step),
    "MGU": (mgu_inputs, mgu_step),
}


def start_of(kind: str, start: Any) -> State:
    """The state that a network starts from: h, and c if there is one."""
    return (start, start) if kind == "LSTM" else (start,)


def loss_of(m: Functions, problem: Problem, weights: Weights, x: Any, y: Any, start: Any) -> Any:
    """The loss, by a loop of whole steps; x is anything that gives x_t when iterated over."""
    *inner, V, c = weights
    cell, state, outputs = CELLS[problem.kind], start_of(problem.kind, start), []
    for x_t in x:
        state = cell(m, inner, x_t, state)
        if problem.loss != "mse":
            outputs.append(state[0] @ V + c)
    if problem.loss == "mse":
        return m.mse(state[0] @ V + c, y)
    return m.cross_entropy(m.stack(outputs), y, problem.loss)
