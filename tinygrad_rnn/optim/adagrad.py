"""Adagrad: the larger the gradients so far, the smaller the steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..op import Array
from ..tensor import Tensor
from .optimizer import Optimizer


class Adagrad(Optimizer):
    """s += g²; p -= lr / (1 + (step - 1) lr_decay) g / (√s + eps).

    lr: learning rate. weight_decay: g += weight_decay p. initial_accumulator_value: s at first.
    Raises: ValueError for a negative value.
    Source: Duchi, Hazan & Singer (2011), Adaptive subgradient methods.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> np.round(w.data, 6)
    array([0.9])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self._check(lr_decay=lr_decay, initial_accumulator_value=initial_accumulator_value, eps=eps)
        self.lr_decay = lr_decay
        self.initial_accumulator_value = initial_accumulator_value
        self.eps = eps

    def update(self, g: Array, state: dict[str, Any]) -> Array:
        """The step for a gradient g."""
        s: Array = state.setdefault("s", np.full_like(g, self.initial_accumulator_value))
        s += g * g
        lr = self.lr / (1 + (state["step"] - 1) * self.lr_decay)
        step: Array = lr * (g / (np.sqrt(s) + self.eps))
        return step
