"""Sequential: modules one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .module import Module

Function = Callable[[Any], Any]
if TYPE_CHECKING:
    import typing_extensions as later
    from typing_extensions import Unpack

    R = later.TypeVar("R", default=Any)
else:
    R = TypeVar("R")


class Sequential(Module, Generic[R]):
    """Each part's result is the next one's input; parts are Modules or functions.

    Its parameters are named by the part's position, as in PyTorch: "0.weight".

    >>> import numpy as np
    >>> from tinygrad_rnn import nn, tanh
    >>> nn.Sequential(nn.Linear(3, 4, rng=0), tanh, nn.Linear(4, 2, rng=1))(np.ones((5, 3))).shape
    (5, 2)
    """

    @overload  # of several the last one says what comes out; of a list all of them
    def __init__(
        self, *parts: Unpack[tuple[Unpack[tuple[Function, ...]], Callable[[Any], R]]]
    ) -> None: ...
    @overload
    def __init__(self, *parts: Callable[[Any], R]) -> None: ...
    def __init__(self, *parts: Function) -> None:  # type: ignore[misc]
        for part in parts:
            if not callable(part):
                raise TypeError(f"Sequential: {part!r:.60} is neither a Module nor a function")
        self.parts = parts

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules among the parts, named by their position."""
        for k, part in enumerate(self.parts):
            if isinstance(part, Module):
                yield str(k), part

    def forward(self, x: Any) -> R:
        """What the last part gives."""
        for part in self.parts:
            x = part(x)
        last: R = x
        return last

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, k: int) -> Function:
        return self.parts[k]
