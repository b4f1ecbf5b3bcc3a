"""Dropout: noise that keeps a network from relying on single units."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from ..engine.tensor import Tensor
from ..ops.op import Array
from .cells import as_array
from .module import Module, Rng


class Dropout(Module):
    """In training each entry is zeroed with probability p and the others are divided by 1 - p.

    p: 0 to 1. rng: a NumPy generator or a seed. Outside of training (`eval()`) x stays as it is.
    Raises: ValueError for another p, TypeError where x is not of floats.
    Source: Srivastava et al. (2014).

    >>> Dropout(0.5, rng=0)(np.ones(6))
    array([2., 0., 0., 0., 2., 2.])
    """

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        check_probability("Dropout", "p", p)
        self.p = p
        self._rng = np.random.default_rng(rng)

    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Array) -> Array: ...
    def __call__(self, x: Any) -> Any:
        """What `forward` computes."""
        return self.forward(x)

    def forward(self, x: Any) -> Any:
        """x: any shape, float. Result: as x."""
        if not self.training:
            return x
        x = as_array(x)
        if x.dtype.kind != "f":  # a whole number divided by 1 - p is none
            raise TypeError(f"Dropout: x has dtype {x.dtype}; it must be of floats")
        return dropped(x, self.p, self._rng)


def dropped(x: Any, p: float, rng: np.random.Generator) -> Any:
    """x with each entry zeroed with probability p, and the others divided by 1 - p.

    >>> dropped(np.ones(3), 1.0, np.random.default_rng(0))
    array([0., 0., 0.])
    """
    if not p:
        return x
    mask = rng.random(x.shape) >= p
    return x * (mask / max(1 - p, 1e-300)).astype(x.dtype)


def check_probability(kind: str, name: str, p: float) -> None:
    """Raises: ValueError unless 0 <= p <= 1."""
    if not 0 <= p <= 1:
        raise ValueError(f"{kind}: {name} is {p}; it must be from 0 to 1")
