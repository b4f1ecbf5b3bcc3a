"""What all optimisers share: the parameters, their state, and the order of a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..op import Array
from ..tensor import Tensor


class Optimizer:
    """Updates parameters in place from their gradients; a subclass defines `update`.

    parameters: Tensors that require gradients. lr: learning rate, at least 0.
    Raises: ValueError without parameters or for a negative lr, TypeError for other things.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0) -> None:
        self.parameters = list(parameters)
        self.lr = lr
        self.weight_decay = weight_decay
        self.state: dict[Tensor, dict[str, Any]] = {}
        if not self.parameters:
            raise ValueError(f"{type(self).__name__}: there are no parameters to update")
        for parameter in self.parameters:
            if not (isinstance(parameter, Tensor) and parameter.is_leaf):
                raise TypeError(f"{type(self).__name__}: {parameter!r:.60} is not a leaf Tensor")
        self._check(lr=lr, weight_decay=weight_decay)

    def _check(self, **values: float) -> None:
        for name, value in values.items():
            if not value >= 0:
                raise ValueError(f"{type(self).__name__}: {name} is {value}; it must be at least 0")

    def zero_grad(self) -> None:
        """Forgets all gradients: `.grad` becomes None."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Updates each parameter that has a gradient."""
        for parameter in self.parameters:
            if parameter.grad is None:
                continue
            g = parameter.grad.data
            if self.weight_decay:
                g = g + self.weight_decay * parameter.data
            state = self.state.setdefault(parameter, {})
            state["step"] = state.get("step", 0) + 1
            parameter.data -= self.update(g, state)

    def update(self, g: Array, state: dict[str, Any]) -> Array:
        """What to subtract from a parameter with gradient g. state: its own, kept between steps."""
        raise NotImplementedError
