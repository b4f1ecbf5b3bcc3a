"""Embedding: a vector that is learnt for each word or character."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..engine.tensor import Tensor
from ..ops import where
from ..ops.shape import checked
from .cells import as_array, check_sizes
from .module import Input, Module, Parameter, Rng


class Embedding(Module):
    """Row `id` of a matrix for each id.

    num_embeddings, embedding_dim: V rows of D columns. padding_idx: the id whose row starts as 0
    and never gets a gradient. dtype: of the parameter. rng: a NumPy generator or a seed.
    Parameter: weight (V, D), from N(0, 1). x: (...) int. Result: (..., D).
    Raises: IndexError for an id that is negative or beyond V, TypeError for ids that are no ints.

    >>> Embedding(5, 3, rng=0)(np.array([[0, 4]])).shape
    (1, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: npt.DTypeLike = np.float64,
        rng: Rng = None,
    ) -> None:
        check_sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"Embedding: padding_idx is {padding_idx}, but there are {num_embeddings} rows"
            )
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        values = np.random.default_rng(rng).normal(size=(num_embeddings, embedding_dim))
        if self.padding_idx is not None:
            values[self.padding_idx] = 0
        self.weight = Parameter(values, dtype=dtype, name="weight")

    def forward(self, ids: Input) -> Tensor:
        """ids: (...) int, 0 to V - 1. Result: (..., D)."""
        places: Any = as_array(ids)
        if places.dtype.kind not in "iu":
            raise TypeError(f"Embedding: ids have dtype {places.dtype}; they must be integers")
        places = checked(places, self._check)
        rows = self.weight[places]
        if self.padding_idx is None:
            return rows
        padding = self.weight.detach()[self.padding_idx]
        return where((places != self.padding_idx)[..., None], rows, padding)

    def _check(self, ids: Any) -> None:
        V = len(self.weight)
        wrong = ids[(ids < 0) | (ids >= V)]
        if wrong.size:
            raise IndexError(
                f"Embedding: id {wrong.flat[0]} is out of range: there are {V} rows, so ids must "
                f"be in [0, {V})"
            )
