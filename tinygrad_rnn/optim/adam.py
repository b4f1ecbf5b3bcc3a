"""Adam: running means of the gradient and of its square."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..op import Array
from ..tensor import Tensor
from .optimizer import Optimizer


class Adam(Optimizer):
    """m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; p -= lr m̂ / (√v̂ + eps).

    m̂ = m / (1 - β₁^step) and v̂ = v / (1 - β₂^step). betas: β₁ and β₂, from 0 to below 1.
    lr: learning rate. weight_decay: g += weight_decay p.
    Raises: ValueError for a value out of range.
    Source: Kingma & Ba (2015), Adam: a method for stochastic optimization.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> np.round(w.data, 6)
    array([0.9])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self._check(eps=eps)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"Adam: betas are {betas}; each must be from 0 to below 1")
        self.betas = betas
        self.eps = eps

    def update(self, g: Array, state: dict[str, Any]) -> Array:
        """The step for a gradient g."""
        beta_1, beta_2 = self.betas
        m: Array = state.setdefault("m", np.zeros_like(g))
        v: Array = state.setdefault("v", np.zeros_like(g))
        m += (1 - beta_1) * (g - m)
        v += (1 - beta_2) * (g * g - v)
        unbias = math.sqrt(1 - beta_2 ** state["step"])
        lr = self.lr / (1 - beta_1 ** state["step"])
        step: Array = lr * (m / (np.sqrt(v) / unbias + self.eps))
        return step
