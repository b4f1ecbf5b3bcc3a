"""Outputs, loss and their gradients by hand, into arrays that are kept."""

from __future__ import annotations

import numpy as np

from .workloads import Array, Problem


class CrossEntropy:
    """Softmax cross-entropy of h V + c for all n = T B states; dV and dc are kept here.

    examples: what the mean divides by, where the batch is a part of a larger one.
    """

    def __init__(self, problem: Problem, examples: int) -> None:
        T, B, _, H, O = problem.sizes
        n, dtype = T * B, problem.dtype
        self.y = np.ascontiguousarray(problem.y)
        self.scale = 1.0 if problem.loss == "sum" else 1.0 / (T * examples)
        self.offsets, self.places = np.arange(0, n * O, O), np.empty(n, int)
        self.p, self.column = np.empty((n, O), dtype), np.empty((n, 1), dtype)
        self.flat, self.total = self.p.reshape(-1), self.column[:, 0]
        self.ones, self.classes = np.ones(n, dtype), np.ones(O, dtype)
        self.dV, self.dc = np.empty((H, O), dtype), np.empty(O, dtype)

    def __call__(self, h: Array, V: Array, c: Array, dh: Array) -> float:
        """The loss of the states h (n, H); dh, of the same shape, is overwritten."""
        p, column, places = self.p, self.column, self.places
        np.add(self.offsets, self.y.reshape(-1), out=places)
        np.dot(h, V, out=p)
        np.add(p, c, out=p)
        np.maximum.reduce(p, axis=1, keepdims=True, out=column)
        np.subtract(p, column, out=p)
        target = np.add.reduce(self.flat[places])
        np.exp(p, out=p)
        np.dot(p, self.classes, out=self.total)
        np.divide(p, column, out=p)
        np.log(column, out=column)
        loss = float(np.add.reduce(self.total) - target) * self.scale
        self.flat[places] = self.flat[places] - self.ones
        if self.scale != 1:
            np.multiply(p, self.scale, out=p)
        np.dot(h.T, p, out=self.dV)
        np.dot(self.ones, p, out=self.dc)
        np.dot(p, V.T, out=dh)
        return loss


class SquaredError:
    """The mean squared error of h V + c for the B last states; dV and dc are kept here.

    examples: what the mean divides by, where the batch is a part of a larger one.
    """

    def __init__(self, problem: Problem, examples: int) -> None:
        _, B, _, H, O = problem.sizes
        self.y, self.entries = problem.y, examples * O
        self.d, self.ones = np.empty((B, O), problem.dtype), np.ones(B, problem.dtype)
        self.dV, self.dc = np.empty((H, O), problem.dtype), np.empty(O, problem.dtype)

    def __call__(self, h: Array, V: Array, c: Array, dh: Array) -> float:
        """The loss of the states h (B, H); dh, of the same shape, is overwritten."""
        d = self.d
        np.dot(h, V, out=d)
        np.add(d, c, out=d)
        np.subtract(d, self.y, out=d)
        loss = float(np.vdot(d, d)) / self.entries
        np.multiply(d, 2 / self.entries, out=d)
        np.dot(h.T, d, out=self.dV)
        np.dot(self.ones, d, out=self.dc)
        np.dot(d, V.T, out=dh)
        return loss
