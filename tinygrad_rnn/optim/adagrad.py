"""Adagrad: the larger the gradients so far, the smaller the steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..ops.op import Array
from .groups import Params
from .optimizer import Optimizer, state_array


class Adagrad(Optimizer):
    """s += g²; p -= lr / (1 + (step - 1) lr_decay) g / (√s + eps).

    lr: learning rate. weight_decay: g += weight_decay p. initial_accumulator_value: s at first.
    params, Raises: see `Optimizer`.
    Source: Duchi, Hazan & Singer (2011), Adaptive subgradient methods.

    >>> from tinygrad_rnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> np.round(w.data, 6)
    array([0.9])
    """

    buffers: ClassVar[Mapping[str, str]] = {"sum": ""}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )

    def update(self, g: Array, state: dict[str, Any], settings: dict[str, Any]) -> Array:
        """The step for a gradient g."""
        s = state_array(state, "sum", g, settings["initial_accumulator_value"])
        step = self.scratch("step", g)
        s += np.multiply(g, g, out=step)
        np.sqrt(s, out=step)
        step += settings["eps"]
        np.divide(g, step, out=step)
        step *= settings["lr"] / (1 + (state["step"] - 1) * settings["lr_decay"])
        return step
