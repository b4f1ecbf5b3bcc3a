"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..ops.op import Array
from .groups import Params
from .optimizer import Optimizer


class SGD(Optimizer):
    """p -= lr v, with v = momentum v + (1 - dampening) g, or g + momentum v if nesterov.

    lr: learning rate. momentum, dampening: 0 to 1. weight_decay: g += weight_decay p.
    The first v is g. params, Raises: see `Optimizer`; nesterov needs momentum without dampening.
    Source: Sutskever et al. (2013), On the importance of initialization and momentum.

    >>> from tinygrad_rnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([0.8])
    """

    buffers: ClassVar[Mapping[str, str]] = {"momentum_buffer": "momentum"}
    counts = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
        )

    def wrong(self, group: Mapping[str, Any]) -> list[str]:
        """What is wrong with a group's settings, in words."""
        wrong = super().wrong(group)
        if not wrong and group["nesterov"] and not (group["momentum"] and not group["dampening"]):
            return ["nesterov needs a momentum above 0 and a dampening of 0"]
        return wrong

    def update(self, g: Array, state: dict[str, Any], settings: dict[str, Any]) -> Array:
        """lr times the gradient, or times the momentum's running sum."""
        step, momentum = self.scratch("step", g), settings["momentum"]
        if momentum:
            v = state.get("momentum_buffer")
            if v is None:
                v = state["momentum_buffer"] = g.copy()
            else:
                np.multiply(g, 1 - settings["dampening"], out=step)
                v *= momentum
                v += step
            if settings["nesterov"]:
                np.multiply(v, momentum, out=step)
                g = np.add(g, step, out=step)
            else:
                g = v
        return np.multiply(g, settings["lr"], out=step)  # type: ignore[no-any-return]
