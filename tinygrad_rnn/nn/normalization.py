"""LayerNorm: each example with mean 0 and variance 1 over its features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..engine.tensor import Tensor
from ..ops import mean, sqrt, var
from .cells import as_array, check_sizes
from .module import Module, Parameter


class LayerNorm(Module):
    """y = (x - mean) / √(variance + eps) ⊙ weight + bias, over the last axes.

    normalized_shape: the sizes of those axes. elementwise_affine: whether there are weight and
    bias; bias: whether there is the latter. dtype: of the parameters.
    Parameters: weight, ones, and bias, zeros, of normalized_shape. x, result: (..., *sizes).
    Raises: ValueError where x ends in other sizes. Source: Ba, Kiros & Hinton (2016).

    >>> LayerNorm(2)(np.array([[1.0, 3.0]])).data.round(3)
    array([[-1.,  1.]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        sizes = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        check_sizes("LayerNorm", **{f"normalized_shape[{k}]": n for k, n in enumerate(sizes)})
        self.normalized_shape = tuple(sizes)
        self.eps = eps
        ones, zeros = np.ones(self.normalized_shape), np.zeros(self.normalized_shape)
        both = elementwise_affine and bias
        self.weight = Parameter(ones, dtype=dtype, name="weight") if elementwise_affine else None
        self.bias = Parameter(zeros, dtype=dtype, name="bias") if both else None

    def forward(self, x: Any) -> Tensor:
        """x: (..., *normalized_shape). Result: as x."""
        x, sizes = as_array(x), self.normalized_shape
        if x.shape[-len(sizes) :] != sizes:
            raise ValueError(f"LayerNorm: x has shape {x.shape}; it must end in {sizes}")
        axes = tuple(range(-len(sizes), 0))
        variance = var(x, axis=axes, keepdims=True)
        y = (x - mean(x, axis=axes, keepdims=True)) / sqrt(variance + self.eps)
        y = y if self.weight is None else y * self.weight
        z: Tensor = y if self.bias is None else y + self.bias
        return z
