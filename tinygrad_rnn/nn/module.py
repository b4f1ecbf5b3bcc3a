"""Module: parts that learn, made of Parameters and of other Modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ..engine.tensor import Tensor
from ..ops.op import Array, Numbers

Input = Tensor | Numbers
Rng: TypeAlias = "np.random.Generator | int | None"  # a text: what draws is loaded when used

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
M = TypeVar("M", bound="Module")


class HasForward(Protocol[P, R]):
    """What has a `forward`, which says what calling it takes and gives."""

    def forward(self, *inputs: P.args, **settings: P.kwargs) -> R:
        """What calling it computes."""


class Parameter(Tensor):
    """A leaf that requires a gradient and that a Module finds among its attributes.

    data, requires_grad, dtype, name: as of a `Tensor`.

    >>> Parameter([1.0, 2.0], name="weight")
    Parameter([1., 2.], name='weight', requires_grad=True)
    """

    __slots__ = ()

    def __init__(
        self,
        data: Any,
        *,
        requires_grad: bool = True,
        dtype: npt.DTypeLike | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(data, requires_grad=requires_grad, dtype=dtype, name=name)


class Module:
    """Its parameters are its attributes that are Parameters, and those of its Modules.

    Attributes may be lists or tuples of Modules. A subclass defines `forward`.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Parameter(2.0)
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(3.0).item(), [name for name, _ in Scale().named_parameters()]
    (6.0, ['factor'])

    Printed it is a tree: each module with the number of entries of all its parameters.

    >>> print(Scale())
    Scale, 1 parameter
      factor ()
    """

    training = True

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        """What calling the module computes."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def __call__(self: HasForward[P, R], *inputs: P.args, **settings: P.kwargs) -> R:
        """What `forward` computes."""
        return self.forward(*inputs, **settings)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules among the attributes; those in a list are named `attribute.position`."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, (list, tuple)):
                for k, part in enumerate(value):
                    if isinstance(part, Module):
                        yield f"{name}.{k}", part

    def modules(self) -> Iterator[Module]:
        """This module and all that are inside it."""
        yield self
        for _, child in self.named_children():
            yield from child.modules()

    def own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """The parameters among the attributes, with their names."""
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter once, with its dotted name."""
        seen: set[Parameter] = set()
        for name, parameter in self._own_and_inner_parameters(""):
            if parameter not in seen:
                seen.add(parameter)
                yield name, parameter

    def _own_and_inner_parameters(self, prefix: str) -> Iterator[tuple[str, Parameter]]:
        for name, parameter in self.own_parameters():
            yield prefix + name, parameter
        for name, child in self.named_children():
            yield from child._own_and_inner_parameters(f"{prefix}{name}.")

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter once."""
        return (parameter for _, parameter in self.named_parameters())

    def zero_grad(self) -> None:
        """Forgets all gradients: `.grad` becomes None."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self: M, mode: bool = True) -> M:
        """Sets whether the module is being trained, here and inside; returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Sets that the module is used and not trained; returns the module."""
        return self.train(False)

    def state_dict(self) -> dict[str, Array]:
        """A copy of each parameter's values, by name."""
        return {name: parameter.numpy() for name, parameter in self._own_and_inner_parameters("")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over the values of each parameter, by name.

        state: as `state_dict` gives it; anything that becomes an array of the same shape.
        Raises: ValueError that lists every difference; then nothing has changed.
        """
        parameters = dict(self._own_and_inner_parameters(""))
        arrays = {name: np.asarray(value) for name, value in state.items()}
        wrong = [f"{name} is missing" for name in parameters if name not in arrays]
        wrong += [f"{name} is not a parameter" for name in arrays if name not in parameters]
        wrong += [
            f"{name} has shape {arrays[name].shape}, not {parameter.shape}"
            for name, parameter in parameters.items()
            if name in arrays and arrays[name].shape != parameter.shape
        ]
        wrong += [
            f"{name} has dtype {arrays[name].dtype}, which is no number's"
            for name in parameters
            if name in arrays and arrays[name].dtype.kind not in "fiub"
        ]
        if wrong:
            raise ValueError(f"load_state_dict: {'; '.join(wrong)}")
        for name, parameter in parameters.items():
            parameter.data = arrays[name]

    def __repr__(self) -> str:
        count = sum(parameter.size for parameter in self.parameters())
        lines = [f"{type(self).__name__}, {count:,} parameter{'s' if count != 1 else ''}"]
        lines += [f"{name} {parameter.shape}" for name, parameter in self.own_parameters()]
        lines += [f"{name}: {child!r}" for name, child in self.named_children()]
        return "\n".join(lines).replace("\n", "\n  ")


def uniform(
    shape: tuple[int, ...], bound: float, name: str, dtype: npt.DTypeLike, rng: np.random.Generator
) -> Parameter:
    """A Parameter drawn from U(-bound, bound), as PyTorch starts its layers.

    >>> uniform((2, 3), 0.5, "weight", np.float32, np.random.default_rng(0)).dtype
    dtype('float32')
    """
    return Parameter(rng.uniform(-bound, bound, shape), dtype=dtype, name=name)
