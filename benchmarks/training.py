"""W1 with what follows the gradients: each held between -5 and 5, then Adagrad's step."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_rnn as tg

from . import ours
from .by_hand import Plain, min_char_rnn
from .peers import installed, torch_layers
from .workloads import Array, Competitor, Problem

BOUND, LR, START = 5.0, 0.01, 1e-8  # START is what min-char-rnn adds under the root


def by_us(problem: Problem, compiled: bool) -> Competitor:
    """The layer, clip_grad_value_ and optim.Adagrad."""
    model = ours.Layer(problem)
    # b_hh would learn as b_ih does: one of them stays, as the others have one bias
    learning = [p for p in model.parameters if p is not model.layer.bias_hh_l0]
    optimizer = tg.optim.Adagrad(learning, lr=LR, initial_accumulator_value=START, eps=0)
    backward = ours.compiled(model) if compiled else ours.on_tape(model)

    def step() -> Any:
        loss = backward.step()
        tg.nn.utils.clip_grad_value_(learning, BOUND)
        optimizer.step()
        return loss

    def read(loss: Any) -> tuple[float, list[Array]]:
        W, U, b, V, c = (p.numpy() for p in learning)
        return loss.item(), [W.T, U.T, b, V.T, c]

    return Competitor(step, read)


def by_hand(problem: Problem, backward: Any) -> Competitor:
    """The hand-written step; then, in place, what min-char-rnn does."""
    sums = [np.full_like(w, START) for w in problem.weights]
    spare = [np.empty_like(w) for w in problem.weights]
    rate = problem.dtype.type(LR)

    def step() -> float:
        loss, gradients = backward()
        for w, g, s, room in zip(problem.weights, gradients, sums, spare, strict=True):
            np.clip(g, -BOUND, BOUND, out=g)
            np.multiply(g, g, out=room)
            np.add(s, room, out=s)
            np.sqrt(s, out=room)
            np.divide(g, room, out=g)
            np.multiply(g, rate, out=g)
            np.subtract(w, g, out=w)
        return float(loss)

    return Competitor(step, lambda loss: (loss, problem.weights))


def by_torch(problem: Problem) -> Competitor:
    """torch.nn's layer, clip_grad_value_ and optim.Adagrad."""
    import torch

    layer, linear = torch_layers(problem)
    learning = [p for p in [*layer.parameters(), *linear.parameters()] if p is not layer.bias_hh_l0]
    optimizer = torch.optim.Adagrad(learning, lr=LR, initial_accumulator_value=START, eps=0)
    x, y = torch.tensor(problem.x), torch.tensor(problem.y.ravel())

    def step() -> Any:
        optimizer.zero_grad()
        logits = linear(layer(x)[0]).reshape(len(y), -1)
        loss = torch.nn.functional.cross_entropy(logits, y, reduction=problem.loss)
        loss.backward()
        torch.nn.utils.clip_grad_value_(learning, BOUND)
        optimizer.step()
        return loss

    def read(loss: Any) -> tuple[float, list[Array]]:
        W, U, b, V, c = (p.detach().numpy() for p in learning)
        return loss.item(), [W.T, U.T, b, V.T, c]

    return Competitor(step, read)


def every(make: Any) -> dict[str, Competitor]:
    """All who train, by name; make: gives each its own Problem, as each changes the weights."""
    mine, first = make(), make()
    steps = {
        "tape, layer": by_us(make(), compiled=False),
        "compiled, layer": by_us(make(), compiled=True),
        "optimised NumPy": by_hand(mine, Plain(mine)),
        "min-char-rnn": by_hand(first, min_char_rnn(first).step),
    }
    if installed("torch"):
        steps["torch.nn"] = by_torch(make())
    return steps
