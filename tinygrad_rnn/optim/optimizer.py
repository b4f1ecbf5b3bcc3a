"""What all optimisers share: groups of parameters, their state, and the order of a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..engine.tensor import Tensor
from ..ops.op import Array
from . import saved
from .groups import Group, Params, as_groups, check_parameters, listed, plain, wrong_settings


class Optimizer:
    """Updates parameters in place from their gradients; a subclass defines `update`.

    params: leaf Tensors, or groups of them with settings of their own, as
    `{"params": tensors, "lr": 0.1}`. defaults: the settings of groups that do not say otherwise.
    param_groups: the groups; their settings may be changed between steps.
    Raises: ValueError for a setting that is unknown or out of range, without parameters or with
    one that is there twice; TypeError for what is no leaf Tensor.

    A step allocates no arrays after the first: what it computes goes into arrays that are kept.
    """

    buffers: ClassVar[Mapping[str, str]] = {}  # arrays in a state; the setting it takes, or ""
    counts: ClassVar[bool] = True  # whether a state has the number of steps

    def __init__(self, params: Params, **defaults: Any) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self._scratch: dict[tuple[Any, ...], Array] = {}
        for group in as_groups(type(self).__name__, params):
            self.add_param_group(group)
        if not self.parameters:
            raise ValueError(f"{type(self).__name__}: there are no parameters to update")

    # Groups

    @property
    def parameters(self) -> list[Tensor]:
        """All parameters, group by group."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    @property
    def lr(self) -> float:
        """The learning rate of all groups; setting it sets that of each.

        Raises: ValueError where they differ.
        """
        rates = [group["lr"] for group in self.param_groups]
        if any(rate != rates[0] for rate in rates):
            raise ValueError(
                f"{type(self).__name__}: the groups have the learning rates {rates}, not one; see "
                "param_groups"
            )
        return float(rates[0])

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.param_groups:
            group["lr"] = value

    def add_param_group(self, param_group: Group) -> None:
        """Adds a group of parameters. Raises: as for the groups at the start.

        >>> from tinygrad_rnn.optim import SGD
        >>> w, b = (Tensor(np.ones(n), requires_grad=True) for n in (2, 3))
        >>> optimizer = SGD([w], lr=0.1)
        >>> optimizer.add_param_group({"params": [b], "lr": 0.2})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.2]
        """
        kind = type(self).__name__
        if not (isinstance(param_group, dict) and "params" in param_group):
            raise TypeError(f"{kind}: {param_group!r:.60} is no group, a dict with 'params'")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else listed(kind, params)
        check_parameters(kind, params, self.parameters)
        group = {**self.defaults, **param_group, "params": params}
        self._check(group)
        self.param_groups.append(group)

    def wrong(self, group: Mapping[str, Any]) -> list[str]:
        """What is wrong with a group's settings, in words."""
        return wrong_settings(group, self.defaults)

    def _check(self, group: Group) -> None:
        wrong = self.wrong(group)
        if wrong:
            raise ValueError(f"{type(self).__name__}: {'; '.join(wrong)}")

    # Steps

    def zero_grad(self) -> None:
        """Forgets all gradients: `.grad` becomes None."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Updates each parameter that has a gradient.

        Raises: ValueError where a group's settings are out of range; then nothing has changed.
        """
        for group in self.param_groups:
            self._check(group)
        for group in self.param_groups:
            settings = {name: plain(group[name]) for name in self.defaults}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad.data, settings)

    def _move(self, parameter: Tensor, g: Array, settings: dict[str, Any]) -> None:
        p, state = parameter.data, self.state.setdefault(parameter, {})
        if self.counts:
            state["step"] = state.get("step", 0) + 1
        if settings["weight_decay"]:
            g = self.decayed(p, g, settings)
        np.subtract(p, self.update(g, state, settings), out=p)
        parameter.data = p  # the tape notices an assignment

    def decayed(self, p: Array, g: Array, settings: dict[str, Any]) -> Array:
        """The gradient with weight decay: g + weight_decay p."""
        total = self.scratch("decayed", g)
        np.multiply(p, settings["weight_decay"], out=total)
        return np.add(g, total, out=total)

    def update(self, g: Array, state: dict[str, Any], settings: dict[str, Any]) -> Array:
        """What to subtract from a parameter with gradient g, which must not be written.

        state: the parameter's own, kept between steps.
        """
        raise NotImplementedError

    def scratch(self, use: str, like: Array) -> Array:
        """An array of this shape and dtype to write into; for each use the same one again."""
        key = use, like.shape, like.dtype
        if key not in self._scratch:
            self._scratch[key] = np.empty(like.shape, like.dtype)
        return self._scratch[key]

    # What the next step depends on

    def state_dict(self) -> dict[str, Any]:
        """A copy of what the next step depends on, beside parameters and gradients.

        Result: {"state": {k: {name: array or count}}, "param_groups": [settings]}, where k is a
        parameter's position among all of them, and each group's "params" are such positions.

        >>> from tinygrad_rnn.optim import SGD
        >>> optimizer = SGD([Tensor([1.0], requires_grad=True)], lr=0.1)
        >>> optimizer.state_dict()["param_groups"][0]["lr"]
        0.1
        """
        return saved.state_dict(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what the next step depends on.

        state_dict: as `state_dict` gives it; k may be text, as JSON has it.
        Raises: ValueError that lists every difference; then nothing has changed.
        """
        saved.load_state_dict(self, state_dict)


def state_array(state: dict[str, Any], name: str, like: Array, value: float = 0.0) -> Array:
    """An array in a parameter's state, full of a value at first.

    >>> state = {}
    >>> state_array(state, "sum", np.ones(2)) is state_array(state, "sum", np.ones(2))
    True
    """
    if name not in state:
        state[name] = np.full(like.shape, value, like.dtype)
    array: Array = state[name]
    return array
