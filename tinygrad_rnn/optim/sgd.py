"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..op import Array
from ..tensor import Tensor
from .optimizer import Optimizer


class SGD(Optimizer):
    """p -= lr v, with v = momentum v + (1 - dampening) g, or g + momentum v if nesterov.

    lr: learning rate. momentum, dampening: 0 to 1. weight_decay: g += weight_decay p.
    Raises: ValueError for a negative value, or nesterov without momentum or with dampening.
    Source: Sutskever et al. (2013), On the importance of initialization and momentum.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([0.8])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self._check(momentum=momentum)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("SGD: nesterov needs a momentum above 0 and a dampening of 0")
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov

    def update(self, g: Array, state: dict[str, Any]) -> Array:
        """lr times the gradient, or times the momentum's running sum."""
        if not self.momentum:
            return self.lr * g
        if "v" not in state:
            state["v"] = g.copy()
        else:
            state["v"] *= self.momentum
            state["v"] += (1 - self.dampening) * g
        v: Array = state["v"]
        return self.lr * (g + self.momentum * v if self.nesterov else v)
