"""The steps by this package: on the tape and compiled, from primitives and with layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_rnn as tg

from .programs import Functions, loss_of
from .workloads import Array, Competitor, Problem

Loss = Callable[[Any, Any], tg.Tensor]
M = Functions(
    tanh=tg.tanh,
    sigmoid=tg.sigmoid,
    chunks=lambda x, n: tg.split(x, n, axis=-1),
    stack=tg.stack,
    cross_entropy=lambda o, y, reduction: tg.cross_entropy(o, y, reduction=reduction),
    mse=tg.mse_loss,
)


class Loop:
    """The loss by a loop of steps from primitives."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.parameters = [tg.Tensor(w.copy(), requires_grad=True) for w in problem.weights]

    def loss(self, x: Any, y: Any) -> tg.Tensor:
        """Of inputs (T, B, I) and targets."""
        # a part of the batch, where compile() takes the step in blocks
        start = np.zeros((x.shape[1], self.problem.sizes.H), self.problem.dtype)
        loss: tg.Tensor = loss_of(M, self.problem, self.parameters, x, y, start)
        return loss

    def gradients(self) -> list[Array]:
        """Of the problem's weights."""
        return [p.grad.data for p in self.parameters if p.grad is not None]


class Layer:
    """The loss by a layer of tg.nn and a Linear."""

    def __init__(self, problem: Problem) -> None:
        _, _, I, H, O = problem.sizes
        W, U, b, *others, V, c = problem.weights
        self.problem, self.kind = problem, problem.kind
        self.layer = getattr(tg.nn, problem.kind)(I, H, dtype=problem.dtype, rng=0)
        self.linear = tg.nn.Linear(H, O, dtype=problem.dtype, rng=0)
        self.parameters = [*self.layer.parameters(), *self.linear.parameters()]
        b_h = others[0] if others else np.zeros_like(b)
        for p, values in zip(self.parameters, [W.T, U.T, b, b_h, V.T, c], strict=True):
            p.data[...] = values

    def loss(self, x: Any, y: Any) -> tg.Tensor:
        """Of inputs (T, B, I) and targets."""
        output, _ = self.layer(x)
        if self.problem.loss == "mse":
            return tg.mse_loss(self.linear(output[-1]), y)
        return tg.cross_entropy(self.linear(output), y, reduction=self.problem.loss)

    def gradients(self) -> list[Array]:
        """Of the problem's weights; b_h is there twice, but in a GRU."""
        dW, dU, db, db_h, dV, dc = (p.grad.data for p in self.parameters if p.grad is not None)
        return [dW.T, dU.T, db, *([db_h] if self.kind == "GRU" else []), dV.T, dc]


def on_tape(model: Loop | Layer) -> Competitor:
    """The step as it is."""
    x, y, parameters = model.problem.x, model.problem.y, model.parameters

    def step() -> tg.Tensor:
        for p in parameters:
            p.grad = None
        loss = model.loss(x, y)
        loss.backward()
        return loss

    return Competitor(step, lambda loss: (loss.item(), model.gradients()))


def compiled(model: Loop | Layer, **settings: Any) -> Competitor:
    """The step compiled, with compile()'s settings."""
    x, y, parameters = model.problem.x, model.problem.y, model.parameters
    run = tg.compile(model.loss, **settings)

    def step() -> tg.Tensor:
        for p in parameters:
            p.grad = None
        loss: tg.Tensor = run(x, y)
        return loss

    return Competitor(step, lambda loss: (loss.item(), model.gradients()))


def takes_blocks() -> bool:
    """Whether compile() can take the batch in blocks."""
    return {"batch_axis", "workers"} <= inspect.signature(tg.compile).parameters.keys()


def batch_axes(problem: Problem) -> tuple[int, int]:
    """The axes of x and y along which the examples of a batch lie."""
    return 1, (0 if problem.loss == "mse" else 1)


def every(problem: Problem, threads: int) -> dict[str, Competitor]:
    """All of ours for a problem, by name."""
    models: dict[str, Loop | Layer] = {"loop": Loop(problem)}
    if hasattr(tg.nn, problem.kind):
        models["layer"] = Layer(problem)
    steps = {f"tape, {name}": on_tape(model) for name, model in models.items()}
    steps |= {f"compiled, {name}": compiled(model) for name, model in models.items()}
    if problem.sizes.B == 1:
        return steps
    if not takes_blocks():
        print("  compiled in blocks: left out, compile() does not take batch_axis and workers yet")
        return steps
    for name, model in models.items():
        for workers in sorted({1, threads}):
            made = compiled(model, batch_axis=batch_axes(problem), workers=workers)
            steps[f"compiled in blocks, {name}, workers={workers}"] = made
    return steps
