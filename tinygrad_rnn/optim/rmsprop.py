"""RMSprop: steps in units of the gradients' recent size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..ops.op import Array
from .groups import Params
from .optimizer import Optimizer, state_array


class RMSprop(Optimizer):
    """s = α s + (1 - α) g²; p -= lr g / (√s + eps).

    lr: learning rate. alpha: α, 0 to 1. weight_decay: g += weight_decay p.
    momentum: if above 0, p -= lr v with v = momentum v + g / (√s + eps).
    centered: s - m² instead of s under the root, with m = α m + (1 - α) g: the variance instead of
    the mean square; 0 where rounding makes it negative.
    params, Raises: see `Optimizer`.
    Source: Tieleman & Hinton (2012), lecture 6.5; centered: Graves (2013), Generating sequences
    with recurrent neural networks.

    >>> from tinygrad_rnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.1, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> np.round(w.data, 6)
    array([0.8])
    """

    buffers: ClassVar[Mapping[str, str]] = {
        "square_avg": "",
        "momentum_buffer": "momentum",
        "grad_avg": "centered",
    }

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        )

    def update(self, g: Array, state: dict[str, Any], settings: dict[str, Any]) -> Array:
        """The step for a gradient g."""
        step = self._mean_square(g, state, settings)
        np.sqrt(step, out=step)
        step += settings["eps"]
        np.divide(g, step, out=step)
        if settings["momentum"]:
            v = state_array(state, "momentum_buffer", g)
            v *= settings["momentum"]
            v += step
            np.copyto(step, v)
        step *= settings["lr"]
        return step

    def _mean_square(self, g: Array, state: dict[str, Any], settings: dict[str, Any]) -> Array:
        """s, or s - m² if centered."""
        s, step = state_array(state, "square_avg", g), self.scratch("step", g)
        np.multiply(g, g, out=step)
        step *= 1 - settings["alpha"]
        s *= settings["alpha"]
        s += step
        if not settings["centered"]:
            np.copyto(step, s)
            return step
        m = state_array(state, "grad_avg", g)
        np.subtract(g, m, out=step)
        step *= 1 - settings["alpha"]
        m += step
        np.multiply(m, m, out=step)
        np.subtract(s, step, out=step)
        return np.maximum(step, 0, out=step)
