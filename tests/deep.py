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


# Random steps

UNARY: list[Callable[[Any], Any]] = [
    tg.tanh,
    tg.sigmoid,
    tg.sin,
    tg.relu,
    lambda a: a * 0.5,
    lambda a: 1 - a * a,
    lambda a: tg.softmax(a, -1),
    lambda a: a / (1 + tg.exp(-a)),
    lambda a: tg.where(a > 0.1, a, 0.3 * a),
    lambda a: a - a.mean(-1, keepdims=True),
    lambda a: tg.concatenate([tg.sigmoid(a[:, :2]), tg.tanh(a[:, 2:])], -1),
    lambda a: tg.tanh(a[:, ::-1]) + a,
]


def random_cell(rng: np.random.Generator, pool: list[tg.Tensor]) -> Callable[..., Any]:
    """A cell (x_t, h, t) -> h of a few random operations, with some of the weights."""
    U, W, P, b = [pool[k] for k in (*rng.integers(0, len(pool) - 2, 3), len(pool) - 1)]
    G = pool[-2]
    plan = rng.integers(0, 100, (int(rng.integers(1, 6)), 3)).tolist()
    static, gated, often = rng.random(3) < (0.4, 0.5, 0.7)
    every = int(rng.integers(2, 4))

    def cell(x: Any, h: Any, t: int) -> Any:
        values = [x, h, x @ U, h @ W + b, tg.tanh(x @ U + h @ P)]
        if gated:
            gates = x @ G + tg.concatenate([h, h], -1) + 0.5
            i, n = tg.sigmoid(gates[:, :H]), tg.tanh(gates[:, H:])
            values.append(i * n + (1 - i) * h)
        for kind, i, j in plan:
            a, c = values[i % len(values)], values[j % len(values)]
            if (i + j) % 3:
                values.append(UNARY[kind % len(UNARY)](a))
            else:
                values.append(a * c + (0.1 * t if static else 0.1))
        if often or t % every == 0:  # a branch on what does not change
            values.append(values[-1] + values[3])
        return tg.tanh(values[-1] + 0.2 * values[4])

    return cell


def random_step(
    seed: int, dtype: Any = float
) -> tuple[Callable[..., Any], list[tg.Tensor], list[str]]:
    """A step (x, y, h) -> (loss, last states), its weights, and what it is made of.

    One to three cells, above each other, in either direction or both, whose weights may be the
    same; a loss at the end, of all outputs, or added up step by step.
    """
    rng = np.random.default_rng(seed)
    pool = weights(int(rng.integers(2, 5)), dtype, seed)
    for shape in ((H, 2 * H), (H,)):
        pool.append(tg.Tensor((rng.normal(size=shape) / 2).astype(dtype), requires_grad=True))
    kinds = rng.choice(["forward", "backward", "both", "in one step"], int(rng.integers(1, 4)))
    cells = [(random_cell(rng, pool), random_cell(rng, pool), kind) for kind in kinds]
    loss_kind, every = rng.choice(["steps", "stack", "end", "mean"]), int(rng.integers(1, 4))

    def run(cell: Any, sequence: list[Any], h: Any, order: Any) -> tuple[list[Any], Any]:
        outputs = {}
        for t in order:
            h = outputs[t] = cell(sequence[t], h, t)
        return [outputs[t] for t in range(len(sequence))], h

    def step(x: Any, y: Any, h: Any) -> Any:
        sequence, last, T = list(x), [], len(x)
        for cell, other, kind in cells:
            if kind == "in one step":
                a = b = h
                outputs = []
                for t, x_t in enumerate(sequence):
                    a = cell(x_t, a, t)
                    b = other(a, b, t)
                    outputs.append(b)
                sequence, end = outputs, a
            else:
                order = range(T)[::-1] if kind == "backward" else range(T)
                above, end = run(cell, sequence, h, order)
                if kind == "both":
                    back, start = run(other, sequence, h, range(T)[::-1])
                    above = [p + q for p, q in zip(above, back, strict=True)]
                    end = end * start
                sequence = above
            last.append(end)
        losses = [((sequence[t] - y[t]) ** 2).sum() for t in range(0, T, every)]
        if loss_kind == "steps":
            loss = sum(losses)
        elif loss_kind == "end":
            loss = losses[-1]
        elif loss_kind == "mean":
            loss = tg.mse_loss(tg.stack(sequence), y)
        else:
            loss = ((tg.stack(sequence[::every]) - y[::every]) ** 2).mean()
        return loss, *last

    return step, pool, [*kinds, str(loss_kind)]
