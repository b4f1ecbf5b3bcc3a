"""Linear: a weighted sum of the inputs for each output."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..engine.tensor import Tensor
from ..ops import addmm, matmul
from .cells import as_array
from .module import Input, Module, Rng, uniform


class Linear(Module):
    """y = x Wᵀ + b.

    in_features, out_features: I and O. bias: whether there is a b. dtype: of the parameters.
    rng: a NumPy generator or a seed. Parameters: weight (O, I), bias (O,), from U(-1/√I, 1/√I).
    x: (..., I). Result: (..., O). Raises: ValueError where x ends in another size.

    >>> Linear(3, 2, rng=0)(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: npt.DTypeLike = np.float64,
        rng: Rng = None,
    ) -> None:
        rng = np.random.default_rng(rng)
        bound = 1 / np.sqrt(max(in_features, 1))
        self.in_features = in_features
        self.out_features = out_features
        self.weight = uniform((out_features, in_features), bound, "weight", dtype, rng)
        self.bias = uniform((out_features,), bound, "bias", dtype, rng) if bias else None

    def forward(self, x: Input) -> Tensor:
        """x: (..., I). Result: (..., O)."""
        shape, W, b = as_array(x).shape, self.weight.T, self.bias
        if shape[-1:] != (self.in_features,):
            raise ValueError(f"Linear: x has shape {shape}; it must be (..., {self.in_features})")
        return matmul(x, W) if b is None else addmm(b, x, W)
