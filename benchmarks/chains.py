"""W5: what an operation costs, in chains of 1,000 on arrays that are next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_rnn as tg

from .peers import installed
from .workloads import Competitor, as_it_is

LENGTH = 1000
SHAPES = {"scalar": (1,), "4x4": (4, 4)}
KINDS = ("add", "mul", "tanh", "mix")


def chain(kind: str, tanh: Callable[[Any], Any], a: Any, length: int = LENGTH) -> Any:
    """So many operations in a row, from a; mix takes turns."""
    y = a
    for k in range(length):
        now = ("add", "mul", "tanh")[k % 3] if kind == "mix" else kind
        if now == "add":
            y = y + a
        elif now == "mul":
            y = y * a
        else:
            y = tanh(y)
    return y


def ours(kind: str, a: np.ndarray, length: int, compiled: bool) -> Competitor:
    """By the tape, or compiled."""
    leaf = tg.Tensor(a, requires_grad=True)
    f = lambda: tg.sum(chain(kind, tg.tanh, leaf, length))
    run = tg.compile(f) if compiled else f

    def step() -> Any:
        leaf.grad = None
        loss = run()
        if not compiled:
            loss.backward()
        return loss

    return Competitor(step, lambda loss: (loss.item(), [leaf.grad.data]))  # type: ignore[union-attr]


def by_torch(kind: str, a: np.ndarray, length: int) -> Competitor:
    """By torch."""
    import torch

    leaf = torch.tensor(a, requires_grad=True)

    def step() -> Any:
        leaf.grad = None
        loss = chain(kind, torch.tanh, leaf, length).sum()
        loss.backward()
        return loss

    return Competitor(step, lambda loss: (loss.item(), [leaf.grad.numpy()]))


def by_autograd(kind: str, a: np.ndarray, length: int) -> Competitor:
    """By autograd."""
    import autograd.numpy as anp
    from autograd import value_and_grad

    run = value_and_grad(lambda a: anp.sum(chain(kind, anp.tanh, a, length)))

    def read(result: Any) -> Any:
        return as_it_is((result[0], [result[1]]))

    return Competitor(lambda: run(a), read)


def every(kind: str, shape: tuple[int, ...], dtype: Any, length: int) -> dict[str, Competitor]:
    """All who run a chain, by name."""
    a = (0.9 + 0.1 * np.random.default_rng(0).random(shape)).astype(dtype)
    if kind == "mul":
        a = np.ones(shape, dtype)  # a power of 1,000 stays finite
    steps = {
        "tape": ours(kind, a, length, compiled=False),
        "compiled": ours(kind, a, length, compiled=True),
    }
    if installed("torch"):
        steps["torch"] = by_torch(kind, a, length)
    if installed("autograd"):
        steps["autograd"] = by_autograd(kind, a, length)
    return steps
