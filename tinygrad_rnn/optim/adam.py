"""Adam: running means of the gradient and of its square; AdamW, with a decay of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..ops.op import Array
from .groups import Params
from .optimizer import Optimizer, state_array


class Adam(Optimizer):
    """m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; p -= lr m̂ / (√v̂ + eps).

    m̂ = m / (1 - β₁^step) and v̂ = v / (1 - β₂^step). betas: β₁ and β₂, from 0 to below 1.
    lr: learning rate. weight_decay: g += weight_decay p. amsgrad: the largest v so far instead of v
    in v̂. params, Raises: see `Optimizer`.
    Source: Kingma & Ba (2015), Adam: a method for stochastic optimization; amsgrad: Reddi, Kale &
    Kumar (2018), On the convergence of Adam and beyond.

    >>> from tinygrad_rnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> np.round(w.data, 6)
    array([0.9])
    """

    buffers: ClassVar[Mapping[str, str]] = {
        "exp_avg": "",
        "exp_avg_sq": "",
        "max_exp_avg_sq": "amsgrad",
    }

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad
        )

    def update(self, g: Array, state: dict[str, Any], settings: dict[str, Any]) -> Array:
        """The step for a gradient g."""
        (beta_1, beta_2), step = settings["betas"], self.scratch("step", g)
        m, v = state_array(state, "exp_avg", g), state_array(state, "exp_avg_sq", g)
        np.subtract(g, m, out=step)
        step *= 1 - beta_1
        m += step
        np.multiply(g, g, out=step)
        step *= 1 - beta_2
        v *= beta_2
        v += step
        if settings["amsgrad"]:
            largest = state_array(state, "max_exp_avg_sq", g)
            v = np.maximum(v, largest, out=largest)
        np.sqrt(v, out=step)
        step /= math.sqrt(1 - beta_2 ** state["step"])
        step += settings["eps"]
        np.divide(m, step, out=step)
        step *= settings["lr"] / (1 - beta_1 ** state["step"])
        return step


class AdamW(Adam):
    """Adam with a weight decay that its means do not see: p -= lr weight_decay p before the step.

    Arguments: see `Adam`. Source: Loshchilov & Hutter (2019), Decoupled weight decay
    regularization.

    >>> from tinygrad_rnn import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> np.round(w.data, 6)
    array([0.85])
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)

    def decayed(self, p: Array, g: Array, settings: dict[str, Any]) -> Array:
        """The gradient as it is; the decay shrinks p itself, in place."""
        p *= 1 - settings["lr"] * settings["weight_decay"]
        return g
