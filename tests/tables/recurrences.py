"""Recurrences in NumPy, step by step; and HANDS: who else knows their gradients.

Sizes: T steps, B batch, I input, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn import manual

Arrays = dict[str, np.ndarray]
State = tuple[np.ndarray, ...]
T, B, I, H = 3, 2, 3, 4
CELL = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


# What a step computes, in NumPy


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _sides(x: np.ndarray, h: np.ndarray, p: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """The input's part and the state's part, before they are added."""
    biases = p.get("bias_ih", np.zeros(1)), p.get("bias_hh", np.zeros(1))
    return x @ p["weight_ih"].T + biases[0], h @ p["weight_hh"].T + biases[1]


def tanh_step(x: np.ndarray, state: State, p: Arrays) -> State:
    """h = tanh(z + a)."""
    z, a = _sides(x, state[0], p)
    return (np.tanh(z + a),)


def relu_step(x: np.ndarray, state: State, p: Arrays) -> State:
    """h = max(0, z + a)."""
    z, a = _sides(x, state[0], p)
    return (np.maximum(z + a, 0),)


def lstm_step(x: np.ndarray, state: State, p: Arrays) -> State:
    """Gate by gate, in the order i f g o of the rows."""
    z, a = _sides(x, state[0], p)
    i, f, g, o = np.split(z + a, 4, axis=-1)
    c = _sigmoid(f) * state[1] + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


def gru_step(x: np.ndarray, state: State, p: Arrays) -> State:
    """Gate by gate, in the order r z n of the rows; r acts on the product."""
    (z_r, z_z, z_n), (a_r, a_z, a_n) = (np.split(v, 3, -1) for v in _sides(x, state[0], p))
    u = _sigmoid(z_z + a_z)
    return ((1 - u) * np.tanh(z_n + _sigmoid(z_r + a_r) * a_n) + u * state[0],)


def gru_step_before(x: np.ndarray, state: State, p: Arrays) -> State:
    """The same with r acting on the state."""
    (z_r, z_z, z_n), (a_r, a_z, _) = (np.split(v, 3, -1) for v in _sides(x, state[0], p))
    _, a_n = _sides(x, _sigmoid(z_r + a_r) * state[0], p)
    u = _sigmoid(z_z + a_z)
    return ((1 - u) * np.tanh(z_n + np.split(a_n, 3, -1)[2]) + u * state[0],)


def unrolled(
    step: Callable[..., State], p: Arrays, x: np.ndarray, state: State, lengths: Any = None
) -> tuple[np.ndarray, State]:
    """The outputs (T, ..., H) of a layer in one direction, and its last state."""
    outputs, order = [], np.arange(len(x))
    for t in order:
        new = step(x[t], state, p)
        inside = True if lengths is None else (t < lengths)[:, None]
        state = tuple(np.where(inside, n, o) for n, o in zip(new, state, strict=True))
        outputs.append(np.where(inside, state[0], 0))
    return np.stack(outputs), state


def layers(
    step: Callable[..., State], p: Arrays, x: np.ndarray, *state: np.ndarray, lengths: Any = None
) -> list[np.ndarray]:
    """Layers one after the other, in as many directions as there are weights for; the last state.

    A padded sequence is read backwards from its own end.
    """
    both, ends, row = "weight_ih_l0_reverse" in p, [], 0
    for k in range(sum(f"weight_ih_l{k}" in p for k in range(9))):
        ways = []
        for suffix in ("", "_reverse")[: 1 + both]:
            own = {name: p.get(f"{name}_l{k}{suffix}") for name in CELL}
            own = {name: array for name, array in own.items() if array is not None}
            reversed_x = reverse_sequences(x, lengths) if suffix else x
            output, end = unrolled(step, own, reversed_x, tuple(s[row] for s in state), lengths)
            ways.append(reverse_sequences(output, lengths) if suffix else output)
            ends.append(end)
            row += 1
        x = np.concatenate(ways, axis=-1)
    return [x, *(np.stack(part) for part in zip(*ends, strict=True))]


def reverse_sequences(x: np.ndarray, lengths: Any = None) -> np.ndarray:
    """Sequences in the reverse order, the padding at the end as before."""
    reversed_x = x[::-1].copy()
    for b, n in enumerate([] if lengths is None else lengths):
        reversed_x[:n, b], reversed_x[n:, b] = x[:n, b][::-1], x[n:, b]
    return reversed_x


# The referees


def _plain_hand(p: Arrays, x: np.ndarray, state: State, g: np.ndarray, ends: State) -> Arrays:
    """By `manual.many_to_many`, whose outputs are the states themselves."""
    weights = (p["weight_ih"].T, p["weight_hh"].T, np.eye(H), p["bias_ih"] + p["bias_hh"])
    given = [one + (end if t == T - 1 else 0) for t, one in enumerate(g) for end in ends]
    result = manual.many_to_many(
        manual.Parameters(*weights, np.zeros(H)), x, given, state[0], layout="row",
        loss=lambda y, target, *, layout: ((y * target).sum(), target),
    ).gradients  # fmt: skip
    found = {"weight_ih": result.W_xh.T, "weight_hh": result.W_hh.T, "h_0": result.h_0}
    return found | {"bias_ih": result.b_h, "bias_hh": result.b_h, "x": np.stack(result.x)}


def _gated_hand(run: Callable[..., Any], **settings: Any) -> Callable[..., Arrays]:
    """By `manual.lstm` or `manual.gru`."""

    def hand(p: Arrays, x: np.ndarray, state: State, g: np.ndarray, ends: State) -> Arrays:
        given = dict(zip(("h_0", "c_0"), state, strict=False))
        given |= dict(zip(("dh_n", "dc_n"), ends, strict=False))
        weights = manual.Weights(*(p[name] for name in CELL))
        found = run(weights, x, from_output=g, **given, **settings).gradients._asdict()
        return {
            name.replace("W_", "weight_").replace("b_", "bias_"): a for name, a in found.items()
        }

    return hand


# for each cell and layer: its settings, the parts of its state, and the gradients of
# sum(outputs * g) + sum(last state * ends) by hand
Hand = tuple[str, Mapping[str, Any], int, Callable[..., Arrays]]
HANDS: list[Hand] = [
    *[(f"RNN{end}", {}, 1, _plain_hand) for end in ("", "Cell")],
    *[(f"LSTM{end}", {}, 2, _gated_hand(manual.lstm.run)) for end in ("", "Cell")],
    *[(f"GRU{end}", {}, 1, _gated_hand(manual.gru.run)) for end in ("", "Cell")],
    *[(f"GRU{end}", {"reset_after": False}, 1, _gated_hand(manual.gru.run, reset_after=False))
      for end in ("", "Cell")],
]  # fmt: skip
