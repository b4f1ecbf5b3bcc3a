"""Programs to test passes with, and a check that computes every equation of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.program import Equation, Program, Var, trace

T, B, I, H, V = 10, 3, 2, 4, 6


def names(program: Program) -> list[str]:
    """What the program does, in order."""
    return [equation.op.name for equation in program.equations]


def of(program: Program, name: str) -> list[Equation]:
    """The equations of an operation."""
    return [equation for equation in program.equations if equation.op.name == name]


def traced(f: Callable[..., Any], *arrays: Any, backward: bool = False) -> Program:
    """The program of a function of one result or several."""

    def several(*xs: Any) -> list[Any]:
        results = f(*xs)
        return list(results) if isinstance(results, (list, tuple)) else [results]

    return trace(several, [np.asarray(x) for x in arrays], backward)


def deep_check(program: Program, inputs: Sequence[Any]) -> list[np.ndarray]:
    """The outputs, by each equation's operation; every value has its Var's shape and dtype."""
    program.check()
    values: dict[Var, Any] = dict(zip(program.inputs, inputs, strict=True))
    values |= {var: tensor.data for var, tensor in program.leaves} | dict(program.constants)
    for var in values:
        assert (var.shape, var.dtype) == (values[var].shape, values[var].dtype)
    for k, (op, given, settings, output, _) in enumerate(program.equations):
        arrays = [values[x] if isinstance(x, Var) else x for x in given]
        with np.errstate(all="ignore"):
            result = np.asarray(op.forward(*arrays, **settings))
        assert (result.shape, result.dtype) == (output.shape, output.dtype), f"{k}, {op.name}"
        values[output] = result
    return [values[var] for var in program.outputs]


def layers(layer: Any, **options: Any) -> Callable[..., Any]:
    """A step of a recurrent layer and a Linear, with the last state."""
    width = 2 * H if layer.bidirectional else H
    linear = nn.Linear(width, V, rng=1, dtype=layer.weight_hh_l0.dtype)

    def step(x: Any, y: Any) -> Any:
        output, state = layer(x, **options)
        state = state if isinstance(state, tuple) else (state,)
        return tg.cross_entropy(linear(output), y), *state

    return step


def weights(count: int, dtype: Any = float, seed: int = 0) -> list[tg.Tensor]:
    """Square matrices that learn."""
    rng = np.random.default_rng(seed)
    return [
        tg.Tensor((rng.normal(size=(H, H)) / 2).astype(dtype), requires_grad=True)
        for _ in range(count)
    ]


def peephole(x: Any, y: Any) -> Any:
    """A cell whose gates see the memory, with a skip of two steps, and a loss at each step."""
    U, W, P, R = WEIGHTS
    h = c = before = np.zeros((x.shape[1], H))
    loss = 0.0
    for t in range(len(x)):
        gate = tg.sigmoid(x[t] @ U[:I] + h @ W + c * P[0])
        c = gate * c + (1 - gate) * tg.tanh(h @ W.T + before @ P)
        before, h = h, tg.tanh(c) * gate
        loss = loss + tg.cross_entropy((h @ R) @ HEAD, y[t])
    return loss, h


def one_gate(x: Any, y: Any) -> Any:
    """The gates of a cell as parts of one product, with a candidate of their own."""
    U, W, P, R = WEIGHTS
    h = np.zeros((x.shape[1], H))
    outputs = []
    for x_t in x:
        gates = x_t @ U[:I] + h @ W
        update, new = tg.sigmoid(gates[:, : H // 2]), tg.tanh(gates[:, H // 2 :])
        h = tg.concatenate([update * h[:, : H // 2], new * h[:, H // 2 :]], 1) + gates @ P
        outputs.append(h)
    return tg.cross_entropy(tg.stack(outputs) @ R @ HEAD, y), h


def second_order(x: Any, y: Any) -> Any:
    """The loss of a loop and a penalty on its gradient."""
    U, W, *_ = WEIGHTS
    h = x[0] @ U[:I]
    for x_t in x[1:]:
        h = tg.tanh(x_t @ U[:I] + h @ W)
    loss = tg.cross_entropy(h @ HEAD, y[-1])
    (slope,) = tg.grad(loss, W, create_graph=True)
    return loss + (slope * slope).sum(), h


WEIGHTS = weights(4)
HEAD = tg.Tensor(np.random.default_rng(9).normal(size=(H, V)), requires_grad=True)
STEPS: dict[str, Callable[..., Any]] = {
    "RNN": layers(nn.RNN(I, H, num_layers=2, rng=0)),
    "LSTM": layers(nn.LSTM(I, H, rng=0)),
    "GRU": layers(nn.GRU(I, H, rng=0)),
    "GRU reset before": layers(nn.GRU(I, H, reset_after=False, rng=0)),
    "float32": layers(nn.LSTM(I, H, rng=0, dtype=np.float32)),
    "both directions": layers(nn.LSTM(I, H, bidirectional=True, rng=0)),
    "lengths": layers(nn.RNN(I, H, rng=0), lengths=np.array([T, 1, 4])),
    "peepholes": peephole,
    "one gate": one_gate,
    "second order": second_order,
}


def data(step: str, seed: int = 0, batch: int = B, steps: int = T) -> list[np.ndarray]:
    """Inputs (T, B, I) and classes (T, B) for one of the steps."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(steps, batch, I)).astype("f4" if step == "float32" else "f8")
    return [x, rng.integers(0, V, (steps, batch))]
