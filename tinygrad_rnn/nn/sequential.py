"""Sequential: modules one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .module import Module


class Sequential(Module):
    """Each part's result is the next one's input; parts are Modules or functions.

    Its parameters are named by the part's position, as in PyTorch: "0.weight".

    >>> import numpy as np
    >>> from tinygrad_rnn import nn, tanh
    >>> nn.Sequential(nn.Linear(3, 4, rng=0), tanh, nn.Linear(4, 2, rng=1))(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(self, *parts: Callable[[Any], Any]) -> None:
        for part in parts:
            if not callable(part):
                raise TypeError(f"Sequential: {part!r:.60} is neither a Module nor a function")
        self.parts = parts

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules among the parts, named by their position."""
        for k, part in enumerate(self.parts):
            if isinstance(part, Module):
                yield str(k), part

    def forward(self, x: Any) -> Any:
        """What the last part gives."""
        for part in self.parts:
            x = part(x)
        return x

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, k: int) -> Callable[[Any], Any]:
        return self.parts[k]
