"""What is measured: the sizes of each workload, and the data and weights all competitors share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Sizes(NamedTuple):
    """T steps of a batch of B, I inputs, H hidden units, O outputs or classes."""

    T: int
    B: int
    I: int
    H: int
    O: int


class Workload(NamedTuple):
    """A cell, sizes and a loss.

    kind: of the cell, a key of `SHAPES`. loss: "sum" or "mean" of the softmax cross-entropy of all
    steps, or "mse" of the last state. one_hot: whether inputs are characters.
    """

    kind: str
    sizes: Sizes
    loss: str
    one_hot: bool
    title: str


CHARACTERS, BATCHES = Sizes(25, 1, 65, 100, 65), Sizes(100, 32, 64, 256, 65)
WINDOWS, LONG = Sizes(10, 8317, 1, 50, 1), Sizes(1000, 1, 65, 100, 65)
WORKLOADS = {
    "W1": Workload("RNN", CHARACTERS, "sum", True, "character RNN"),
    "W2": Workload("RNN", WINDOWS, "mse", False, "windows of a series, in one batch"),
    "W3": Workload("RNN", BATCHES, "mean", False, "RNN, batches of long sequences"),
    "W4": Workload("RNN", LONG, "sum", True, "character RNN, 1,000 steps"),
    "W6-LSTM": Workload("LSTM", CHARACTERS, "sum", True, "character LSTM"),
    "W6-GRU": Workload("GRU", CHARACTERS, "sum", True, "character GRU"),
    "W6-LSTM-batches": Workload("LSTM", BATCHES, "mean", False, "LSTM at the sizes of W3"),
    "W6-GRU-batches": Workload("GRU", BATCHES, "mean", False, "GRU at the sizes of W3"),
    "W7": Workload("MGU", CHARACTERS, "sum", True, "a gated cell of one's own"),
}


def shapes(kind: str, sizes: Sizes) -> list[tuple[int, ...]]:
    """The shapes of a cell's weights, then those of the output's, V (H, O) and c (O,).

    RNN and LSTM: W (I, G H), U (H, G H), b (G H,), for G gates in the order i, f, g, o. GRU: W, U,
    b and the b_h that is added to h U; gates r, u, n. MGU: W, U, b of the gate f, then of n.
    """
    _, _, I, H, O = sizes
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3, "MGU": 1}[kind]
    cell: list[tuple[int, ...]] = [(I, gates * H), (H, gates * H), (gates * H,)]
    cell += {"GRU": [(gates * H,)], "MGU": cell}.get(kind, [])
    return [*cell, (H, O), (O,)]


class Problem:
    """Data and weights of a workload in a dtype, drawn from a fixed seed.

    x: (T, B, I). y: (T, B) int classes, or (B, O) values. weights: as in `shapes`. ids: (T, B) int,
    the characters where inputs are one-hot. start: the zeros (B, H) a state starts from.
    """

    def __init__(self, workload: Workload, dtype: npt.DTypeLike = np.float32) -> None:
        rng = np.random.default_rng(0)
        T, B, I, H, O = self.sizes = workload.sizes
        self.kind, self.loss, self.one_hot = workload.kind, workload.loss, workload.one_hot
        self.dtype = np.dtype(dtype)
        self.ids = rng.integers(0, I, (T, B))
        x = np.eye(I)[self.ids] if self.one_hot else rng.normal(size=(T, B, I))
        y = rng.normal(size=(B, O)) if self.loss == "mse" else rng.integers(0, O, (T, B))
        self.x = x.astype(self.dtype)
        self.y = y.astype(self.dtype) if self.loss == "mse" else y
        self.weights = [
            (rng.normal(size=shape) / np.sqrt(H)).astype(self.dtype)
            for shape in shapes(self.kind, self.sizes)
        ]
        self.start = np.zeros((B, H), self.dtype)

    def rows(self, start: int, stop: int) -> Problem:
        """The same weights with a part of the batch; a view of the data."""
        part = object.__new__(Problem)
        part.__dict__.update(self.__dict__)
        part.sizes = self.sizes._replace(B=stop - start)
        part.x, part.ids = np.ascontiguousarray(self.x[:, start:stop]), self.ids[:, start:stop]
        part.y = self.y[start:stop] if self.loss == "mse" else self.y[:, start:stop]
        part.start = self.start[start:stop]
        return part


class Competitor(NamedTuple):
    """One way to take a workload's step.

    step: forward, loss and backward; afterwards the gradients are there. read: of what the step
    returned, the loss and the gradients, in the order and layout of the problem's weights.
    """

    step: Callable[[], Any]
    read: Callable[[Any], tuple[float, list[Array]]]


def as_it_is(result: tuple[Any, Any]) -> tuple[float, list[Array]]:
    """The `read` of steps that return (loss, gradients)."""
    loss, gradients = result
    return float(loss), [np.asarray(g) for g in gradients]
