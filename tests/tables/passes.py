"""EXAMPLES: for each pass of a Program, by its function's name, a program that it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn.program import Program

from ..deep import H, traced, weights
from .found import in_code

PASSES: dict[str, Callable[[Program], Program]] = {p.__name__: p for p in in_code("PASSES")}
STEPS = 16  # as many as any pass waits for


class Example(NamedTuple):
    """f: what is traced, with its gradients. arrays: its inputs' shapes. first: passes before."""

    f: Callable[..., Any]
    arrays: tuple[tuple[int, ...], ...]
    first: tuple[str, ...] = ()

    def program(self, dtype: Any = float) -> Program:
        """The program that the pass changes."""
        rng = np.random.default_rng(0)
        arrays = [rng.normal(size=shape).astype(dtype) for shape in self.arrays]
        W = weights(3, dtype)
        program = traced(lambda *xs: self.f(W, *xs), *arrays, backward=True)
        for name in self.first:
            program = PASSES[name](program)
        return program


def _gates(W: Any, x: Any) -> Any:
    """A sigmoid of two columns and a tanh of the others."""
    z = x @ W[0]
    return (tg.sigmoid(z[:, :2]) * tg.tanh(z[:, 2:])).sum()


def _reverse_sum(W: Any, x: Any) -> Any:
    """A sum of products from the last step to the first, and a stack from the first to the last."""
    hs = [tg.sin(x_t @ W[0]) for x_t in x]
    total = sum(hs[t].T @ (x[t] * x[t]) for t in reversed(range(len(x))))
    return (tg.stack(hs) @ total).sum()


EXAMPLES: dict[str, Example] = {
    "simplified": Example(lambda W, x: (tg.exp(x.T.T @ W[0]) * tg.exp(x @ W[0])).sum(), ((3, H),)),
    "gated": Example(_gates, ((3, H),)),
    "widened": Example(
        lambda W, x: (tg.sin((x @ W[0])[:, :2]) * tg.sin((x @ W[0])[:, 2:])).sum(), ((3, H),),
        ("simplified",)),
    "reassociated": Example(
        lambda W, x, h: ((x @ W[0] + tg.tanh(tg.sin(h @ W[1])) @ W[2]) + W[0][0]).sum(),
        ((3, H), (3, H))),
    "aligned": Example(_reverse_sum, ((6, 3, H),), ("simplified", "reassociated", "simplified")),
    "batched": Example(
        lambda W, x: sum(tg.sin(x_t @ W[0]).sum() for x_t in x), ((STEPS, 3, H),)),
}  # fmt: skip
